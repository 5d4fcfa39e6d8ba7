"""What both engines share: connections, the replies that come over them, and the counting."""

from __future__ import annotations

import gc
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

import numpy as np

from lab.errors import LabError
from lab.tars.client import Address
from lab.tars.errors import CallFailed, MalformedTars
from lab.tars.packets import PUSH_ID
from perf.engines.call import Call, read_reply
from perf.engines.connection import Connection
from perf.engines.flights import Flights, Times
from perf.engines.tally import EachSecond, Tally
from perf.engines.wire import Bytes, Shape, id_column
from perf.load import Conditions, GeneratorHealth, LoadPlan, LoadResult
from perf.observer import UNANSWERED

clock = time.perf_counter_ns

#: Nanoseconds between two looks for what is overdue, and for connections to be made again.
TIDY_NS = 50_000_000
#: A time that does not come.
NEVER = 2**63 - 1

#: Reasons of failures that no server tells.
TIMED_OUT = "no answer within the time-out"
WRONG_BODY = "iRet 0, but not the body expected"
MALFORMED = "a reply that is no Tars packet"

#: Given the varying bytes of the call's counted replies, a row each.
Reader = Callable[[Bytes], None]


class Unopened(LabError):
    """A run was stopped while it still warmed up: it measured nothing."""

    def __init__(self) -> None:
        super().__init__("the load ended before its window opened")


