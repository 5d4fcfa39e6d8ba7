"""Batches of Tars frames: many requests made at once, many replies taken apart at once.

Requests of one call, and good replies to it, differ in the four bytes of their id only. So a
batch is a matrix with a frame in each row. Frames that are not so are given out one by one:
nothing is assumed that was not compared.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.tars.errors import MalformedTars
from lab.tars.framing import HEADER_SIZE, FrameSplitter

#: Ids from here to the largest are written as four bytes by every implementation, so that
#: frames have one length. Shorter ids get shorter frames.
FIRST_ID = 2**16
LAST_ID = 2**31 - 1
_ID_SIZE = 4
#: What makes another id of one.
_OTHERWISE = 0x0F0F0F0F

Bytes = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shape:
    """What frames have in common: all bytes but the id's and those at ``varying``."""

    frame: bytes
    id_at: int
    varying: slice | None = None

    @property
    def size(self) -> int:
        return len(self.frame)

    @classmethod
    def of(
        cls,
        frame: bytes,
        request_id: int,
        read: Callable[[bytes], Any],
        varying: slice | None = None,
    ) -> Shape | None:
        """The shape of frames like this one, whose packet ``read`` decodes.

        ``varying`` are bytes of the packet's body that may differ. None when no four bytes
        of the frame are its id: it was small, and written shorter.
        """
        packet = read(frame)
        begin = frame.find(request_id.to_bytes(_ID_SIZE, "big"))
        while begin >= 0:
            if _is_id(frame, begin, packet, read):
                if varying is None:
                    return cls(frame, begin)
                body_at = frame.rindex(packet.body)
                varies = slice(body_at + varying.start, body_at + varying.stop)
                return cls(frame, begin, varies)
            begin = frame.find(request_id.to_bytes(_ID_SIZE, "big"), begin + 1)
        return None


def _is_id(frame: bytes, begin: int, packet: Any, read: Callable[[bytes], Any]) -> bool:
    """Whether the bytes at ``begin`` are the id: with others, it is another id and no more."""
    other = packet.request_id ^ _OTHERWISE
    try:
        changed = read(frame[:begin] + other.to_bytes(_ID_SIZE, "big") + frame[begin + _ID_SIZE :])
    except MalformedTars:
        return False
    fields = [name for name in packet.__struct_fields__ if name != "request_id"]
    return changed.request_id == other and all(
        getattr(changed, name) == getattr(packet, name) for name in fields
    )


class Stamp:
    """Makes batches of frames of one shape, in a buffer of ``capacity`` frames that is reused."""

    def __init__(self, shape: Shape, capacity: int) -> None:
        one = np.frombuffer(shape.frame, np.uint8)
        self.frames: Bytes = np.tile(one, (capacity, 1))
        self._ids = id_column(self.frames, shape)

    def frames_with(self, ids: Ids) -> Bytes:
        """A frame for each id, one after the other in memory; good until the next call."""
        count = len(ids)
        self._ids[:count] = ids
        return self.frames[:count]


def id_column(block: Bytes, shape: Shape) -> npt.NDArray[np.int32]:
    """The ids of a block's frames, as a view of it."""
    column = block[:, shape.id_at : shape.id_at + _ID_SIZE]
    return column.view(">i4")[:, 0]


