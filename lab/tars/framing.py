"""Frames in a byte stream: a 4-byte big-endian length that counts itself, then a packet.

Source: TarsProtocol; the bounds are those of TarsCpp (5 bytes to 100 MiB).
"""

from __future__ import annotations

from lab.tars.errors import MalformedFrame

HEADER_SIZE = 4
MIN_FRAME = 5
MAX_FRAME = 100 * 1024 * 1024


def frame_of(packet: bytes) -> bytes:
    """The frame that carries ``packet``."""
    return (len(packet) + HEADER_SIZE).to_bytes(HEADER_SIZE, "big") + packet


class FrameSplitter:
    """Cuts a stream into whole frames, however it was cut in transit.

    No socket, no clock. After `MalformedFrame` the stream is out of step: close it.
    """

    def __init__(self, *, max_frame: int = MAX_FRAME, min_frame: int = MIN_FRAME) -> None:
        self._min = min_frame
        self._max = max_frame
        self._pending = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame; not 0 at the stream's end means it was cut."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; return the frames that it completes, length headers included.

        Raises `MalformedFrame` for a length out of bounds, as soon as the header is whole
        and before anything is kept for it; frames before it in ``data`` are lost with it.
        """
        buffer = self._pending
        buffer += data
        frames: list[bytes] = []
        start = 0
        while len(buffer) - start >= HEADER_SIZE:
            length = int.from_bytes(buffer[start : start + HEADER_SIZE], "big")
            if not self._min <= length <= self._max:
                buffer.clear()
                raise MalformedFrame(
                    "a Tars frame's length header is out of bounds",
                    found=f"{length} bytes",
                    expected=f"{self._min} to {self._max} bytes",
                    advice="check that the port speaks Tars and not another protocol",
                )
            if len(buffer) - start < length:
                break
            frames.append(bytes(buffer[start : start + length]))
            start += length
        del buffer[:start]
        return frames
