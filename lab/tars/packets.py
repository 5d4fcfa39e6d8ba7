"""The two packets of Tars, and frames of them.

Field tags and types: TarsProtocol ``tup/RequestF.tars``. The response's tags 3 and 4 are
iRequestId and iMessageType, the other way round than in the request.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, TypeVar

from tarsio import Meta, Struct, field

from lab.tars.errors import MalformedPacket, NotEncodable
from lab.tars.framing import HEADER_SIZE, frame_of

_Byte = Annotated[int, Meta(ge=-(2**7), le=2**7 - 1)]
_Short = Annotated[int, Meta(ge=-(2**15), le=2**15 - 1)]
_Int = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class Version(IntEnum):
    """iVersion: how the body is written."""

    TARS = 1
    TUP_OLD = 2
    TUP = 3
    XML = 4
    JSON = 5


class PacketType(IntEnum):
    """cPacketType: whether an answer is expected."""

    NORMAL = 0
    ONE_WAY = 1


#: The id of packets that a server sends without having been asked.
PUSH_ID = 0

#: In a push's status: the function that it calls.
PUSH_FUNCTION = "TARS_FUNC"


class RequestPacket(Struct, frozen=True, kw_only=True):
    """A call. ``body`` holds the arguments, ``timeout_ms`` what the client will wait."""

    version: _Short = field(tag=1, default=int(Version.TARS))
    packet_type: _Byte = field(tag=2, default=int(PacketType.NORMAL))
    message_type: _Int = field(tag=3, default=0)
    request_id: _Int = field(tag=4)
    servant: str = field(tag=5)
    function: str = field(tag=6)
    body: bytes = field(tag=7, default=b"")
    timeout_ms: _Int = field(tag=8, default=3000)
    context: dict[str, str] = field(tag=9, default_factory=dict)
    status: dict[str, str] = field(tag=10, default_factory=dict)

    def to_frame(self) -> bytes:
        """The whole frame, length header included."""
        return frame_of(self.encode())

    @classmethod
    def from_frame(cls, frame: bytes) -> RequestPacket:
        """Read a whole frame; raises `MalformedPacket`."""
        return _read("request", cls.decode, frame)


class ResponsePacket(Struct, frozen=True, kw_only=True):
    """An answer, or a server's push (id 0, the function's name in the status).

    ``result_desc`` and ``context`` are optional on the wire: None is "not sent", as
    TarsCpp does; @tars/rpc always sends both.
    """

    version: _Short = field(tag=1, default=int(Version.TARS))
    packet_type: _Byte = field(tag=2, default=int(PacketType.NORMAL))
    request_id: _Int = field(tag=3)
    message_type: _Int = field(tag=4, default=0)
    ret: _Int = field(tag=5, default=0)
    body: bytes = field(tag=6, default=b"")
    status: dict[str, str] = field(tag=7, default_factory=dict)
    result_desc: str | None = field(tag=8, default=None)
    context: dict[str, str] | None = field(tag=9, default=None)

    def to_frame(self) -> bytes:
        """The whole frame, length header included."""
        return frame_of(self.encode())

    @classmethod
    def from_frame(cls, frame: bytes) -> ResponsePacket:
        """Read a whole frame; raises `MalformedPacket`."""
        return _read("response", cls.decode, frame)


def request(
    request_id: int,
    servant: str,
    function: str,
    body: bytes = b"",
    *,
    timeout_ms: int = 3000,
    packet_type: PacketType = PacketType.NORMAL,
    context: dict[str, str] | None = None,
) -> RequestPacket:
    """A call in version TARS; raises `NotEncodable` for what no packet can hold."""
    try:
        return RequestPacket(
            packet_type=int(packet_type),
            request_id=request_id,
            servant=servant,
            function=function,
            body=body,
            timeout_ms=timeout_ms,
            context=context or {},
        )
    except ValueError as error:
        raise NotEncodable(f"request {servant}.{function}", found=str(error)) from None


def answer(
    call: RequestPacket,
    body: bytes = b"",
    *,
    ret: int = 0,
    result_desc: str | None = None,
) -> ResponsePacket:
    """The response to ``call``, in the version in which it was asked."""
    return ResponsePacket(
        version=call.version,
        request_id=call.request_id,
        message_type=call.message_type,
        ret=ret,
        body=body,
        result_desc=result_desc,
    )


def push(function: str, body: bytes) -> ResponsePacket:
    """What a server sends unasked: ``function`` with its arguments (a 3.x node's commands)."""
    return ResponsePacket(request_id=PUSH_ID, body=body, status={PUSH_FUNCTION: function})


#: Offset of the four id bytes in frames made by `request_template`.
_ID_OFFSET = HEADER_SIZE + 5


def request_template(
    servant: str, function: str, body: bytes = b"", *, timeout_ms: int = 3000
) -> Callable[[int], bytes]:
    """For load: encode once, then ``template(request_id)`` only patches the id.

    The id is always written as four bytes (a legal, not the shortest form), so ids of any
    size make frames of one length.
    """
    # An id of more than two bytes makes the encoder take four: 10 01, 2c, 3c, 42 + id.
    frame = request(2**30, servant, function, body, timeout_ms=timeout_ms).to_frame()
    head, tail = frame[:_ID_OFFSET], frame[_ID_OFFSET + 4 :]
    pack = struct.Struct(">i").pack

    def patched(request_id: int) -> bytes:
        return head + pack(request_id) + tail

    return patched


_P = TypeVar("_P", RequestPacket, ResponsePacket)


def _read(kind: str, decode: Callable[[bytes], _P], frame: bytes) -> _P:
    announced = int.from_bytes(frame[:HEADER_SIZE], "big")
    if announced != len(frame):
        raise MalformedPacket(
            f"a Tars {kind} frame has another length than its header says",
            found=f"{len(frame)} bytes",
            expected=f"{announced} bytes",
        )
    try:
        return decode(frame[HEADER_SIZE:])
    except ValueError as error:
        raise MalformedPacket(
            f"a frame is no Tars {kind}", found=str(error), evidence=frame[:256].hex()
        ) from None
