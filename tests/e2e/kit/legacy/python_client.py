"""A python-socketio client that is driven by JSON lines (the dialogue is described in subprocess.js).

The asyncio client: the threaded one handles each WebSocket frame in a thread of its own, so that on a busy machine an
event may be given another's binary attachment.
"""

import asyncio
import base64
import json
import sys
import time

import socketio

ACK_SECONDS = 10


def write(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def to_json(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$binary": base64.b64encode(value).decode()}
    return value


def from_json(value):
    if isinstance(value, dict) and "$binary" in value:
        return base64.b64decode(value["$binary"])
    return value


def report(event, args):
    write({"event": event, "args": [to_json(arg) for arg in args], "at": time.time() * 1000})


class Client:
    def __init__(self):
        self.socket = None
        self.namespace = "/"
        self.refusal = None

    async def connect(self, command):
        self.namespace = command["namespace"]
        self.socket = socketio.AsyncClient(reconnection=command["reconnect"])
        self.socket.on("*", lambda event, *args: report(event, args), namespace=self.namespace)
        self.socket.on("disconnect", lambda *reason: report("disconnect", reason), namespace=self.namespace)
        self.socket.on("connect_error", self.refused, namespace=self.namespace)
        mode, token, url = command["authMode"], command["token"], command["url"]
        try:
            await self.socket.connect(
                f"{url}?token={token}" if mode == "query" else url,
                auth={"token": token} if mode == "auth" else None,
                transports=command["transports"],
                namespaces=[self.namespace],
            )
        except socketio.exceptions.ConnectionError as error:
            return {"connected": False, "message": self.refusal or str(error)}
        return {"connected": True, "id": self.socket.get_sid(self.namespace)}

    def refused(self, data=None):
        self.refusal = data.get("message") if isinstance(data, dict) else str(data)

    async def emit(self, command):
        event, args = command["event"], tuple(from_json(arg) for arg in command["args"])
        if command["ack"]:
            return await self.socket.call(event, args or None, namespace=self.namespace, timeout=ACK_SECONDS)
        await self.socket.emit(event, args or None, namespace=self.namespace)
        return None

    async def voice(self, command):
        with open(command["file"], "rb") as file:
            voice = file.read()
        start, offset = time.monotonic(), 0
        for size in command["sizes"]:
            due = start + offset / command["bytes_per_second"]
            await asyncio.sleep(max(0, due - time.monotonic()))
            await self.socket.emit("voice_packet", voice[offset : offset + size], namespace=self.namespace)
            offset += size

    async def transport(self, _command):
        return self.socket.transport()

    async def disconnect(self, _command):
        if self.socket:
            await self.socket.disconnect()


async def carry_out(client, command):
    try:
        result = await getattr(client, command["op"])(command)
        write({"id": command["id"], "result": to_json(result)})
    except Exception as error:  # whatever it is, the test shall see it
        write({"id": command["id"], "error": f"{type(error).__name__}: {error}"})


async def main():
    client, tasks = Client(), set()
    lines = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        task = asyncio.create_task(carry_out(client, json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
