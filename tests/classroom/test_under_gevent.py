"""The REST client and the silent participant work when gevent has patched the process.

gevent must patch before anything else is imported, so the load is a process of its own; the
server is this one.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.classroom.recordings import exchange
from tests.classroom.replay import ReplayServer, TlsFiles
from tests.classroom.scripted import good, scripted

USERS = 12

LOAD = """
from gevent import monkey
monkey.patch_all()
import json, sys, time
from pathlib import Path
import gevent
from lab.classroom.rest import ClassroomApi
from lab.classroom.signalling_only import SilentParticipant
from lab.classroom.tls import trust
from lab.classroom.token import Token

sockets, rest, ca, users = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
with ClassroomApi(rest, "MY_SECRET", ca=ca) as api:
    version = api.version()
token = Token.from_url("wss://h:4443?sessionId=s&token=tok_0123456789abcdef&role=PUBLISHER")
context = trust(ca)

def user():
    with SilentParticipant.join(sockets, token, ca=context) as me:
        me.stay(1.0)
        me.leave()
        return me.timing.join_s

started = time.monotonic()
greenlets = [gevent.spawn(user) for _ in range(users)]
gevent.joinall(greenlets, timeout=20, raise_error=True)
took = time.monotonic() - started
print(json.dumps({"version": version, "joins": [g.value for g in greenlets], "took": took}))
"""


def test_a_dozen_users_join_at_once(replay: ReplayServer, tls: TlsFiles) -> None:
    replay.will_answer(exchange("config-openvidu-version"))
    with scripted(tls, good) as server:
        argv = [sys.executable, "-c", LOAD, server.url, replay.url, str(tls.ca), str(USERS)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["version"] == "2.13.0"
    assert len(result["joins"]) == USERS
    assert all(0 < seconds < 5 for seconds in result["joins"])
    # Each stays a second: one after the other they would take twelve.
    assert result["took"] < 6
    assert [call["method"] for call in server.calls].count("leaveRoom") == USERS
