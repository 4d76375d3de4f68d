"""A python-socketio client that is driven by JSON lines (the dialogue is described in subprocess.js)."""

import base64
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import socketio

ACK_SECONDS = 10
output = threading.Lock()


def write(message):
    with output:
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
        self.socket = socketio.Client(reconnection=False)
        self.namespace = "/"
        self.refusal = None

    def connect(self, command):
        self.namespace = command["namespace"]
        self.socket.on("*", lambda event, *args: report(event, args), namespace=self.namespace)
        self.socket.on("disconnect", lambda *reason: report("disconnect", reason), namespace=self.namespace)
        self.socket.on("connect_error", self.refused, namespace=self.namespace)
        mode, token, url = command["authMode"], command["token"], command["url"]
        try:
            self.socket.connect(
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

    def emit(self, command):
        event, args = command["event"], tuple(from_json(arg) for arg in command["args"])
        if command["ack"]:
            return self.socket.call(event, args or None, namespace=self.namespace, timeout=ACK_SECONDS)
        self.socket.emit(event, args or None, namespace=self.namespace)
        return None

    def voice(self, command):
        with open(command["file"], "rb") as file:
            voice = file.read()
        start, offset = time.monotonic(), 0
        for size in command["sizes"]:
            due = start + offset / command["bytes_per_second"]
            time.sleep(max(0, due - time.monotonic()))
            self.socket.emit("voice_packet", voice[offset : offset + size], namespace=self.namespace)
            offset += size

    def transport(self, _command):
        return self.socket.transport()

    def disconnect(self, _command):
        self.socket.disconnect()


def carry_out(client, command):
    try:
        result = getattr(client, command["op"])(command)
        write({"id": command["id"], "result": to_json(result)})
    except Exception as error:  # whatever it is, the test shall see it
        write({"id": command["id"], "error": f"{type(error).__name__}: {error}"})


def main():
    client = Client()
    with ThreadPoolExecutor() as pool:
        for line in sys.stdin:
            pool.submit(carry_out, client, json.loads(line))


main()
