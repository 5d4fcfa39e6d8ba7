"""The embedded platform's servants, on the suite's own server: bodies in, bodies out.

They read and write bodies themselves, as their functions are recorded; codes, queue and limits
are `lab.tars.server`'s. ``tars_ping`` is answered for every servant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.tars.server import Adapter, Limits
from lab.tars.serving import NO_FUNCTION, NO_SERVANT, Call, Dispatcher, Peer
from lab.tars.serving import Silence as Dropped

__all__ = ["Bodies", "Call", "Dropped", "Function", "Peer", "ServantServer"]

#: Returns the answer's body. Raising `Dropped` leaves the caller without an answer.
Function = Callable[[Call], bytes]

#: Every bit of a byte but the lowest is another one.
_GARBLED = bytes(byte ^ 0xFE for byte in range(256))

#: As many as nodes, services and clients of a lab may hold open.
_LIMITS = Limits(max_connections=20_000)


class Bodies(Dispatcher):
    """Hands bodies through; ``faulty`` says which faults are on."""

    def __init__(
        self,
        functions: Mapping[str, Mapping[str, Function]],
        faulty: Callable[[str], bool] = lambda _: False,
    ) -> None:
        super().__init__({})
        self._functions = functions
        self._faulty = faulty

    def begin(self, call: Call) -> bytes | None:
        frame = self._answer_to(call)
        if frame is None:
            return None
        if self._faulty("tars.answers-garbled"):
            length, rest = frame[:4], frame[4:]
            return length + rest.translate(_GARBLED)
        if self._faulty("tars.answers-cut"):
            call.peer.send(frame[: len(frame) // 2])
            call.peer.abort()
            return None
        return frame

    def _answer_to(self, call: Call) -> bytes | None:
        servant = self._functions.get(call.packet.servant)
        if servant is None:
            ignored = self._faulty("tars.servant-ignored")
            return self.accept(call, b"") if ignored else self.refuse(call, NO_SERVANT)
        function = servant.get(call.packet.function)
        if function is None:
            known = call.packet.function == "tars_ping" or self._faulty("tars.function-ignored")
            return self.accept(call, b"") if known else self.refuse(call, NO_FUNCTION)
        try:
            return self.accept(call, function(call))
        except Exception as error:  # noqa: BLE001 - whatever a servant throws is answered
            return self.fail(call, error)


class _Adapter(Adapter):
    """Acts out what garbage on one connection must not do to others."""

    def __init__(self, bodies: Bodies, faulty: Callable[[str], bool]) -> None:
        super().__init__(bodies, _LIMITS)
        self._faulty = faulty

    def garbage_from(self, peer: Peer) -> None:
        super().garbage_from(peer)
        if self._faulty("tars.garbage-spreads"):
            self.abort_all()


class ServantServer:
    """Servants by name, each with its functions by name, on one port."""

    def __init__(
        self,
        servants: Mapping[str, Mapping[str, Function]],
        *,
        faulty: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._adapter = _Adapter(Bodies(servants, faulty), faulty)

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (``port`` 0: one that is free)."""
        await self._adapter.open(host, port)
        return self._adapter.address[1]

    async def close(self) -> None:
        """End listening and every connection."""
        await self._adapter.close(0)