class Traffic:
    """The connections of one run. Also the context in which they are open.

    ``flights`` is how many requests may be under way on each of ``plan.users`` connections,
    which go to ``addresses`` in turn.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        call: Call,
        plan: LoadPlan,
        *,
        flights: int,
        each_second: EachSecond | None = None,
        reader: Reader | None = None,
    ) -> None:
        self.tally = Tally(each_second)
        self.connections = [
            Connection(
                addresses[number % len(addresses)],
                Flights(flights, number, plan.users),
                call.request_shape(plan.timeout_s),
                no_delay=plan.no_delay,
            )
            for number in range(plan.users)
        ]
        self._call = call
        self._plan = plan
        self._reader = reader
        self._shape: Shape | None = None
        self._poll = select.epoll()
        self._by_fd: dict[int, Connection] = {}
        self._next_tidying = 0
        self._timeout_ns = int(plan.timeout_s * 1e9)
        self._cpu_opened = self._cpu_closed = 0
        #: Nanoseconds that one of the replies read last had taken.
        self.latest_latency = 0

    def __enter__(self) -> Traffic:
        """Connect; raises `ConnectFailed`."""
        try:
            for connection in self.connections:
                connection.open(self._plan.timeout_s)
                self._watch(connection)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        for connection in self.connections:
            connection.close()
        self._poll.close()

    @property
    def under_way(self) -> int:
        return sum(connection.flights.under_way for connection in self.connections)

    def open_window(self, now: int) -> None:
        self._cpu_opened = time.thread_time_ns()
        self.tally.open(now)

    def close_window(self, now: int) -> None:
        self._cpu_closed = time.thread_time_ns()
        self.tally.close(now)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time that the engine used within the window."""
        return (self._cpu_closed - self._cpu_opened) / 1e9

    def fileno(self) -> int:
        """A descriptor that is readable when `exchange` has something to do."""
        return self._poll.fileno()

    def begin(self, connection: Connection, count: int, since: int | Times) -> None:
        """Send ``count`` requests that count from ``since``; ``connection`` is open."""
        ids = connection.flights.begin(count, since)
        try:
            if connection.send(ids):
                self._rewatch(connection)
        except OSError as error:
            self._lose(connection, error)

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        """What happened within so many seconds, for `exchange`."""
        return self._poll.poll(timeout)

    def exchange(self, events: list[tuple[int, int]]) -> list[Connection]:
        """Read what came, send what had to wait; the connections that took part."""
        met = []
        for fd, happened in events:
            connection = self._by_fd[fd]
            met.append(connection)
            try:
                if happened & select.EPOLLOUT:
                    connection.go_on()
                    self._rewatch(connection)
                if happened & ~select.EPOLLOUT and connection.read():
                    self._take(connection)
            except (OSError, MalformedTars) as error:
                self._lose(connection, error)
        return met

    def tidy(self, now: int) -> None:
        """Give up what is overdue, connect again; does nothing most times."""
        if now < self._next_tidying:
            return
        self._next_tidying = now + TIDY_NS
        self.tally.turn_to(now)
        for connection in self.connections:
            if connection.flights.under_way:
                overdue = connection.flights.give_up(now - self._timeout_ns)
                self.tally.fail(TIMED_OUT, overdue, now)
            try:
                if connection.reopen(now):
                    self._watch(connection)
            except OSError as error:
                self._lose(connection, error)

    def finish(self) -> None:
        """Wait for what is under way, its time-out at most; the rest counts as unanswered."""
        last = clock() + self._timeout_ns
        while self.under_way and clock() < last:
            self.exchange(self.wait(TIDY_NS / 1e9))
            self.tidy(clock())
        now = clock()
        for connection in self.connections:
            left = connection.flights.give_up(now + 1)
            self.tally.fail(UNANSWERED, left, now)
        self.tally.finish(now)

    def result(self, health: GeneratorHealth) -> LoadResult:
        """What came of the window."""
        sent, writes, reads = (
            sum(getattr(connection, name) for connection in self.connections)
            for name in ("sent", "writes", "reads")
        )
        return LoadResult(
            plan=self._plan,
            conditions=Conditions.here(
                ("numpy", "tarsio"),
                body_bytes=len(self._call.body),
                connections=len(self.connections),
                no_delay=self._plan.no_delay,
                requests_per_write=sent / writes if writes else None,
                replies_per_read=sent / reads if reads else None,
            ),
            window_s=self.tally.window_s,
            latencies=self.tally.latencies,
            succeeded_in_window=self.tally.succeeded_in_window,
            failures=self.tally.failures,
            generator=health,
            returns=dict(self.tally.returns),
            series=self.tally.series,
        )

    # -- replies ------------------------------------------------------------------------

    def _take(self, connection: Connection) -> None:
        now = clock()
        block, others = connection.inbox.split(self._shape)
        if len(block):
            assert self._shape is not None, "blocks are of a shape"
            ids = id_column(block, self._shape).astype(np.int64)
            since, strays = connection.flights.end(ids)
            if strays is not None:
                for lost in ids[strays]:
                    self.tally.stray(connection.flights.stray(int(lost)).value, now)
                block = block[~strays]
            if len(since):
                self.latest_latency = now - int(since[0])
            counted = self.tally.succeed(since, now)
            if self._reader is not None:
                read = block if counted is None else block[counted]
                self._reader(read[:, self._shape.varying])
        if others:
            good = [frame for frame in others if self._judge(connection, frame, now)]
            if len(good) > len(block):
                self._learn(good[-1])

    def _learn(self, frame: bytes) -> None:
        """Most replies look like this one."""
        reply = read_reply(frame)
        assert reply is not None, "it was read before"
        self._shape = self._call.reply_shape(frame, reply) or self._shape

    def _judge(self, connection: Connection, frame: bytes, now: int) -> bool:
        """Count one reply that is not as the others; whether it is a good one."""
        reply = read_reply(frame)
        if reply is None:
            self.tally.stray(MALFORMED, now)
            return False
        if reply.request_id == PUSH_ID:
            return False
        since, strays = connection.flights.end(np.array([reply.request_id]))
        if strays is not None:
            self.tally.stray(connection.flights.stray(reply.request_id).value, now)
        elif reply.ret:
            self.tally.fail(refusal(reply.ret), since, now, ret=reply.ret)
        elif not self._call.answered_by(reply.body):
            self.tally.fail(WRONG_BODY, since, now, ret=0)
        else:
            counted = self.tally.succeed(since, now)
            if self._reader is not None and counted is None:
                varying = reply.body[self._call.varying or slice(0)]
                self._reader(np.frombuffer(varying, np.uint8).reshape(1, -1))
            return True
        return False

    # -- connections --------------------------------------------------------------------

    def _watch(self, connection: Connection) -> None:
        self._by_fd[connection.fileno()] = connection
        self._poll.register(connection, connection.wants)

    def _rewatch(self, connection: Connection) -> None:
        self._poll.modify(connection, connection.wants)

    def _lose(self, connection: Connection, why: Exception) -> None:
        """The connection broke, or was not to be had: what was under way on it failed."""
        now = clock()
        said = (why.strerror if isinstance(why, OSError) else None) or str(why)
        if connection.is_open:
            under_way = connection.flights.give_up(now + 1)
            self.tally.fail(f"connection lost: {said}", under_way, now)
        else:
            self.tally.stray(f"no connection: {said}", now)
        self._by_fd = {fd: one for fd, one in self._by_fd.items() if one is not connection}
        connection.close()


def refusal(ret: int) -> str:
    """An iRet as a reason."""
    named = CallFailed.of(ret, servant="", function="", endpoint="", description="")
    return f"iRet {ret} {named.code_name}"


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage is collected meanwhile: engines make no cycles, and a collection takes long."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
