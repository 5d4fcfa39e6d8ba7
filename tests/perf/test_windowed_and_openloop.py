"""Both engines against echoes that are good, and that misbehave in every way they must see."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.echo_process import echo_process
from lab.tars.client import Address
from lab.tars.errors import ConnectFailed
from lab.tars.packets import RequestPacket, ResponsePacket, answer
from lab.wait import wait_for
from perf.engines.call import echo_call
from perf.engines.flights import Stray
from perf.engines.openloop import NO_CONNECTION, OpenLoopEngine
from perf.engines.traffic import MALFORMED, TIMED_OUT, WRONG_BODY
from perf.engines.windowed import WindowedEngine
from perf.engines.wire import LAST_ID
from perf.load import LoadPlan, LoadResult
from perf.observer import UNANSWERED_THROUGHOUT
from tests.perf.faulty_echo import Faulty, faulty_echo, good

CLOSED = LoadPlan(users=2, window_s=0.3, warm_up_s=0, timeout_s=0.5, window=50)
OPEN = LoadPlan(users=2, window_s=0.3, warm_up_s=0, timeout_s=0.5, interval_s=0.001)

Run = Callable[[Address], LoadResult]


def windowed(address: Address) -> LoadResult:
    return WindowedEngine([address], echo_call()).run(CLOSED)


def open_loop(address: Address) -> LoadResult:
    return OpenLoopEngine([address], echo_call()).run(OPEN)


both = pytest.mark.parametrize("run", [windowed, open_loop])


def against(faulty: Faulty, run: Run) -> LoadResult:
    with faulty_echo(faulty) as address:
        return run(address)


@both
def test_a_good_echo_has_no_failures(run: Run) -> None:
    with echo_process("echo") as echo:
        result = run(echo.address)
    assert result.failures == {}
    assert result.returns == {0: result.succeeded}
    assert result.succeeded == echo.figures["answered"]
    assert result.conditions.connections == 2
    assert result.conditions.body_bytes == 18
    assert result.conditions.no_delay is True
    assert result.latencies.min > 1


def test_a_window_of_requests_is_sent_and_read_in_batches() -> None:
    with echo_process("echo") as echo:
        result = windowed(echo.address)
    assert result.conditions.requests_per_write > 10
    assert result.conditions.replies_per_read > 10


def test_an_open_loop_offers_its_rate_whatever_happens() -> None:
    with echo_process("echo") as echo:
        result = open_loop(echo.address)
    assert result.began == 600
    assert result.window_s == pytest.approx(0.3)


def test_what_a_server_does_not_take_at_once_waits_for_it() -> None:
    def stall_once(request: RequestPacket) -> bytes:
        if faulty.faults == 1:
            faulty.over.wait(0.6)
        return good(request)

    faulty = Faulty(stall_once, every=2)
    plan = replace(OPEN, users=1, interval_s=0.002, timeout_s=5)
    with faulty_echo(faulty) as address:
        # 9 MB of requests are more than the kernel keeps for a server that does not read.
        result = OpenLoopEngine([address], echo_call("x" * 60_000)).run(plan)
    assert result.failures == {}
    assert result.succeeded == 150


def test_only_the_window_counts_and_its_seconds_are_told() -> None:
    plan = replace(OPEN, warm_up_s=0.2, window_s=1.2, interval_s=0.004)
    with echo_process("echo") as echo:
        result = OpenLoopEngine([echo.address], echo_call()).run(plan)
    assert result.succeeded == 600
    assert echo.figures["answered"] == 700
    (second,) = result.series
    assert second.succeeded == pytest.approx(500, abs=100)
    assert second.failed == 0
    assert 0 < second.p50_us <= second.p99_us


@both
def test_requests_that_are_answered_twice(run: Run) -> None:
    faulty = Faulty(lambda request: good(request) * 2)
    result = against(faulty, run)
    assert result.failures == {Stray.DUPLICATE.value: faulty.faults}
    assert result.succeeded == faulty.requests


@both
def test_answers_to_another_id(run: Run) -> None:
    faulty = Faulty(lambda request: good(replace_id(request, LAST_ID)))
    result = against(faulty, run)
    assert result.failures == {Stray.UNKNOWN.value: faulty.faults, TIMED_OUT: faulty.faults}
    assert result.succeeded == faulty.requests - faulty.faults


@both
def test_answers_with_another_body(run: Run) -> None:
    faulty = Faulty(lambda request: good(request).replace(b"letters", b"lettres"))
    result = against(faulty, run)
    assert result.failures == {WRONG_BODY: faulty.faults}
    assert result.succeeded == faulty.requests - faulty.faults


@both
def test_refusals_are_counted_by_their_iret(run: Run) -> None:
    faulty = Faulty(lambda request: answer(request, ret=-9).to_frame(), every=3)
    result = against(faulty, run)
    assert result.failures == {"iRet -9 TARSSERVEROVERLOAD": faulty.faults}
    assert result.returns == {0: faulty.requests - faulty.faults, -9: faulty.faults}


@both
def test_answers_that_never_come(run: Run) -> None:
    faulty = Faulty(lambda _: b"")
    result = against(faulty, run)
    assert result.failures == {TIMED_OUT: faulty.faults}
    assert result.succeeded == faulty.requests - faulty.faults


@both
def test_frames_that_hold_no_packet(run: Run) -> None:
    faulty = Faulty(lambda _: b"\x00\x00\x00\x08\xff\xff\xff\xff", every=7)
    result = against(faulty, run)
    assert result.failures == {MALFORMED: faulty.faults, TIMED_OUT: faulty.faults}


@both
def test_a_stream_out_of_step_ends_its_connection_and_goes_on_with_another(run: Run) -> None:
    faulty = Faulty(lambda _: b"\x00\x00\x00\x01garbage", every=200)
    result = against(faulty, run)
    (reason,) = (why for why in result.failures if why.startswith("connection lost: "))
    assert "length header is out of bounds" in reason
    assert result.succeeded > 0


@both
def test_connections_that_are_cut_are_made_again(run: Run) -> None:
    faulty = Faulty(lambda _: None, every=150)
    result = against(faulty, run)
    assert faulty.faults > 1
    assert any(why.startswith("connection lost: ") for why in result.failures)
    assert result.succeeded + result.failed >= faulty.requests
    assert result.succeeded > 150


@both
def test_answers_in_pieces_are_put_together(run: Run) -> None:
    result = against(Faulty(trickle=17), run)
    assert result.failures == {}
    assert result.succeeded > 100


@both
def test_answers_of_many_lengths_are_all_good(run: Run) -> None:
    faulty = Faulty(longer, every=3)
    result = against(faulty, run)
    assert result.failures == {}
    assert result.succeeded == faulty.requests


@both
def test_silence_ends_in_bounded_time(run: Run) -> None:
    faulty = Faulty(lambda _: b"", every=1)
    began = time.monotonic()
    result = against(faulty, run)
    assert time.monotonic() - began < 5
    assert result.succeeded == 0
    assert result.failures == {TIMED_OUT: faulty.requests}
    assert result.failure_percent == 100


def test_a_server_that_hangs_from_the_start_is_told_apart_from_no_load() -> None:
    plan = replace(CLOSED, warm_up_s=0.1, window_s=0.2)
    with faulty_echo(Faulty(lambda _: b"", every=1)) as address:
        result = WindowedEngine([address], echo_call()).run(plan)
    assert result.failures == {UNANSWERED_THROUGHOUT: 100}
    assert result.rate == 0


@both
def test_nothing_is_left_open(run: Run) -> None:
    with faulty_echo(Faulty(lambda _: None, every=50)) as address:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        run(address)
        # The servant is in this process: what it has accepted closes when its thread comes to it.
        wait_for(
            "descriptors to be closed",
            lambda: len(os.listdir("/proc/self/fd")) <= before + 1,  # noqa: PTH208
            timeout=10,
        )


@both
def test_nobody_there_is_no_load(run: Run) -> None:
    with faulty_echo(Faulty()) as address:
        pass
    with pytest.raises(ConnectFailed, match=f"no connection to {address}"):
        run(address)


@both
def test_a_server_that_goes_away_is_told(run: Run) -> None:
    faulty = Faulty(every=100)
    faulty.fault = lambda _: faulty.over.set()
    with faulty_echo(faulty) as address:
        result = run(address)
    assert result.failed > 50
    assert any(why.startswith("no connection: ") for why in result.failures)
    assert (NO_CONNECTION in result.failures) == (run is open_loop)


def test_what_a_late_generator_sends_late_counts_from_when_it_was_due() -> None:
    slept = threading.Event()

    def late_once(_: object) -> None:
        if not slept.is_set():
            slept.set()
            threading.Event().wait(0.2)

    plan = replace(OPEN, window_s=0.5, interval_s=0.002)
    with echo_process("echo") as echo:
        result = OpenLoopEngine([echo.address], echo_call(), reader=late_once).run(plan)
    assert result.failures == {}
    assert result.succeeded == 500
    # 200 were due in the meantime; half of them were late by 0.1 s and more.
    assert result.latencies.count_above(100_000) >= 90
    assert result.generator.oversleep_max_us > 190_000
    assert not result.window_valid


def test_what_waited_for_a_server_that_stalls_counts_from_when_it_was_due() -> None:
    faulty = Faulty(every=300)
    faulty.fault = lambda request: faulty.over.wait(0.4) or good(request)
    plan = replace(OPEN, window_s=0.5, interval_s=0.002)
    with faulty_echo(faulty) as address:
        result = OpenLoopEngine([address], echo_call()).run(plan)
    assert result.failures == {}
    # 200 of the 500 were due while it stalled for 0.4 s; half of these waited 0.2 s and more.
    assert result.latencies.percentile(100 * (1 - 180 / 500)) > 200_000
    assert result.latencies.max == pytest.approx(400_000, rel=0.5)


def replace_id(request: RequestPacket, request_id: int) -> RequestPacket:
    return RequestPacket.from_frame(
        request.to_frame().replace(
            request.request_id.to_bytes(4, "big"), request_id.to_bytes(4, "big")
        )
    )


def longer(request: RequestPacket) -> bytes:
    body = ResponsePacket.from_frame(good(request)).body
    return answer(request, body, result_desc="x" * (request.request_id % 97 + 1)).to_frame()
