"""The echo that engines are measured against: quick, honest, and it says what it did.

It answers ``echoString`` as the echo servant does, with a valid ResponsePacket that has the
request's id. Requests are compared with one that was decoded, all bytes of them; what is not
the same is decoded by itself, and what is no request ends its connection.

Run as ``python -m benchmarks.echo_server KIND``. It prints a JSON object with its port, ends
when its standard input does, and then prints another with its figures.
"""

from __future__ import annotations

import argparse
import gc
import json
import select
import socket
import sys
import time
from contextlib import suppress

import numpy as np

from lab.tars.body import decode_body, encode_body
from lab.tars.echo_client import Echoed, Value
from lab.tars.errors import MalformedTars
from lab.tars.packets import RequestPacket, ResponsePacket, answer
from perf.engines.flights import Times
from perf.engines.tally import Recorder
from perf.engines.traffic import NEVER, clock
from perf.engines.wire import Bytes, Ids, Inbox, Shape, Stamp, id_column

HOST = "127.0.0.1"
#: How the delaying echo's body begins and ends: a long at tag 0, eight bytes in any case.
DELAY_BODY = b"\x03" + bytes(8)
DELAY_BYTES = slice(1, 9)
#: Seconds: delays are the first plus a part that is exponential with the second as its mean,
#: up to the third.
SHORTEST_S, MEAN_S, LONGEST_S = 0.001, 0.001, 0.010
#: Seconds: when the stalling echo stalls, after its first request, and for how long.
STALL_AFTER_S, STALL_S = 1.0, 1.0

#: Answers in one batch; the most requests that an inbox holds are fewer.
MOST_AT_ONCE = 1 << 14


class Peer:
    """One connection: what it sent, and what it has not taken yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.inbox = Inbox()
        self.unsent = b""

    def send(self, frames: memoryview | bytes) -> None:
        """Send, or keep what the peer does not take yet. Raises OSError."""
        if self.unsent:
            self.unsent += bytes(frames)
            return
        gone = 0
        with suppress(BlockingIOError):
            gone = self.socket.send(frames)
        self.unsent = bytes(frames[gone:])

    def go_on(self) -> None:
        """Send what was kept. Raises OSError."""
        kept, self.unsent = self.unsent, b""
        self.send(kept)


class EchoServer:
    """Serves every connection in one thread."""

    #: Bytes of the answers' bodies that differ from call to call.
    varying: slice | None = None
    #: Seconds that it may sleep; negative: until something happens.
    patience = -1.0

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self._listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._listener, select.EPOLLIN)
        self._peers: dict[int, Peer] = {}
        self._request: Shape | None = None
        self._replies: Stamp | None = None
        self.answered = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def serve(self, until: int) -> dict[str, float]:
        """Serve until the descriptor ``until`` ends; the server's figures."""
        self._poll.register(until, select.EPOLLIN)
        while True:
            for fd, happened in self._poll.poll(self.patience):
                if fd == until:
                    return self.figures()
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._attend(self._peers[fd], happened)
            self.between()

    def body(self, request: RequestPacket) -> bytes:
        """The answer's body; raises `MalformedTars`."""
        value = decode_body(Value[str], request.body).value
        return encode_body(Echoed[str](ret=value, copy=value))

    def take(self, peer: Peer, ids: Ids) -> None:
        """Requests like those before have come."""
        self.reply(peer, self.stamped(ids))

    def reply(self, peer: Peer, frames: Bytes) -> None:
        """Send answers."""
        peer.send(frames.data.cast("B"))
        self.answered += len(frames)

    def stamped(self, ids: Ids) -> Bytes:
        """The replies to these requests, until the next call."""
        assert self._replies is not None, "there is a shape of replies with that of requests"
        return self._replies.frames_with(ids)

    def between(self) -> None:
        """Each time after the events were seen to."""

    def figures(self) -> dict[str, float]:
        return {"answered": self.answered, "cpu_s": time.process_time()}

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers[connection.fileno()] = Peer(connection)
        self._poll.register(connection, select.EPOLLIN)

    def _attend(self, peer: Peer, happened: int) -> None:
        try:
            if happened & select.EPOLLOUT:
                peer.go_on()
            if happened & ~select.EPOLLOUT:
                if peer.inbox.read(peer.socket) == 0:
                    raise ConnectionResetError
                self._read(peer)
            waits = select.EPOLLOUT if peer.unsent else 0
            if waits or happened & select.EPOLLOUT:
                self._poll.modify(peer.socket, select.EPOLLIN | waits)
        except (OSError, MalformedTars):
            self.forget(peer)

    def forget(self, peer: Peer) -> None:
        """End a connection."""
        del self._peers[peer.socket.fileno()]
        peer.socket.close()

    def _read(self, peer: Peer) -> None:
        block, others = peer.inbox.split(self._request)
        if len(block):
            assert self._request is not None, "blocks are of a shape"
            self.take(peer, id_column(block, self._request).astype(np.int64))
        for frame in others:
            request = RequestPacket.from_frame(frame)
            reply = answer(request, self.body(request)).to_frame()
            if self._learn(frame, request, reply):
                self.take(peer, np.array([request.request_id]))
            else:
                peer.send(reply)

    def _learn(self, frame: bytes, request: RequestPacket, reply: bytes) -> bool:
        """Most requests look like this one; False if its id is a short one."""
        asked = Shape.of(frame, request.request_id, RequestPacket.from_frame)
        answered = Shape.of(reply, request.request_id, ResponsePacket.from_frame, self.varying)
        if asked is None or answered is None:
            return False
        self._request, self._replies = asked, Stamp(answered, MOST_AT_ONCE)
        self.varying_in_frame = answered.varying
        return True


