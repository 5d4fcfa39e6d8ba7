"""What an engine calls, and what a good reply to it is."""

from __future__ import annotations

from dataclasses import dataclass

from lab.tars.body import encode_body
from lab.tars.echo_client import ECHO_OBJECT, ECHO_STRING, Echoed, Value
from lab.tars.errors import MalformedTars
from lab.tars.packets import RequestPacket, ResponsePacket, request_template
from perf.engines.wire import LAST_ID, Shape

#: Sixteen characters make the 18-byte body of the published Tars benchmarks.
TEXT = "sixteen letters."


@dataclass(frozen=True)
class Call:
    """One function with one set of arguments, called over and over.

    ``answer`` is the body of a good reply; ``varying`` are those of its bytes that may be
    anything, like a time that the server writes there.
    """

    servant: str
    function: str
    body: bytes
    answer: bytes
    varying: slice | None = None

    def request_shape(self, timeout_s: float) -> Shape:
        """The frame of a request that tells the server it will wait so long."""
        timeout_ms = max(1, int(timeout_s * 1000))
        template = request_template(self.servant, self.function, self.body, timeout_ms=timeout_ms)
        shape = Shape.of(template(LAST_ID), LAST_ID, RequestPacket.from_frame)
        assert shape is not None, "the template writes four bytes of id"
        return shape

    def reply_shape(self, frame: bytes, reply: ResponsePacket) -> Shape | None:
        """The shape of good replies, learned from one of them; None if its id is a short one."""
        return Shape.of(frame, reply.request_id, ResponsePacket.from_frame, self.varying)

    def answered_by(self, body: bytes) -> bool:
        """Whether a reply's body is a good one."""
        if self.varying is None:
            return body == self.answer
        fixed = slice(0, self.varying.start), slice(self.varying.stop, None)
        return len(body) == len(self.answer) and all(body[s] == self.answer[s] for s in fixed)


def read_reply(frame: bytes) -> ResponsePacket | None:
    """The packet in a frame; None when there is none."""
    try:
        return ResponsePacket.from_frame(frame)
    except MalformedTars:
        return None


def echo_call(text: str = TEXT, servant: str = ECHO_OBJECT) -> Call:
    """The echo servant's ``echoString``."""
    return Call(
        servant,
        ECHO_STRING.name,
        encode_body(Value[str](value=text)),
        encode_body(Echoed[str](ret=text, copy=text)),
    )
