"""The echo of `media-node/livekit/examples/echo.rs` with LiveKit's official SDK, for comparison.

    pip install livekit==1.2.0
    python official_agent.py URL KEY SECRET PHONE CALLS SECONDS

The arguments are those that `echo servers` prints. One process holds all calls, as in the other.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.request

from livekit import rtc

URL, KEY, SECRET, PHONE, CALLS, SECONDS = sys.argv[1:7]
HTTP = URL.replace("ws", "http", 1)


def token(**grants):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = {"iss": KEY, "exp": int(time.time()) + 3600, **grants}
    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    signature = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def api(method, body):
    headers = {
        "Authorization": "Bearer " + token(sip={"admin": True, "call": True}, video={"roomCreate": True}),
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(f"{HTTP}/twirp/livekit.{method}", json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request))


def usage():
    fields = open("/proc/self/stat").read().rsplit(")")[-1].split()
    pages = int(open("/proc/self/statm").read().split()[1])
    return (int(fields[11]) + int(fields[12])) / 100, pages * 4 / 1024


async def echo(trunk, n):
    room, name = rtc.Room(), f"official-{n}"
    source = rtc.AudioSource(48000, 1, queue_size_ms=100)

    async def listen(track):
        async for event in rtc.AudioStream(track, sample_rate=48000, num_channels=1, frame_size_ms=20):
            await source.capture_frame(event.frame)

    room.on("track_subscribed", lambda track, *_: asyncio.ensure_future(listen(track)))
    await room.connect(URL, token(sub="agent", video={"roomJoin": True, "room": name}))
    await room.local_participant.publish_track(rtc.LocalAudioTrack.create_audio_track("voice", source))
    call = {"sip_trunk_id": trunk, "sip_call_to": f"+1212557{n:04}", "room_name": name}
    await asyncio.to_thread(api, "SIP/CreateSIPParticipant", {**call, "participant_identity": "person"})
    return room


async def main():
    number = "+12125550199"
    trunk = {"name": "official", "address": PHONE, "numbers": [number], "transport": "SIP_TRANSPORT_UDP"}
    made = await asyncio.to_thread(api, "SIP/CreateSIPOutboundTrunk", {"trunk": trunk})
    idle = usage()
    rooms = []
    for n in range(int(CALLS)):
        rooms.append(await echo(made["sip_trunk_id"], n))
        await asyncio.sleep(0.1)
    await asyncio.sleep(5)
    begin, at = usage(), time.time()
    await asyncio.sleep(int(SECONDS) - 7)
    end, took, calls = usage(), time.time() - at, int(CALLS)
    cpu, memory = (end[0] - begin[0]) / took * 100 / calls, (end[1] - idle[1]) / calls
    print(f"{calls} calls: {cpu:.2f} % of a core and {memory:.2f} MiB a call; {idle[1]:.1f} MiB idle, {end[1]:.1f} MiB in all", flush=True)
    # A room outlives its agent, and the call with it.
    for n, room in enumerate(rooms):
        await asyncio.to_thread(api, "RoomService/DeleteRoom", {"room": f"official-{n}"})
        await room.disconnect()
    os._exit(0)


asyncio.run(main())
