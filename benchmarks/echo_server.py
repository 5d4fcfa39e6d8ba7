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
import heapq
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
from perf.engines.tally import Recorder
from perf.engines.traffic import clock
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
        self.unsent = bytearray()

    def send(self, frames: memoryview | bytes) -> None:
        """Send, or keep what the peer does not take yet. Raises OSError."""
        gone = 0
        if not self.unsent:
            with suppress(BlockingIOError):
                gone = self.socket.send(frames)
        self.unsent += frames[gone:]

    def go_on(self) -> None:
        """Send what was kept. Raises OSError."""
        with suppress(BlockingIOError):
            del self.unsent[: self.socket.send(self.unsent)]


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
        #: When it was last told of events.
        self.woke = clock()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def serve(self, until: int) -> dict[str, float]:
        """Serve until the descriptor ``until`` ends; the server's figures."""
        self._poll.register(until, select.EPOLLIN)
        while True:
            events = self._poll.poll(self.patience)
            self.woke = clock()
            for fd, happened in events:
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
        peer.send(self.stamped(ids).data.cast("B"))
        self.answered += len(ids)

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


class DelayingServer(EchoServer):
    """Answers after a delay of its own for each request, and writes the delay into the answer.

    The delay is measured from the moment when the server learned that there is something to
    read until the answer is about to be written. The server looks for requests all the time
    instead of sleeping; how long one may have lain unseen at most is in its figures.
    """

    varying = DELAY_BYTES
    patience = 0.0

    def __init__(self) -> None:
        super().__init__()
        chance = np.random.default_rng(0)
        delays = np.minimum(SHORTEST_S + chance.exponential(MEAN_S, 1 << 16), LONGEST_S)
        self._delays: list[int] = (delays * 1e9).astype(np.int64).tolist()
        self._drawn = 0
        #: When each answer is due, its id, when its request was read, and whose it is.
        self._waiting: list[tuple[int, int, int, Peer]] = []
        self._looked = clock()
        self._unseen = Recorder()

    def body(self, request: RequestPacket) -> bytes:
        del request
        return DELAY_BODY

    def take(self, peer: Peer, ids: Ids) -> None:
        self._unseen.add(self.woke - self._looked, len(ids))
        # Few come at once: a heap is quicker than arrays.
        for request_id in ids.tolist():
            due = self.woke + self._delays[self._drawn % len(self._delays)]
            self._drawn += 1
            heapq.heappush(self._waiting, (due, request_id, self.woke, peer))

    def between(self) -> None:
        """Answer what is due."""
        now = clock()
        replies: dict[Peer, bytearray] = {}
        while self._waiting and self._waiting[0][0] <= now:
            _, request_id, arrived, peer = heapq.heappop(self._waiting)
            frame = self.stamped(np.array([request_id]))[0]
            frame[self.varying_in_frame] = np.frombuffer(
                (clock() - arrived).to_bytes(8, "big"), np.uint8
            )
            replies.setdefault(peer, bytearray()).extend(frame.data)
            self.answered += 1
        for peer, frames in replies.items():
            with suppress(OSError):  # a peer that is gone is forgotten when that is seen
                peer.send(bytes(frames))
        self._looked = self.woke

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
