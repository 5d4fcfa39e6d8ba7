"""Webhooks and CDR lines recorded from openvidu-server 2.13.0: the backend tells the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.classroom.signalling import RECONNECTION_GRACE_S
from tests.classroom.recordings import RECORDINGS
from tests.classroom_backend import sequences
from tests.classroom_backend.listening import Endpoint, cdr_lines, telling_backend
from tests.classroom_backend.running import Backend
from tests.classroom_backend.stage import SPEED, Stage

#: recording → the session in it
PLAYED = sequences.WEBHOOKS


@pytest.fixture
def telling(tmp_path: Path) -> Iterator[tuple[Backend, str]]:
    """A backend for each: one that has lost events before tells of the next ones more seldom."""
    grace = f"{1.02 * RECONNECTION_GRACE_S / SPEED}"
    with telling_backend(tmp_path, "--reconnection-s", grace) as found:
        yield found


@pytest.mark.parametrize("name", PLAYED)
def test_the_same_events_as_openvidu(name: str, telling: tuple[Backend, str]) -> None:
    backend, url = telling
    recorded: dict[str, Any] = json.loads((RECORDINGS / "webhook" / f"{name}.json").read_text())
    session = PLAYED[name]
    answer = 500 if name == "webhook-endpoint-says-500" else 200
    in_time = name == "webhook-reasons"
    with (
        Endpoint(backend, url, answer=answer) as endpoint,
        Stage(backend, in_time=in_time, endpoint=endpoint, on_note=endpoint.note) as stage,
    ):
        stage.play(recorded["frames"])
        endpoint.nothing_more()
        stage.same_lines(recorded["cdr_lines"], cdr_lines(backend, session))


def test_each_recording_is_in_exactly_one_class() -> None:
    recorded = [file.stem for file in (RECORDINGS / "webhook").glob("*.json")]
    assert sorted([*PLAYED, *sequences.WEBHOOKS_NOT_EMULATED]) == sorted(recorded)
