"""Ways to an edge or data centre as networks make them: a TCP relay with delay, loss and rate.

What one read brings is cut into pieces of some milliseconds of the rate, and each piece, whole,
arrives when its last bit would: after the pieces before it, the way's delay and its jitter.
TCP hides what is lost: it comes later, by a retransmission's time for each time that one of the
piece's packets was lost. Nothing overtakes, and nothing is dropped, so that a piece that comes
late holds up what comes after it, as on one real connection. A new connection's first bytes
also wait for the two ways of its handshake, which the relay's own kernel has answered at once.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from blueprints.cvb import Link
from lab.tars.client import Address

#: Bytes of a packet's content: an Ethernet's 1500 less IP's and TCP's headers with timestamps.
PACKET_BYTES = 1448
#: A piece takes so long at the way's rate, seconds; a packet at least.
_PIECE_S = 0.002
#: What is under way at most, as seconds of the rate; more is left with who sends it.
_UNDER_WAY_S = 0.5
_LEAST_UNDER_WAY = 256 * 1024


@dataclass
class Carried:
    """Bytes that arrived, by direction; ``lost`` counts pieces that came later for a loss."""

    up: int = 0
    down: int = 0
    connections: int = 0
    lost: int = 0


class Way:
    """One direction of one connection: when what leaves now arrives. No socket, no clock."""

    def __init__(self, link: Link, kbps: int, chance: random.Random) -> None:
        self._link = link
        self._bytes_s = kbps * 1000 / 8
        self._chance = chance
        self._free = 0.0
        self._last = 0.0

    @property
    def piece_bytes(self) -> int:
        return max(PACKET_BYTES, int(self._bytes_s * _PIECE_S))

    @property
    def bound_bytes(self) -> int:
        return max(_LEAST_UNDER_WAY, int(self._bytes_s * _UNDER_WAY_S))

    def hold(self, until: float) -> None:
        """Nothing leaves before; seconds of the clock that `arrival` is given."""
        self._free = max(self._free, until)

    def arrival(self, size: int, now: float) -> tuple[float, int]:
        """When so many bytes that leave now arrive, and how often one of them was lost."""
        link = self._link
        self._free = max(self._free, now) + size / self._bytes_s
        losses = self._losses(math.ceil(size / PACKET_BYTES))
        late_ms = link.delay_ms + self._chance.uniform(-link.jitter_ms, link.jitter_ms)
        late_ms += losses * link.retransmission_ms
        self._last = max(self._last, self._free + max(0.0, late_ms) / 1000)
        return self._last, losses

    def _losses(self, packets: int) -> int:
        """How often the unluckiest of so many packets is lost: one draw of its distribution.

        All arrive with at most k losses each with the probability (1 - loss^(k+1))^packets.
        """
        if not packets or not self._link.loss:
            return 0
        unlucky = 1 - (1 - self._chance.random()) ** (1 / packets)
        return max(0, math.ceil(math.log(max(unlucky, 1e-300), self._link.loss) - 1))


class Relay:
    """Listens at ``address``, and carries connections to ``target`` by a link's rules."""

    def __init__(self, link: Link, target: tuple[str, int], *, seed: int = 0) -> None:
        self.link = link
        self.target = Address(*target)
        self.address = Address("", 0)
        self.carried = Carried()
        self._seed = seed
        self._cut = False
        self._ends: set[_End] = set()
        self._server: asyncio.Server | None = None
        self._dialling: set[asyncio.Task[None]] = set()

    async def open(self, host: str = "127.0.0.1") -> None:
        """Listen on a free port; raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _End(self, up=True), host, 0)
        self.address = Address(*self._server.sockets[0].getsockname()[:2])

    async def close(self) -> None:
        """End everything at once."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._dialling):
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)

    def cut(self) -> None:
        """The network is gone: what is under way is lost, connections end, new ones too."""
        self._cut = True
        for end in list(self._ends):
            end.abort()

    def mend(self) -> None:
        """The network is there again, for new connections."""
        self._cut = False

    def begun(self, client: _End) -> None:
        """A client has connected: connect to the target, too."""
        if self._cut:
            client.abort()
            return
        self.carried.connections += 1
        chance = random.Random(f"{self._seed}/{self.carried.connections}")  # noqa: S311
        server = _End(self, up=False)
        client.way = Way(self.link, self.link.uplink_kbps, chance)
        server.way = Way(self.link, self.link.downlink_kbps, chance)
        client.way.hold(asyncio.get_running_loop().time() + 2 * self.link.delay_ms / 1000)
        client.other, server.other = server, client
        self._ends |= {client, server}
        task = asyncio.create_task(self._dial(client, server))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, client: _End, server: _End) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: server, *self.target)
        except OSError:
            client.abort()  # as a refusal looks from behind a network that has accepted
            self.ended(server)

    def ended(self, end: _End) -> None:
        self._ends.discard(end)


