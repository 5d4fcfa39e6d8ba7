"""An edge's batches on their way: made each period, sent one by one, again after an outage.

What waits through an outage lies in a file, so that an edge that is killed meanwhile loses only
what it has counted since the last period's end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

from lab.cvb.contracts import STORE, Acknowledged, Batch, BatchGiven, Code, Frame
from lab.cvb.embedded import batch_lines
from lab.cvb.embedded.batches import BatchQueue, Counting
from lab.cvb.embedded.links import Link
from lab.cvb.embedded.settings import Settings
from lab.faultflags import FaultFlags
from lab.tars.errors import TarsError

_log = logging.getLogger(__name__)

#: For how long the data centre's acknowledgement is awaited, seconds.
_ACKNOWLEDGED_S = 2.0


class Shipping:
    """Runs as two tasks while the context is entered: one makes batches, one sends them."""

    def __init__(
        self,
        edge: str,
        token: str,
        settings: Settings,
        data_centre: Link,
        faults: FaultFlags,
        *,
        waiting: Path,
    ) -> None:
        self.queue = BatchQueue(settings.batch_bound)
        if not faults.active("cvb.waiting-forgotten"):
            for batch in batch_lines.read(waiting):
                self.queue.add(batch)
        self._waiting = waiting
        self._edge = edge
        self._token = token
        self._period_s = settings.batch_period_s
        self._data_centre = data_centre
        self._faults = faults
        self._counting = Counting()
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def count(self, frame: Frame) -> None:
        """Count a frame into its application's batch of this period."""
        self._counting.add(frame)

    async def __aenter__(self) -> Shipping:
        self._tasks = [asyncio.create_task(self._make()), asyncio.create_task(self._send())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End; what has been counted and can be sent at once is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end_period()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ACKNOWLEDGED_S):
                await self._drain()
        self._keep()

    def _end_period(self) -> None:
        for batch in self._counting.end(self._edge, self.queue.next_sequence):
            self.queue.add(batch, keep_oldest=self._faults.active("cvb.drop-newest"))

    async def _make(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + self._period_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            self._end_period()
            if len(self.queue) > 1:  # older ones wait, and may do so for long
                self._keep()
            self._more.set()

    def _keep(self) -> None:
        """Have in the file what waits."""
        if self.queue:
            batch_lines.write(self._waiting, self.queue)
        else:
            self._waiting.unlink(missing_ok=True)

    async def _send(self) -> None:
        """Each period that finds batches waiting is another attempt."""
        while True:
            await self._more.wait()
            self._more.clear()
            await self._drain()
            self._keep()

    async def _drain(self) -> None:
        """Send what waits until nothing does, or the data centre does not take one."""
        while (batch := self._next()) is not None:
            try:
                answer = await self._data_centre.invoke(
                    STORE, BatchGiven(self._token, batch), timeout=_ACKNOWLEDGED_S
                )
            except TarsError as error:
                _log.warning("batch %s is not acknowledged: %s", batch.sequence, error)
                if self._faults.active("cvb.batches-lost-on-outage"):
                    self.queue.remove(batch)
                return
            if not self._settle(batch, answer):
                return

    def _next(self) -> Batch | None:
        if self._faults.active("cvb.batches-out-of-order") and len(self.queue) > 1:
            return self.queue.last()
        return self.queue.first()

    def _settle(self, batch: Batch, answer: Acknowledged) -> bool:
        """Whether the next batch may be sent."""
        if answer.ret == Code.STALE:
            # An earlier process of this edge has used this number, if this one is new.
            self.queue.continue_after(answer.acknowledged)
            return True
        if answer.ret != Code.DONE:
            _log.warning("batch %s is refused: %s", batch.sequence, answer.ret)
            return False
        self.queue.remove(batch)
        return True
