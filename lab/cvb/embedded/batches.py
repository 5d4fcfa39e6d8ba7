"""Batches: what is counted of frames that are not urgent, and how it waits for the data centre."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.cvb.contracts import Batch, Frame, Kind


@dataclass
class _Count:
    from_us: int
    until_us: int
    frames: int = 0
    seen: Counter[Kind] = field(default_factory=Counter)


class Counting:
    """Counts the frames of a period, by application."""

    def __init__(self) -> None:
        self._of: dict[str, _Count] = {}

    def add(self, frame: Frame) -> None:
        count = self._of.setdefault(frame.application, _Count(frame.at_us, frame.at_us))
        count.from_us = min(count.from_us, frame.at_us)
        count.until_us = max(count.until_us, frame.at_us)
        count.frames += 1
        count.seen.update(one.kind for one in frame.detections)

    def end(self, edge: str, sequence: int) -> Iterator[Batch]:
        """The period's batches, numbered from ``sequence`` on; the next period begins."""
        counts, self._of = self._of, {}
        for number, (application, one) in enumerate(counts.items(), sequence):
            yield Batch(
                edge, number, application, one.from_us, one.until_us, one.frames, dict(one.seen)
            )


class BatchQueue:
    """Batches in order until the data centre acknowledges them: ``bound`` of them, the newest."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.dropped = 0
        self.next_sequence = 1
        self._waiting: deque[Batch] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._waiting)

    def add(self, batch: Batch, *, keep_oldest: bool = False) -> None:
        """Keep one more batch; beyond the bound the oldest is dropped (or else this one)."""
        self.next_sequence = batch.sequence + 1
        if len(self._waiting) >= self.bound:
            self.dropped += 1
            if keep_oldest:
                return
            self._waiting.popleft()
        self._waiting.append(batch)

    def first(self) -> Batch | None:
        """The one that is to be sent next."""
        return self._waiting[0] if self._waiting else None

    def last(self) -> Batch | None:
        return self._waiting[-1] if self._waiting else None

    def remove(self, batch: Batch) -> None:
        """Forget one that was acknowledged; it may have been dropped meanwhile."""
        self._waiting = deque(one for one in self._waiting if one.sequence != batch.sequence)

    def continue_after(self, sequence: int) -> None:
        """Number what waits from the next sequence on: the data centre knows an earlier process."""
        self._waiting = deque(
            Batch(
                one.edge, number, one.application, one.from_us, one.until_us, one.frames, one.seen
            )
            for number, one in enumerate(self._waiting, sequence + 1)
        )
        self.next_sequence = sequence + 1 + len(self._waiting)
