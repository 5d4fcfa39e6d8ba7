"""The bench of the engines: what makes it fail, and what its echoes do."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from benchmarks import rpc
from benchmarks.echo_process import echo_process
from benchmarks.figures import BenchFailed
from benchmarks.unchecked import unchecked_rate
from lab.tars.client import TarsClient
from lab.tars.echo_client import ECHO_STRING, Echo
from lab.tars.errors import TarsError
from perf.engines.call import Call, echo_call
from perf.engines.wire import Shape
from perf.load import LoadPlan

QUICK = LoadPlan(users=2, window_s=0.3, warm_up_s=0.1, timeout_s=0.5, window=200)
DUE = LoadPlan(users=1, window_s=0.3, warm_up_s=0.1, interval_s=1 / 2000, max_oversleep_us=1e7)


@pytest.fixture
def cores() -> rpc.Cores:
    return rpc.two_cores()


def test_the_windowed_figures(cores: rpc.Cores) -> None:
    figures = rpc.saturation(cores, times=1, plan=QUICK)
    assert figures["windowed_rps"] > 1000
    assert 0 < figures["windowed_client_us"] < 20


def test_it_fails_when_the_server_sends_garbage(cores: rpc.Cores) -> None:
    with pytest.raises(BenchFailed, match="iRet 0, but not the body expected"):
        rpc.saturation(cores, kind="garbles", times=1, plan=QUICK)


def test_it_fails_when_the_client_sends_arguments_that_are_none(cores: rpc.Cores) -> None:
    garbage = replace(echo_call(), body=b"\x77garbage of 18 byt")
    with pytest.raises(BenchFailed, match="connection lost: "):
        rpc.saturation(cores, call=garbage, times=1, plan=QUICK)


def test_it_fails_when_the_client_sends_no_frames(cores: rpc.Cores) -> None:
    class Garbage(Call):
        def request_shape(self, timeout_s: float) -> Shape:
            good = super().request_shape(timeout_s)
            return Shape(bytes(len(good.frame)), good.id_at)

    call = echo_call()
    garbage = Garbage(call.servant, call.function, call.body, call.answer)
    with pytest.raises(BenchFailed, match="connection lost: "):
        rpc.saturation(cores, call=garbage, times=1, plan=QUICK)


def test_the_loop_that_checks_nothing_counts_what_was_answered() -> None:
    with echo_process("echo") as echo:
        rate = unchecked_rate(echo.address, echo_call(), users=2, window=100, seconds=0.3)
    # 200 were under way at the end.
    assert 0.3 * rate == pytest.approx(echo.figures["answered"], rel=0.1, abs=250)
    closes = replace(echo_call(), body=b"\x77garbage of 18 byt")
    with echo_process("echo") as echo, pytest.raises(BenchFailed, match="the unchecked loop at"):
        unchecked_rate(echo.address, closes, users=1, window=10, seconds=0.3)


def test_a_stall_is_found_by_the_calls_that_were_due_in_it(cores: rpc.Cores) -> None:
    plan = LoadPlan(users=1, window_s=1.8, warm_up_s=0.1, interval_s=1 / 1000)
    figures = rpc.stall(cores, times=1, plan=plan)
    assert figures["stall_calls_over_500ms"] == pytest.approx(500, abs=150)


def test_figures_of_windows_that_the_machine_spoilt_say_so(cores: rpc.Cores) -> None:
    impossible = replace(DUE, max_oversleep_us=0.0)
    taken = rpc.open_loop(cores, times=1, tries=2, plan=impossible)
    assert taken.conditions["openloop_windows"] == 2
    assert taken.conditions["openloop_windows_valid"] == 0
    assert taken.conditions["openloop_late_p999_us"] > 0


def test_the_errors_of_the_open_loop_come_with_their_limits(cores: rpc.Cores) -> None:
    taken = rpc.open_loop(cores, times=1, plan=DUE)
    assert set(taken.figures) == set(taken.limits)
    assert taken.conditions["openloop_windows_valid"] in (0, 1)
    # 5 % of the median of 1 ms and an exponential part with a mean of 1 ms, 1.69 ms.
    assert taken.limits["openloop_p50_error_us"] > 0.05 * 1650


def test_the_echo_is_one_for_an_ordinary_client() -> None:
    with echo_process("echo") as running, TarsClient(running.address, timeout=5) as client:
        assert Echo(client).echo(ECHO_STRING, "text").copy == "text"
        assert Echo(client).echo(ECHO_STRING, "another").ret == "another"


def test_what_is_no_request_ends_its_connection() -> None:
    with echo_process("echo") as running, TarsClient(running.address, timeout=5) as client:
        with pytest.raises(TarsError):
            client.call("a.b.c", "f", b"\xff\xff")
        assert Echo(client).echo(ECHO_STRING, "text").ret == "text"


@pytest.mark.parametrize(
    ("written", "meant"), [("0\n", {0}), ("0,4\n", {0, 4}), ("0-2,8-9\n", {0, 1, 2, 8, 9})]
)
def test_cores_as_the_kernel_writes_them(written: str, meant: set[int]) -> None:
    assert rpc.numbers_in(written) == meant


def test_the_two_sides_have_a_core_each(cores: rpc.Cores) -> None:
    assert cores.server != cores.client
    assert {cores.server, cores.client} <= os.sched_getaffinity(0)


def test_every_figure_of_the_issue_is_taken() -> None:
    assert [figure.key for figure in rpc.FIGURES] == [
        "windowed_rps",
        "windowed_client_us",
        "npm_server_share",
        "openloop_p50_error_us",
        "openloop_p99_error_us",
        "openloop_p999_error_us",
        "stall_calls_over_500ms",
        "sync_npm_rps",
        "growth_percent",
    ]
