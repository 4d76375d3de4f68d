"""The livechat in python-socketio, with SQLite. A message is acknowledged once it is stored."""

import asyncio
import html
import os
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import socketio
import uvicorn

path = os.path.join(tempfile.mkdtemp(prefix="livechat-python-"), "livechat.db")
database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = FULL")
database.execute(
    "CREATE TABLE messages (session TEXT, number INTEGER, id TEXT, text TEXT, at INTEGER,"
    " PRIMARY KEY (session, number), UNIQUE (session, id))"
)
# SQLite has one writer: a thread of its own keeps the loop free while it waits for the disk.
writer = ThreadPoolExecutor(max_workers=1)
sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")


def store(session, id, text):
    before = database.execute("SELECT number, at FROM messages WHERE session = ? AND id = ?", (session, id)).fetchone()
    if before:
        return *before, False
    (last,) = database.execute("SELECT coalesce(max(number), 0) FROM messages WHERE session = ?", (session,)).fetchone()
    at = int(time.time() * 1000)
    database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", (session, last + 1, id, text, at))
    return last + 1, at, True


@sio.event
async def connect(sid, environ, auth):
    token = (auth or {}).get("token")
    await sio.save_session(sid, {"session": token})
    if token == "staff":
        await sio.enter_room(sid, "role_admin")


@sio.on("message:send")
async def message_send(sid, data):
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        await sio.emit("error:invalid_payload", {"message": "no text"}, to=sid)
        return
    session = (await sio.get_session(sid))["session"]
    stored = asyncio.get_running_loop().run_in_executor(writer, store, session, str(data.get("id")), data["text"])
    number, at, fresh = await stored
    await sio.emit("message:ack", {"id": data.get("id"), "messageId": number, "timestamp": at}, to=sid)
    if fresh:
        said = {"sessionId": session, "from": session, "text": html.escape(data["text"]), "messageId": number, "timestamp": at}
        await sio.emit("livechat:message", said, room="role_admin")


if __name__ == "__main__":
    uvicorn.run(socketio.ASGIApp(sio), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", backlog=4096)