class Inbox:
    """What one connection received, split into blocks of frames.

    Reads up to ``capacity`` bytes at once; grows for frames that are longer, to ``max_frame``.
    """

    def __init__(self, *, capacity: int = 1 << 18, max_frame: int = 1 << 24) -> None:
        self._max_frame = max_frame
        self._shape: Shape | None = None
        self._begin = self._end = 0
        self._allocate(capacity)

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame."""
        return self._end - self._begin

    def read(self, connection: socket.socket) -> int:
        """Take what has arrived, as `socket.recv_into` does; 0 is the stream's end."""
        if self._begin:
            self._compact()
        if self._end == self._data.size:
            self._grow()  # a frame of its length is not whole yet
        count = connection.recv_into(self._free[self._end :])
        self._end += count
        return count

    def split(self, shape: Shape | None) -> tuple[Bytes, list[bytes]]:
        """The whole frames read so far: a block of those equal to ``shape``, and the others.

        The block may be a view, good until the next `read`. Raises `MalformedTars` when the
        stream is out of step; frames before that are lost with it.
        """
        if shape is None:
            return _NO_FRAMES, self._one_by_one()
        if shape is not self._shape:
            self._look_for(shape)
        if self._begin:
            self._compact()
        count = self._end // shape.size
        block = self._frames[:count]
        differs = _differences(block, self._wanted, shape, self._differs[:count])
        if np.count_nonzero(differs) == 0:
            self._begin = count * shape.size
            if self._may_begin(shape):
                return block, []
            return self._regrouped(block, self._one_by_one(), shape)
        # Behind a wrong length nothing is where it is looked for.
        wrong = np.any(differs, axis=1)
        lengths = np.any(differs[:, :HEADER_SIZE], axis=1)
        if lengths.any():
            block, wrong = block[: lengths.argmax()], wrong[: lengths.argmax()]
        self._begin = len(block) * shape.size
        others = [row.tobytes() for row in block[wrong]] + self._one_by_one()
        return self._regrouped(block[~wrong], others, shape)

    def _one_by_one(self) -> list[bytes]:
        """The whole frames that are left, whatever their lengths."""
        left = self._data[self._begin : self._end]
        frames = FrameSplitter(max_frame=self._max_frame).feed(left.tobytes())
        self._begin += sum(map(len, frames))
        return frames

    def _regrouped(
        self, block: Bytes, others: list[bytes], shape: Shape
    ) -> tuple[Bytes, list[bytes]]:
        """The same frames; those of ``others`` that are as the shape are part of the block."""
        fitting = [frame for frame in others if len(frame) == shape.size]
        if not fitting:
            return block, others
        rows = np.frombuffer(b"".join(fitting), np.uint8).reshape(-1, shape.size)
        wrong = _differences(rows, self._wanted, shape).any(axis=1)
        left = [frame for frame in others if len(frame) != shape.size]
        left += [row.tobytes() for row in rows[wrong]]
        return np.concatenate((block, rows[~wrong])), left

    def _may_begin(self, shape: Shape) -> bool:
        """Whether what is left may become a frame of the shape's length."""
        head = self._data[self._begin : min(self._end, self._begin + HEADER_SIZE)].tobytes()
        return shape.frame.startswith(head)

    def _look_for(self, shape: Shape) -> None:
        """Views that every look at the buffer needs, made once."""
        rows = self._data.size // shape.size
        self._shape = shape
        self._frames = self._data[: rows * shape.size].reshape(rows, shape.size)
        self._wanted = np.frombuffer(shape.frame, np.uint8)
        self._differs: Flags = np.empty((rows, shape.size), np.bool_)

    def _compact(self) -> None:
        left = self.pending
        if left:
            self._data[:left] = self._data[self._begin : self._end]
        self._begin, self._end = 0, left

    def _grow(self) -> None:
        kept = self._data
        self._allocate(2 * kept.size)
        self._data[: kept.size] = kept
        self._shape = None

    def _allocate(self, capacity: int) -> None:
        self._data: Bytes = np.empty(capacity, np.uint8)
        self._free = memoryview(self._data.data)


def _differences(rows: Bytes, wanted: Bytes, shape: Shape, out: Flags | None = None) -> Flags:
    """Where frames are not as the shape, among the bytes that it fixes."""
    differs: Flags = np.empty(rows.shape, np.bool_) if out is None else out
    np.not_equal(rows, wanted, out=differs)
    differs[:, shape.id_at : shape.id_at + _ID_SIZE] = False
    if shape.varying is not None:
        differs[:, shape.varying] = False
    return differs


_NO_FRAMES: Bytes = np.empty((0, 0), np.uint8)