class GarblingServer(EchoServer):
    """Answers in time, with another text."""

    def body(self, request: RequestPacket) -> bytes:
        echoed = super().body(request)
        return echoed[:-1] + bytes([echoed[-1] ^ 1])


class StallingServer(EchoServer):
    """Does nothing for `STALL_S`, once, `STALL_AFTER_S` after its first request."""

    def __init__(self) -> None:
        super().__init__()
        self._stalls: int | None = None
        self._stalled = 0

    def take(self, peer: Peer, ids: Ids) -> None:
        if self._stalls is None:
            self._stalls = clock() + int(STALL_AFTER_S * 1e9)
        elif clock() >= self._stalls and not self._stalled:
            began = clock()
            select.select([], [], [], STALL_S)
            self._stalled = clock() - began
        super().take(peer, ids)

    def figures(self) -> dict[str, float]:
        return super().figures() | {"stalled_s": self._stalled / 1e9}


class Waiting:
    """Requests of one connection that wait for their answers: ids, arrivals, due times."""

    def __init__(self) -> None:
        self._rows: Times = np.empty((3, 0), np.int64)
        self.next_due = NEVER

    def add(self, ids: Ids, arrived: int, due: Times) -> None:
        rows = np.stack((ids, np.full(len(ids), arrived), due))
        self._rows = np.concatenate((self._rows, rows), axis=1)
        self.next_due = min(self.next_due, int(due.min()))

    def take(self, now: int) -> tuple[Ids, Times]:
        """Ids and arrivals of those that are due by now."""
        is_due = self._rows[2] <= now
        ids, arrived, _ = self._rows[:, is_due]
        self._rows = self._rows[:, ~is_due]
        left = self._rows[2]
        self.next_due = int(left.min()) if left.size else NEVER
        return ids, arrived


class DelayingServer(EchoServer):
    """Answers after a delay of its own for each request, and writes the delay into the answer.

    The delay is measured from the moment when the request was read until its answer is about
    to be written. The server looks for requests all the time instead of sleeping; how long
    one may have lain unseen is in its figures.
    """

    varying = DELAY_BYTES
    patience = 0.0

    def __init__(self) -> None:
        super().__init__()
        chance = np.random.default_rng(0)
        delays = SHORTEST_S + chance.exponential(MEAN_S, 1 << 16)
        self._delays: Times = (np.minimum(delays, LONGEST_S) * 1e9).astype(np.int64)
        self._drawn = 0
        self._waiting: dict[Peer, Waiting] = {}
        self._looked = clock()
        self._unseen = Recorder()

    def body(self, request: RequestPacket) -> bytes:
        del request
        return DELAY_BODY

    def take(self, peer: Peer, ids: Ids) -> None:
        now = clock()
        self._unseen.add(now - self._looked, len(ids))
        places = np.arange(self._drawn, self._drawn + len(ids)) % len(self._delays)
        self._drawn += len(ids)
        waiting = self._waiting.setdefault(peer, Waiting())
        waiting.add(ids, now, now + self._delays[places])

    def forget(self, peer: Peer) -> None:
        self._waiting.pop(peer, None)
        super().forget(peer)

    def between(self) -> None:
        """Answer what is due."""
        now = clock()
        for peer, waiting in list(self._waiting.items()):
            if waiting.next_due <= now:
                ids, arrived = waiting.take(now)
                frames = self.stamped(ids)
                delays = (clock() - arrived).astype(">i8")
                frames[:, self.varying_in_frame] = delays.view(np.uint8).reshape(-1, 8)
                self.reply(peer, frames)
        self._looked = clock()

    def figures(self) -> dict[str, float]:
        unseen = self._unseen.histogram
        seen = {f"unseen_p{p:g}_us": unseen.percentile(p) for p in (50, 99, 99.9) if unseen.count}
        return super().figures() | seen


SERVERS = {
    "echo": EchoServer,
    "delays": DelayingServer,
    "stalls": StallingServer,
    "garbles": GarblingServer,
}


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.echo_server", description=__doc__)
    parser.add_argument("kind", choices=SERVERS)
    options = parser.parse_args()
    gc.disable()  # nothing here makes cycles, and a collection would be a delay of its own
    server = SERVERS[options.kind]()
    print(json.dumps({"port": server.port}), flush=True)
    print(json.dumps(server.serve(sys.stdin.fileno())), flush=True)


if __name__ == "__main__":
    main()
