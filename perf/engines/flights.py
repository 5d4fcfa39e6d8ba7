"""The requests of one connection that are under way: who they are, and since when.

A request occupies a slot until it is answered or given up. Its id names the slot (the low
bits) and how often the slot was used (the high bits), so that a reply is matched by looking
at one place, and a second reply to the same request is known for one.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt

from perf.engines.wire import FIRST_ID, LAST_ID, Flags, Ids

Times = npt.NDArray[np.int64]

_NOBODY = -1


class Stray(Enum):
    """Why a reply answers nothing that is under way."""

    DUPLICATE = "a request was answered twice"
    LATE = "an answer came after its request's time-out"
    UNKNOWN = "an answer's id was never sent on its connection"


class Flights:
    """Up to ``capacity`` requests under way on connection number ``number`` of ``connections``.

    Times are integers in nanoseconds of any monotonic clock.
    """

    def __init__(self, capacity: int, number: int, connections: int) -> None:
        self.capacity = capacity
        self._stride = 1 << (capacity * connections - 1).bit_length()
        self._mask = self._stride - 1
        self._first_slot = number * capacity
        generation = -(-FIRST_ID // self._stride)
        self._generations = (LAST_ID + 1) // self._stride - generation
        if self._generations < 2:
            raise ValueError(f"too many requests under way: {capacity} on {connections}")
        self._base: Ids = np.arange(capacity) + self._first_slot + generation * self._stride
        self._next = self._base.copy()
        self._flying = np.full(capacity, _NOBODY)
        self._given_up = np.full(capacity, _NOBODY)
        self._since: Times = np.zeros(capacity, np.int64)
        self._order = np.zeros(capacity, np.int64)
        self._free: Ids = np.arange(capacity)[::-1].copy()
        self._free_count = capacity
        self._uses = 0
        self._count_up: Ids = np.arange(capacity)

    @property
    def free(self) -> int:
        """How many more requests can be under way."""
        return self._free_count

    @property
    def under_way(self) -> int:
        return self.capacity - self._free_count

    def begin(self, count: int, since: int | Times) -> Ids:
        """Ids for ``count`` (at most `free`) requests that count from ``since``."""
        left = self._free_count - count
        slots = self._free[left : self._free_count]
        self._free_count = left
        ids: Ids = self._next.take(slots)
        self._flying[slots] = ids
        self._since[slots] = since
        self._next[slots] = ids + self._stride
        self._uses += 1
        if self._uses == self._generations:
            self._wrap()
        return ids

    def end(self, ids: Ids) -> tuple[Times, Flags | None]:
        """Take the replies with these ids: since when their requests counted, in that order.

        Replies that answer nothing under way are left out and marked in the flags; None when
        there are none. `stray` says why.
        """
        slots = (ids & self._mask) - self._first_slot
        count = len(slots)
        if count and self._hits(slots, ids) == count and self._distinct(slots) == count:
            return self._finish(slots), None
        good = (slots >= 0) & (slots < self.capacity)
        good[good] = self._flying[slots[good]] == ids[good]
        # Of several replies with one id, the first is the answer.
        _, firsts = np.unique(np.where(good, ids, -1 - self._all(count)), return_index=True)
        first = np.zeros(count, np.bool_)
        first[firsts] = True
        good &= first
        return self._finish(slots[good]), ~good

    def stray(self, request_id: int) -> Stray:
        """Why a reply that `end` left out answers nothing."""
        slot = (request_id & self._mask) - self._first_slot
        if not 0 <= slot < self.capacity:
            return Stray.UNKNOWN
        if request_id == self._given_up[slot]:
            return Stray.LATE
        current, following = int(self._flying[slot]), int(self._next[slot])
        last = (following if current == _NOBODY else current) - self._stride
        return Stray.DUPLICATE if request_id == last >= self._base[slot] else Stray.UNKNOWN

    def give_up(self, before: int) -> Times:
        """Give up what counts from before that time; since when each of it counted."""
        slots = np.flatnonzero((self._flying != _NOBODY) & (self._since < before))
        self._given_up[slots] = self._flying[slots]
        return self._finish(slots)

    def _hits(self, slots: Ids, ids: Ids) -> int:
        """How many ids are under way; what is in no slot of ours is not in its nearest either."""
        return int(np.count_nonzero(self._flying.take(slots, mode="clip") == ids))

    def _distinct(self, slots: Ids) -> int:
        """As many as there are slots, if none is there twice."""
        if len(slots) == 1:
            return 1
        places = self._all(len(slots))
        self._order[slots] = places
        return int(np.count_nonzero(self._order[slots] == places))

    def _finish(self, slots: Ids) -> Times:
        end = self._free_count + len(slots)
        self._free[self._free_count : end] = slots
        self._free_count = end
        self._flying[slots] = _NOBODY
        return self._since.take(slots)

    def _all(self, count: int) -> Ids:
        if count > len(self._count_up):
            self._count_up = np.arange(count)
        return self._count_up[:count]

    def _wrap(self) -> None:
        """Ids of the upper half of their range begin again, before one can leave it."""
        spent = self._next - self._base > self._generations // 2 * self._stride
        self._next[spent] = self._base[spent]
        self._uses = int((self._next - self._base).max()) // self._stride
