"""The two packets of Tars, and frames of them.

Field tags and types: TarsProtocol ``tup/RequestF.tars``. The response's tags 3 and 4 are
iRequestId and iMessageType, the other way round than in the request. An answer in TUP is a
RequestPacket whose status holds what elsewhere is iRet: `answer_frame` writes answers of
every version, `read_answer` reads them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import Enum, IntEnum
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


class Dialect(Enum):
    """Whose habits an answer has where the protocol leaves a choice.

    TarsCpp leaves out what is optional or says nothing; @tars/rpc always writes sResultDesc,
    context and, in TUP, the status of a success. TUP is version 3 to TarsCpp, which answers
    2 as if it were TARS; @tars/rpc takes both. Source: the recordings.
    """

    TARSCPP = "TarsCpp"
    TARSJS = "@tars/rpc"

    def is_tup(self, version: int) -> bool:
        return version == Version.TUP or (self is Dialect.TARSJS and version == Version.TUP_OLD)


#: Where a TUP answer has its iRet and sResultDesc. No code is success.
TUP_RESULT_CODE = "STATUS_RESULT_CODE"
TUP_RESULT_DESC = "STATUS_RESULT_DESC"

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
    version: int = Version.TARS,
) -> RequestPacket:
    """A call; raises `NotEncodable` for what no packet can hold."""
    try:
        return RequestPacket(
            version=int(version),
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


def answer_frame(
    call: RequestPacket,
    body: bytes = b"",
    *,
    ret: int = 0,
    result_desc: str = "",
    dialect: Dialect = Dialect.TARSCPP,
) -> bytes:
    """The whole frame that answers ``call``, in its version, as servers of ``dialect`` do."""
    wordy = dialect is Dialect.TARSJS
    if dialect.is_tup(call.version):
        return _tup_answer(call, body, ret, result_desc, wordy=wordy).to_frame()
    return ResponsePacket(
        version=call.version or int(wordy),  # @tars/rpc answers 0 as 1
        request_id=call.request_id,
        message_type=call.message_type,
        ret=ret,
        body=body,
        result_desc=result_desc if wordy or result_desc else None,
        context={} if wordy else None,
    ).to_frame()


def _tup_answer(
    call: RequestPacket, body: bytes, ret: int, result_desc: str, *, wordy: bool
) -> RequestPacket:
    status = {}
    if wordy or ret:
        status[TUP_RESULT_CODE] = str(ret)
    if wordy or result_desc:
        status[TUP_RESULT_DESC] = result_desc
    return RequestPacket(
        version=call.version,
        message_type=call.message_type,
        request_id=call.request_id,
        servant=call.servant,
        function=call.function,
        body=body,
        timeout_ms=0,
        status=status,
    )


def read_answer(frame: bytes) -> ResponsePacket:
    """Read an answer or a push of any version; raises `MalformedPacket`.

    A TUP answer comes back as the `ResponsePacket` that means the same.
    """
    if frame[HEADER_SIZE : HEADER_SIZE + 2] not in _TUP_BEGINNINGS:
        return ResponsePacket.from_frame(frame)
    try:
        packet = RequestPacket.from_frame(frame)
    except MalformedPacket:
        # TarsCpp answers what it takes for TARS with the version that it was asked in.
        return ResponsePacket.from_frame(frame)
    code = packet.status.get(TUP_RESULT_CODE, "0")
    try:
        ret = int(code)
    except ValueError:
        raise MalformedPacket(
            "a TUP answer's status has no number as its code",
            found=repr(code),
            evidence=frame[:256].hex(),
        ) from None
    return ResponsePacket(
        version=packet.version,
        packet_type=packet.packet_type,
        request_id=packet.request_id,
        message_type=packet.message_type,
        ret=ret,
        body=packet.body,
        status=packet.status,
        result_desc=packet.status.get(TUP_RESULT_DESC),
        context=packet.context,
    )


#: How packets of the versions that TUP has begin: tag 1, one byte.
_TUP_BEGINNINGS = {bytes([0x10, Version.TUP_OLD]), bytes([0x10, Version.TUP])}


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
