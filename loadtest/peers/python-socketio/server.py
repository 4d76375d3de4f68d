"""The server of the migration plan: python-socketio's rooms, one emit for each packet of voice."""

import sys

import socketio
import uvicorn

sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")


@sio.event
async def connect(sid, environ, auth):
    await sio.save_session(sid, {"user": (auth or {}).get("token")})


@sio.event
async def join_channel(sid, data):
    channel = data.get("channel_id")
    session = await sio.get_session(sid)
    session["current_channel"] = channel
    await sio.save_session(sid, session)
    await sio.enter_room(sid, channel)
    return {"status": "ok", "channel": channel}


@sio.event
async def voice_packet(sid, data):
    session = await sio.get_session(sid)
    channel = session.get("current_channel")
    if channel:
        await sio.emit("voice_packet", data, room=channel, skip_sid=sid)


if __name__ == "__main__":
    uvicorn.run(socketio.ASGIApp(sio), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