class _End(asyncio.Protocol):
    """One side of a connection; what it reads goes its way to the other side."""

    way: Way
    other: _End

    def __init__(self, relay: Relay, *, up: bool) -> None:
        self._relay = relay
        self._up = up
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes | None] = []
        self._under_way: deque[tuple[float, bytes | None]] = deque()
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._full = False
        self._reading = True
        self._read_all = self._written_all = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._up:
            self._relay.begun(self)
        for piece in self._early:  # came for this side while it was being dialled
            self._take(piece)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        whole = memoryview(data)
        size = self.way.piece_bytes
        for start in range(0, len(data), size):
            piece = bytes(whole[start : start + size])
            arrives, losses = self.way.arrival(len(piece), now)
            self._relay.carried.lost += losses > 0
            self._under_way.append((arrives, piece))
        self._bytes += len(data)
        self._read_or_wait()
        self._await_next()

    def eof_received(self) -> bool:
        arrives, _ = self.way.arrival(0, asyncio.get_running_loop().time())
        self._under_way.append((arrives, None))
        self._await_next()
        self._read_all = True
        return not self._written_all  # the other direction may go on

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._relay.ended(self)
        if error is not None and hasattr(self, "other"):
            self.other.abort()

    def abort(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._under_way.clear()
        if self._transport is not None:
            self._transport.abort()

    def _await_next(self) -> None:
        if self._timer is None and self._under_way:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._under_way[0][0], self._arrived)

    def _arrived(self) -> None:
        """Hand over everything whose time has come."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._under_way and self._under_way[0][0] <= now:
            _, piece = self._under_way.popleft()
            self._bytes -= len(piece or b"")
            self.other._take(piece)
        self._read_or_wait()
        self._await_next()

    def pause_writing(self) -> None:
        self._full = True
        self.other._read_or_wait()

    def resume_writing(self) -> None:
        self._full = False
        self.other._read_or_wait()

    def _read_or_wait(self) -> None:
        """Read no more than the way holds, nor than the other side takes."""
        wanted = self._bytes <= self.way.bound_bytes and not self.other._full
        if self._transport is None or wanted == self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take(self, piece: bytes | None) -> None:
        """Bytes from the other side, or None for their end."""
        if self._transport is None:
            self._early.append(piece)
        elif piece is None:
            self._written_all = True
            if self._read_all:
                self._transport.close()
            else:
                self._transport.write_eof()
        else:
            if self._up:
                self._relay.carried.down += len(piece)
            else:
                self._relay.carried.up += len(piece)
            self._transport.write(piece)


@asynccontextmanager
async def through(
    link: Link | None, targets: Mapping[str, tuple[str, int]], *, seed: int = 0
) -> AsyncIterator[dict[str, Address]]:
    """A relay to each target: name → its address; the targets themselves without a link."""
    async with AsyncExitStack() as stack:
        ways: dict[str, Address] = {}
        for number, (name, target) in enumerate(targets.items()):
            ways[name] = Address(*target)
            if link is not None:
                relay = await stack.enter_async_context(relayed(link, target, seed=seed + number))
                ways[name] = relay.address
        yield ways


@asynccontextmanager
async def relayed(link: Link, target: tuple[str, int], *, seed: int = 0) -> AsyncIterator[Relay]:
    """A relay that runs in this loop."""
    relay = Relay(link, target, seed=seed)
    await relay.open()
    try:
        yield relay
    finally:
        await relay.close()
