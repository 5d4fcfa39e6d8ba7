"""One connection of a client: ids, requests under way, answers, pushes and deadlines.

No socket, loop or clock, as in `framing` and `packets`: bytes go in, frames and events come
out, and ``now`` is an argument, in seconds of any clock that never goes back. The synchronous
and the asyncio client are both made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lab.tars.errors import CallFailed, ConnectionLost, NoAnswer
from lab.tars.framing import MAX_FRAME, FrameSplitter
from lab.tars.packets import (
    PUSH_ID,
    PacketType,
    ResponsePacket,
    Version,
    read_answer,
    request,
)

_MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that wants an answer until ``deadline``; ``timeout`` is in seconds."""

    request_id: int
    servant: str
    function: str
    deadline: float
    timeout: float
    endpoint: str

    def body_of(self, answer: ResponsePacket) -> bytes:
        """The body of a successful answer; raises `CallFailed` by iRet."""
        if answer.ret != 0:
            raise CallFailed.of(
                answer.ret,
                servant=self.servant,
                function=self.function,
                endpoint=self.endpoint,
                description=answer.result_desc or "",
            )
        return answer.body

    def unanswered(self) -> NoAnswer:
        """What to raise when the deadline has passed."""
        return NoAnswer(
            f"{self.servant}.{self.function} at {self.endpoint} did not answer",
            expected=f"an answer within {self.timeout:g} s",
        )


class Answered(NamedTuple):
    """An answer, and the request that it is for."""

    sent: Sent
    packet: ResponsePacket


class Pushed(NamedTuple):
    """What the server sent unasked."""

    packet: ResponsePacket


Event = Answered | Pushed


class Connection:
    """What a client knows of one endpoint's connection.

    ``endpoint`` only names it in errors. ``late`` counts the answers that were dropped because
    nobody waited for them any more, or ever had. It outlives the TCP connection: `lost` makes
    it ready for the next one, on which ids go on where they were.
    """

    def __init__(self, endpoint: str, *, max_frame: int = MAX_FRAME) -> None:
        self.endpoint = endpoint
        self.late = 0
        self._max_frame = max_frame
        self._splitter = FrameSplitter(max_frame=max_frame)
        self._last_id = PUSH_ID
        self._under_way: dict[int, Sent] = {}

    @property
    def under_way(self) -> Mapping[int, Sent]:
        """The requests that wait for an answer, by id."""
        return self._under_way

    def request(
        self,
        servant: str,
        function: str,
        body: bytes,
        *,
        now: float,
        timeout: float,
        context: Mapping[str, str] | None = None,
        version: int = Version.TARS,
    ) -> tuple[Sent, bytes]:
        """A request to send, and the frame of it; raises `NotEncodable`."""
        request_id = self._next_id()
        frame = request(
            request_id,
            servant,
            function,
            body,
            timeout_ms=int(timeout * 1000),
            context=dict(context) if context else None,
            version=version,
        ).to_frame()
        sent = Sent(request_id, servant, function, now + timeout, timeout, self.endpoint)
        self._under_way[request_id] = sent
        return sent, frame

    def one_way(
        self,
        servant: str,
        function: str,
        body: bytes,
        *,
        context: Mapping[str, str] | None = None,
    ) -> bytes:
        """The frame of a request that is never answered; raises `NotEncodable`."""
        return request(
            self._next_id(),
            servant,
            function,
            body,
            packet_type=PacketType.ONE_WAY,
            context=dict(context) if context else None,
        ).to_frame()

    def receive(self, data: bytes) -> list[Event]:
        """What arrived, in order; late answers are dropped.

        Raises `MalformedTars`: then the stream is of no more use, call `lost`.
        """
        events: list[Event] = []
        for frame in self._splitter.feed(data):
            packet = read_answer(frame)
            if packet.request_id == PUSH_ID:
                events.append(Pushed(packet))
            elif sent := self._under_way.pop(packet.request_id, None):
                events.append(Answered(sent, packet))
            else:
                self.late += 1
        return events

    def give_up(self, request_id: int) -> None:
        """Wait for an answer no more; it is dropped when it comes."""
        self._under_way.pop(request_id, None)

    def expired(self, now: float) -> list[Sent]:
        """The requests whose deadline has passed; they are under way no more."""
        over = [sent for sent in self._under_way.values() if sent.deadline <= now]
        for sent in over:
            del self._under_way[sent.request_id]
        return over

    def next_deadline(self) -> float | None:
        """When the first request under way expires; None when there is none."""
        return min((sent.deadline for sent in self._under_way.values()), default=None)

    def ended(self) -> ConnectionLost:
        """What to raise when the peer has closed the connection."""
        cut = self._splitter.pending
        return ConnectionLost(
            f"{self.endpoint} closed the connection",
            found=f"{cut} bytes of an unfinished frame" if cut else None,
            expected="an answer",
        )

    def lost(self) -> list[Sent]:
        """Forget the TCP connection; returns the requests that were under way on it."""
        self._splitter = FrameSplitter(max_frame=self._max_frame)
        over = list(self._under_way.values())
        self._under_way.clear()
        return over

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % _MAX_ID + 1
            if self._last_id not in self._under_way:
                return self._last_id
