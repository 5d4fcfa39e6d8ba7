"""Recorded conversations with openvidu-server 2.13.0, held with the backend: the same frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from lab.classroom.signalling import RECONNECTION_GRACE_S
from tests.classroom.recordings import RECORDINGS
from tests.classroom_backend import sequences
from tests.classroom_backend.running import Backend, running_backend
from tests.classroom_backend.stage import SPEED, Stage


def _entries(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (RECORDINGS / "signalling" / f"{name}.json").read_text()
    )["frames"]
    until, _ = sequences.PARTLY.get(name, (float("inf"), ""))
    return [entry for entry in found if entry["t_ms"] < until]


def _play(name: str, backend: Backend, *, in_time: bool) -> None:
    with Stage(backend, in_time=in_time) as stage:
        stage.play(_entries(name))


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Future[None]]]:
    """The conversations that need their time, all at once: none knows of the others."""
    home = tmp_path_factory.mktemp("hurried-host")
    # A little more, so that what the real server did "at once after 10 s" is not a dead heat.
    grace = f"{1.02 * RECONNECTION_GRACE_S / SPEED}"
    with (
        running_backend(home, "--reconnection-s", grace) as backend,
        ThreadPoolExecutor(len(IN_TIME)) as pool,
    ):
        playing = {name: pool.submit(_play, name, backend, in_time=True) for name in IN_TIME}
        yield playing.__getitem__


IN_TIME = (*sequences.IN_TIME, "socket-close-clean")
AT_ONCE = (*sequences.AT_ONCE, *(name for name in sequences.PARTLY if name not in IN_TIME))


@pytest.mark.parametrize("name", AT_ONCE)
def test_the_same_frames_as_openvidu(name: str, backend: Backend) -> None:
    _play(name, backend, in_time=False)


@pytest.mark.parametrize("name", IN_TIME)
def test_the_same_frames_in_their_time(name: str, played: Callable[[str], Future[None]]) -> None:
    played(name).result(timeout=60)


def test_each_conversation_is_in_exactly_one_class() -> None:
    recorded = [file.stem for file in (RECORDINGS / "signalling").glob("*.json")]
    listed = [
        *sequences.AT_ONCE, *sequences.IN_TIME, *sequences.PARTLY, *sequences.BY_A_TEST,
        *sequences.DIFFERENT, *sequences.NOT_EMULATED,
    ]  # fmt: skip
    assert sorted(listed) == sorted(recorded)
