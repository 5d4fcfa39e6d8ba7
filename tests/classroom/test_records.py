"""What happened in sessions: recorded webhooks and CDR lines, round trips, and garbage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.classroom.records import (
    Happening,
    Record,
    cdr_line,
    read_cdr_line,
    read_webhook,
    webhook_body,
)
from lab.classroom.wire import Malformed
from tests.classroom.recordings import RECORDINGS

#: What an IP camera's events have besides, nulls apart; nobody here reads it.
_CAMERAS = {"rtspUri", "adaptativeBitrate", "onlyPlayWithSubscribers"}


def _recorded() -> Iterator[dict[str, Any]]:
    for file in sorted((RECORDINGS / "webhook").glob("*.json")):
        yield json.loads(file.read_text())


def test_every_recorded_webhook_comes_back_equal() -> None:
    bodies = [
        frame["frame"]["body"]
        for recording in _recorded()
        for frame in recording["frames"]
        if frame["peer"] == "webhook"
    ]
    assert len(bodies) == 62
    for body in bodies:
        known = {
            key: value for key, value in body.items() if key not in _CAMERAS and value is not None
        }
        assert webhook_body(read_webhook(json.dumps(body))) == known


def test_every_recorded_line_of_the_cdr_comes_back_equal() -> None:
    lines = [line for recording in _recorded() for line in recording["cdr_lines"]]
    assert len(lines) == 66
    for line in lines:
        ((name, content),) = json.loads(line).items()
        known = {
            key: value
            for key, value in content.items()
            if key not in _CAMERAS and value is not None
        }
        assert json.loads(cdr_line(read_cdr_line(line))) == {name: known}


_TEXT = st.none() | st.text(max_size=20)
_RECORDS = st.builds(
    Record,
    session_id=st.text(max_size=20),
    timestamp=st.integers(),
    start_time=st.none() | st.integers(),
    reason=_TEXT,
    participant_id=_TEXT,
    client_data=_TEXT,
    audio_enabled=st.none() | st.booleans(),
    event=st.sampled_from(Happening),
)


@given(_RECORDS)
def test_a_record_survives_both_ways(record: Record) -> None:
    assert read_webhook(json.dumps(webhook_body(record))) == record
    assert read_cdr_line(cdr_line(record)) == record


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_garbage_is_malformed_and_nothing_worse(garbage: bytes) -> None:
    with suppress(Malformed):
        read_webhook(garbage)
    with suppress(Malformed):
        read_cdr_line(garbage.decode("latin-1"))


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"a": {}, "b": {}}', '{"sessionCreated": 7}', '{"unheardOf": {}}', "[" * 100_000],
)
def test_a_line_that_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read_cdr_line(text)
