"""Publishes by python-socketio's write-only Redis manager: `python_emitter.py URL`, a list of calls as JSON on standard input.

Each call is `{"event", "data", "room"?, "namespace"?}`; `{"$binary": "<base64>"}` stands for bytes, `{"$several": [...]}` for a tuple.
"""
import asyncio
import base64
import json
import sys

import socketio


def value(data):
    if isinstance(data, dict) and "$binary" in data:
        return base64.b64decode(data["$binary"])
    if isinstance(data, dict) and "$several" in data:
        return tuple(value(part) for part in data["$several"])
    if isinstance(data, dict):
        return {key: value(part) for key, part in data.items()}
    return data


async def main():
    manager = socketio.AsyncRedisManager(sys.argv[1], write_only=True)
    for call in json.load(sys.stdin):
        await manager.emit(call["event"], value(call["data"]), room=call.get("room"), namespace=call.get("namespace"))


asyncio.run(main())
