"""The use cases are data that holds together, and mistakes in it are told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from blueprints.errors import ConfigError
from perf.media_figures import MediaFigures
from perf.profiles import Profile, profile, profiles
from perf.study import CLASSROOM_UNITS, Objective
from perf.use_cases import ALL, USE_CASES

STUDENT = {"takes": ["teacher"]}
TEACHER = {"sends": {"audio": True}}


def test_the_blueprints_use_cases_are_there_with_objectives() -> None:
    for name in ALL.split(","):
        found = profile(name)
        figures = {Objective.parse(text, CLASSROOM_UNITS).figure for text in found.slo}
        assert {"join_p95", "first_frame_p95", "loss"} <= figures


def test_a_criterion_judges_what_its_use_case_has() -> None:
    for scenario in USE_CASES.values():
        assert scenario.name in CLASSROOM_UNITS
        for plan in scenario.plans.values():
            assert scenario.use_case is None or scenario.use_case in plan.profile.split(",")


def test_students_are_seated_by_the_size_of_classrooms() -> None:
    seats = [profiles()["gaming"].classroom_of(student) for student in range(5)]
    assert seats == [0, 0, 1, 1, 2]
    assert {profiles()["lecture"].classroom_of(student) for student in range(5)} == {0}


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"teacher": TEACHER}, "has a part 'student'"),
        ({"student": STUDENT, "teachr": TEACHER}, "did you mean teachr"),
        ({"student": STUDENT, "teacher": {}}, "who sends nothing"),
        ({"student": {"sends": {}}}, "audio or video"),
        ({"student": {}, "decoding": {}}, "an observer's name"),
        ({"student": {"pays": 1}}, "Extra inputs"),
        ({"student": {"sends": {"video": {"rate": 500}}}}, "less than or equal to 60"),
    ],
)
def test_a_mistake_is_refused(parts: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Profile.model_validate({"title": "any", "parts": parts})


def test_an_unknown_profile_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean lecture"):
        profile("lectur")


def test_figures_of_several_crowds_add_up() -> None:
    one, two = MediaFigures(students=2, expected=90, lost=9), MediaFigures(students=3, expected=10)
    one.delay.record(1000.0)
    two.delay.record(3000.0)
    both = MediaFigures.of([one, two])
    assert (both.students, both.figure("loss"), both.figure("delay_max")) == (5, 9.0, 3000.0)
    assert both.figure("frame_rate") is None
    assert MediaFigures.from_json(both.to_json()) == both
    with pytest.raises(ValueError, match="no media figures"):
        MediaFigures.from_json({"students": 1})
