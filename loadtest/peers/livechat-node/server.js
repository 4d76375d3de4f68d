// The livechat as it is usually written: ws, a Map of connections, SQLite. A message is acknowledged once it is stored.

const { WebSocketServer } = require('ws');
const { createServer } = require('node:http');
const { mkdtempSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const Database = require('better-sqlite3');

const database = new Database(join(mkdtempSync(join(tmpdir(), 'livechat-node-')), 'livechat.db'));
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec(`CREATE TABLE messages (session TEXT, number INTEGER, id TEXT, text TEXT, at INTEGER,
  PRIMARY KEY (session, number), UNIQUE (session, id))`);
const known = database.prepare('SELECT number, at FROM messages WHERE session = ? AND id = ?');
const last = database.prepare('SELECT coalesce(max(number), 0) AS number FROM messages WHERE session = ?');
const insert = database.prepare('INSERT INTO messages VALUES (?, ?, ?, ?, ?)');
const store = database.transaction((session, id, text) => {
  const before = known.get(session, id);
  if (before) return { ...before, fresh: false };
  const message = { number: last.get(session).number + 1, at: Date.now(), fresh: true };
  insert.run(session, message.number, id, text, message.at);
  return message;
});

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#x27;' };
const safe = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

const staff = new Set();
const server = createServer();
const sockets = new WebSocketServer({ server });
const frame = (type, data) => JSON.stringify({ type, data });

sockets.on('connection', (socket, request) => {
  const url = new URL(request.url, 'http://localhost');
  const session = url.searchParams.get('token');
  socket.on('error', () => {});
  socket.send(frame('connection:success', { sessionId: session }));
  if (url.pathname === '/livechat/staff') {
    staff.add(socket);
    socket.on('close', () => staff.delete(socket));
    return;
  }
  socket.on('message', (bytes) => {
    let message;
    try {
      message = JSON.parse(bytes);
    } catch {
      return socket.send(frame('error:invalid_payload', { message: 'not JSON' }));
    }
    const { type, data } = message;
    if (type !== 'message:send' || typeof data?.text !== 'string') {
      return socket.send(frame('error:invalid_payload', { message: 'no text' }));
    }
    const { number, at, fresh } = store(session, String(data.id), data.text);
    socket.send(frame('message:ack', { id: data.id, messageId: number, timestamp: at }));
    if (!fresh) return undefined;
    const said = frame('livechat:message', { sessionId: session, from: session, text: safe(data.text), messageId: number, timestamp: at });
    for (const one of staff) one.send(said);
    return undefined;
  });
});

server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
