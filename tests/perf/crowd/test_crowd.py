"""A crowd in its process: header-only, decrypting and decoding students of a real backend."""

from __future__ import annotations

import shutil
import signal

import psutil
import pytest

from lab.wait import wait_for
from perf.crowd.messenger import CrowdFailed
from perf.crowd.observers import Share, doubts
from perf.media_figures import MediaFigures
from tests.classroom_backend.running import Backend
from tests.perf.crowd.conftest import Crowd


def watched(crowd: Crowd, seconds: float = 1.5) -> tuple[MediaFigures, list[str]]:
    found = crowd.ask("watch", window_s=seconds)
    assert found["window_s"] == pytest.approx(seconds, abs=1.0)
    return MediaFigures.from_json(found["use_cases"][crowd.use_case]), found["doubts"]


def test_all_kinds_of_students_have_the_lecture(crowd: Crowd) -> None:
    crowd.enter("teacher", "teacher")
    for who in ("decoding", "decrypting"):
        crowd.enter(who, who)
    for number in range(3):
        crowd.enter(f"student {number}", "student")
    watched(crowd, 0.5)  # until everybody has had a keyframe
    media, spoilt = watched(crowd)
    assert spoilt == []
    assert (media.students, media.tracks, media.silent, media.lost) == (3, 6, 0, 0)
    assert media.expected > 3 * 60  # some 50 sounds and 22 pictures' packets a second
    assert media.delay.count == media.expected
    assert 0 < media.delay.percentile(50) < 500_000
    assert media.first_frame.count == 3
    assert media.figure("frame_rate") == 100
    left = crowd.ask("leave", who="student 0")
    assert 0 < left["leave_s"] < 5
    assert len(crowd.api.session(crowd.session).connections.content) == 5


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium")
def test_a_browser_has_what_the_others_have(crowd: Crowd) -> None:
    crowd.enter("teacher", "teacher")
    crowd.enter("browser", "browser")
    crowd.enter("student", "student")
    watched(crowd, 2.0)  # until Chromium plays
    media, spoilt = watched(crowd, 2.0)
    assert (media.students, media.lost) == (1, 0)
    assert spoilt == []
    crowd.ask("leave", who="browser")


@pytest.mark.parametrize("crowd", ["gaming"], indirect=True)
def test_players_take_each_others_streams_whoever_comes_first(crowd: Crowd) -> None:
    crowd.enter("one", "student")
    crowd.enter("other", "student")
    media, _ = watched(crowd)
    assert (media.students, media.tracks, media.lost) == (2, 4, 0)


def test_a_long_window_is_counted_in_parts(crowd: Crowd) -> None:
    crowd.enter("teacher", "teacher")
    crowd.enter("student", "student")
    whole = crowd.ask("watch", window_s=3.0, part_s=1.0)
    media = MediaFigures.from_json(whole["use_cases"]["lecture"])
    assert (media.tracks, media.lost, media.freezes, media.first_frame.count) == (2, 0, 0, 1)
    assert 3 * 60 < media.expected < 6 * 90  # once each, not once for each part
    assert media.pictures > 30


def test_a_late_student_makes_the_teacher_send_a_keyframe(crowd: Crowd) -> None:
    crowd.enter("teacher", "teacher")
    watched(crowd, 1.0)  # the first keyframe is long gone, and comes again only when asked for
    crowd.enter("student", "student")
    media, _ = watched(crowd, 1.0)
    assert media.first_frame.max < 1_000_000


@pytest.mark.parametrize(
    ("fault", "figure", "worse"),
    [
        ("classroom.media-lossy", "loss", lambda value: 4 < value < 10),
        ("classroom.media-uneven", "jitter_p95", lambda value: value > 40_000),
        ("classroom.media-late", "delay_p50", lambda value: value > 190_000),
        ("classroom.media-frozen", "freezes", lambda value: value >= 1),
        ("classroom.media-thinned", "frame_rate", lambda value: value < 80),
        ("classroom.keyframes-withheld", "first_frame_p95", lambda value: value > 2_500_000),
    ],
)
def test_what_the_server_does_wrong_shows(
    classroom: Backend, crowd: Crowd, fault: str, figure: str, worse: object
) -> None:
    assert callable(worse)
    crowd.enter("teacher", "teacher")
    with classroom.fault(fault):
        crowd.enter("student", "student")
        media, _ = watched(crowd, 2.6)
    value = media.figure(figure)
    assert worse(value), value


def test_a_refusal_is_told_without_the_token(crowd: Crowd) -> None:
    token = crowd.api.create_token(crowd.session).url.replace("tok_", "tok_x")
    with pytest.raises(CrowdFailed, match="joinRoom was refused") as refused:
        crowd.join("nobody", "student", token=token)
    assert "tok_x" not in str(refused.value)


def test_a_crowd_that_ends_is_no_classroom_that_hangs(crowd: Crowd) -> None:
    psutil.Process(crowd.messenger.pid).send_signal(signal.SIGKILL)
    with pytest.raises(CrowdFailed, match="the crowd's process has ended"):
        crowd.join("late", "student")


def test_a_defect_of_the_crowd_ends_it(crowd: Crowd) -> None:
    with pytest.raises(CrowdFailed, match="the crowd's process has ended"):
        crowd.ask("engage", who="somebody who never came")


def test_the_classroom_is_as_it_was_after_a_crowd(classroom: Backend, crowd: Crowd) -> None:
    process = psutil.Process(classroom.process.pid)
    crowd.enter("teacher", "teacher")
    crowd.enter("first", "student")
    crowd.ask("leave", who="first")

    def kept() -> tuple[int, int]:
        return process.num_fds(), process.num_threads()

    before = kept()
    for number in range(10):
        crowd.enter(f"{number}", "student")
    assert kept()[0] >= before[0] + 15
    for number in range(10):
        crowd.ask("leave", who=f"{number}")
    wait_for("sockets to be back", lambda: kept() <= before, timeout=10)


@pytest.mark.parametrize(
    ("cheap", "deep", "doubted"),
    [
        (100.0, 100.0, False),
        (100.0, 94.0, True),  # the header-only students say that all is well
        (90.0, 60.0, False),  # where packets are missing, a decoder misses more
        (90.0, 100.0, True),  # the header-only students have lost what was there
    ],
)
def test_observers_doubt_what_they_had_otherwise(cheap: float, deep: float, doubted: bool) -> None:
    seen = {
        "header": [Share("video", cheap), Share("audio", 100.0)],
        "decoding": [Share("video", deep)],
        "decrypting": [],
    }
    found = [*doubts(seen)]
    assert bool(found) == doubted
    assert all("decoding observer had" in text for text in found)
