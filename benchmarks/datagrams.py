"""When packets began to be lost, and to be let through again: a probe and its server, in pods.

They are programs by themselves, for the Python of the embedded hosts: nothing but it is there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

#: Answers every datagram with itself.
SERVER = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 7007))
while True:
    server.sendto(*server.recvfrom(64))
"""

#: Sends a datagram every 2 ms to the address in ``SERVER``, each from the next port: none comes
#: again within 2 minutes, so no connection that the filters still know (30 s after an answer)
#: lets it through, as one from a port of the kernel's choice may. One without an answer for
#: 0.3 s is lost. Tells,
#: a line of JSON each, when the first of a row with another fate was sent, in seconds since the
#: epoch, and whether it was answered; fewer than 25 are no row: a busy machine loses some.
PROBE = """
import collections, itertools, json, os, select, socket, time
EVERY, PATIENCE, ROW = 0.002, 0.3, 25
address = (os.environ["SERVER"], 7007)
poll, waiting, answered = select.poll(), collections.deque(), set()
fate, first, others = None, 0.0, 0
for port in itertools.cycle(range(2000, 65000)):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    one.bind(("", port))
    now = time.time()
    one.sendto(b"x", address)
    poll.register(one, select.POLLIN)
    waiting.append((one, now))
    while (left := now + EVERY - time.time()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            poll.unregister(descriptor)
            answered.add(descriptor)
    while waiting and (waiting[0][0].fileno() in answered or waiting[0][1] < now - PATIENCE):
        one, sent = waiting.popleft()
        through = one.fileno() in answered
        if through:
            answered.remove(one.fileno())
        else:
            poll.unregister(one)
        one.close()
        if through == fate:
            others = 0
            continue
        first, others = sent if not others else first, others + 1
        if others == ROW:
            fate, others = through, 0
            print(json.dumps([first, fate]), flush=True)
"""


@dataclass(frozen=True)
class Change:
    """Packets' fate changed at a moment (seconds since the epoch)."""

    moment: float
    answered: bool


def changes(printed: str) -> list[Change]:
    """What `PROBE` has printed so far; a line that is just being written is left out."""
    lines = printed.split("\n")[:-1]
    return [Change(*json.loads(line)) for line in lines]
