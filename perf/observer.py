"""What users report to: it times their actions and counts them while the window is open."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable

from lab.errors import LabError
from perf.histogram import Histogram
from perf.load import Second
from perf.seconds import SecondBySecond

#: The reason of an action that never ended; it was cut off with the load.
UNANSWERED = "unanswered when the load ended"
#: The reason of an action that began before the window and was in flight through all of it.
UNANSWERED_THROUGHOUT = "unanswered throughout the window"
#: Reasons that are told apart; further ones are counted together.
MAX_REASONS = 20
OTHER = "other reasons"

_BATCH = 10_000

#: Told of every action, counted or not: its latency (us), and its error or None.
Listener = Callable[[float, Exception | None], None]

#: The code with which a system answered an action, from its error, None when it succeeded;
#: None where the system gave no answer, or none with a code.
CodeOf = Callable[[Exception | None], int | None]


class Observer:
    """Counts the actions that begin between `open` and `close`, whenever they end.

    One that begins earlier and is still unanswered at `close` counts as a failure: a system
    that hangs from the start is asked nothing within the window.
    For users that take turns in one thread (greenlets, one loop).
    """

    def __init__(self, listener: Listener | None = None, code_of: CodeOf = lambda _: None) -> None:
        self.in_flight = 0
        self.succeeded_in_window = 0
        #: Counted answers by their code, good and bad.
        self.returns: Counter[int] = Counter()
        self._listener = listener
        self._code_of = code_of
        self._latencies = Histogram()
        self._batch = array("d")
        self._failures: Counter[str] = Counter()
        self._open = False
        self._opened = self._closed = 0.0
        self._early = 0
        self._seconds: SecondBySecond | None = None

    def open(self) -> None:
        """The window opens."""
        self._opened, self._open = time.perf_counter(), True
        self._seconds = SecondBySecond(self._opened)

    def close(self) -> None:
        """The window closes; what is in flight still counts when it ends."""
        self._closed, self._open = time.perf_counter(), False
        if self._early:
            self._failures[UNANSWERED_THROUGHOUT] += self._early

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def window_s(self) -> float:
        """How long the window was open, in seconds."""
        return self._closed - self._opened

    def measure(self, act: Callable[[], object], since: float) -> bool:
        """Act, and count it; ``since`` (`time.perf_counter`) is when its latency begins.

        A `LabError` or `OSError` is the system's failure, and returns False. Anything else is
        a defect of the load, or its end, and passes through.
        """
        return self._observed(act, since)

    def attempt(self, act: Callable[[], object]) -> bool:
        """Do what must precede an action: its success is not counted, its failure is."""
        return self._observed(act, None)

    def _observed(self, act: Callable[[], object], since: float | None) -> bool:
        counted = self._open
        early = self._opened == 0.0
        self.in_flight += 1
        self._early += early
        try:
            act()
        except (LabError, OSError) as error:
            if counted:
                self._fail(reason(error))
                self._count_code(error)
            self._tell(since, error)
            return False
        except BaseException:
            if counted:
                self._fail(UNANSWERED)
            raise
        finally:
            self.in_flight -= 1
            self._early -= early
        if since is None:
            return True
        if counted:
            ended = time.perf_counter()
            self._batch.append((ended - since) * 1e6)
            self._count_code(None)
            self.succeeded_in_window += self._open
            if self._seconds is not None and self._open:
                self._seconds.succeeded(ended, (ended - since) * 1e6)
            if len(self._batch) >= _BATCH:
                self._flush()
        self._tell(since, None)
        return True

    @property
    def latencies(self) -> Histogram:
        """Of the counted successes so far."""
        self._flush()
        return self._latencies

    @property
    def failures(self) -> dict[str, int]:
        """Counted failures by reason, the most frequent first."""
        return dict(self._failures.most_common())

    @property
    def series(self) -> tuple[Second, ...]:
        """The window second by second."""
        return () if self._seconds is None else self._seconds.whole(self._closed)

    def _fail(self, why: str) -> None:
        if self._seconds is not None and self._open:
            self._seconds.failed(time.perf_counter())
        known = why in self._failures or len(self._failures) < MAX_REASONS
        self._failures[why if known else OTHER] += 1

    def _count_code(self, error: Exception | None) -> None:
        code = self._code_of(error)
        if code is not None:
            self.returns[code] += 1

    def _flush(self) -> None:
        if self._batch:
            self._latencies.record_batch(self._batch)
            self._batch = array("d")

    def _tell(self, since: float | None, error: Exception | None) -> None:
        if self._listener is not None:
            latency = 0.0 if since is None else (time.perf_counter() - since) * 1e6
            self._listener(latency, error)


def reason(error: Exception) -> str:
    """A failure as one line that is the same for failures of the same kind."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
