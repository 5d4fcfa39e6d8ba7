"""What an application server is told of a lesson: webhooks, and the CDR afterwards."""

import time
from collections import Counter

import pytest

from blueprints.evidence import Evidence
from lab.classroom.lesson import Lesson
from lab.classroom.records import Happening, Record, read_cdr_event
from lab.classroom.token import Role
from lab.classroom.webhook import WebhookReceiver, receiver
from lab.session import Lab
from lab.wait import wait_for

#: How long events may take to come (s); a criterion of its own judges how soon they come.
ARRIVE_S = 5.0

Story = list[tuple[Happening | None, str | None, str | None]]


def story(records: list[Record]) -> Story:
    """What was told of whom, and why it ended."""
    return [(record.event, record.participant_id, record.reason) for record in records]


def over(records: list[Record]) -> bool:
    return bool(records) and records[-1].event is Happening.SESSION_DESTROYED


def hold(lesson: Lesson) -> Story:
    """A teacher publishes to a student, who leaves first; what is to be told of it."""
    teacher, student = lesson.teacher(), lesson.student()
    student.subscribe(teacher.publish_tone(), first_frame=False)
    student.leave()
    teacher.leave()
    a, b = teacher.connection_id, student.connection_id
    return [
        (Happening.SESSION_CREATED, None, None),
        (Happening.PARTICIPANT_JOINED, a, None),
        (Happening.PARTICIPANT_JOINED, b, None),
        (Happening.CONNECTION_CREATED, a, None),
        (Happening.CONNECTION_CREATED, b, None),
        (Happening.CONNECTION_DESTROYED, b, "disconnect"),
        (Happening.PARTICIPANT_LEFT, b, "disconnect"),
        (Happening.CONNECTION_DESTROYED, a, "disconnect"),
        (Happening.PARTICIPANT_LEFT, a, "disconnect"),
        (Happening.SESSION_DESTROYED, None, "lastParticipantLeft"),
    ]


@pytest.mark.criterion("SAAS-60")
def test_webhooks_tell_the_lesson(lab: Lab, evidence: Evidence) -> None:
    with receiver(lab) as webhooks, Lesson(lab) as lesson:
        expected = hold(lesson)
        with evidence.judge("webhooks tell the lesson from its beginning to its end"):
            told = webhooks.wait_for(lesson.session, over, timeout=ARRIVE_S)
            assert story(told) == expected, f"the webhooks tell {story(told)}"


@pytest.mark.criterion("SAAS-61")
def test_the_cdr_keeps_the_lesson(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        expected = hold(lesson)

        def kept() -> list[Record]:
            lines = [line for name in lesson.api.cdr_files() for line in lesson.api.cdr(name)]
            records = [read_cdr_event(line) for line in lines]
            return [record for record in records if record.session_id == lesson.session]

        with evidence.judge("the CDR keeps the lesson from its beginning to its end"):
            wait_for("the CDR tells the lesson's end", lambda: over(kept()), timeout=ARRIVE_S)
            assert story(kept()) == expected, f"the CDR tells {story(kept())}"


@pytest.mark.criterion("SAAS-62")
def test_an_event_is_told_soon(lab: Lab, evidence: Evidence) -> None:
    with receiver(lab) as webhooks, Lesson(lab) as lesson:
        lesson.teacher()
        joined = time.monotonic()
        with evidence.judge("the webhook of a join comes soon"):
            webhooks.wait_for(lesson.session, lambda told: len(told) > 1, timeout=ARRIVE_S)
            came = {one.record.event: one.at for one in webhooks.deliveries(lesson.session)}
            assert Happening.PARTICIPANT_JOINED in came, "no webhook tells the join"
            late_ms = max(0.0, came[Happening.PARTICIPANT_JOINED] - joined) * 1000
            evidence.check(evidence.measure("event_delay", late_ms, "ms", samples=1))


def join_a_failing(webhooks: WebhookReceiver, lesson: Lesson) -> None:
    """A teacher joins; the endpoint has answered the events of it with its error."""
    lesson.teacher()
    wait_for(
        "the join is posted",
        lambda: len(webhooks.deliveries(lesson.session)) > 1,
        timeout=ARRIVE_S,
    )


@pytest.mark.criterion("SAAS-63")
def test_an_event_is_posted_once(lab: Lab, evidence: Evidence) -> None:
    with receiver(lab, answer=500) as webhooks, Lesson(lab) as lesson:
        hold(lesson)
        with evidence.judge("an event whose endpoint answers 500 is not posted again"):
            told = story(webhooks.wait_for(lesson.session, over, timeout=ARRIVE_S))
            assert told, "nothing is posted"
            again = [one for one, times in Counter(told).items() if times > 1]
            assert not again, f"posted again: {len(again)} events"


@pytest.mark.criterion("SAAS-64")
def test_nobody_waits_for_a_failing_endpoint(lab: Lab, evidence: Evidence) -> None:
    with receiver(lab, answer=500) as webhooks, Lesson(lab) as lesson:
        join_a_failing(webhooks, lesson)
        with evidence.judge("a student joins while the endpoint of webhooks fails"):
            join_ms = lesson.student().timing.join_s * 1000
            evidence.check(evidence.measure("join_time", join_ms, "ms", samples=1))


@pytest.mark.criterion("SAAS-65")
def test_events_tell_why_it_ended(lab: Lab, evidence: Evidence) -> None:
    with receiver(lab) as webhooks, Lesson(lab) as lesson:
        teacher, expelled, removed = lesson.teacher(), lesson.student(), lesson.student()
        teacher.force_disconnect(expelled.connection_id)
        lesson.api.disconnect(lesson.session, removed.connection_id)
        lesson.api.close_session(lesson.session)
        with evidence.judge("the events tell who ended what"):
            told = webhooks.wait_for(lesson.session, over, timeout=ARRIVE_S)
            reasons = {(one.participant_id, one.reason) for one in told if one.reason}
            assert reasons == {
                (expelled.connection_id, "forceDisconnectByUser"),
                (removed.connection_id, "forceDisconnectByServer"),
                (teacher.connection_id, "sessionClosedByServer"),
                (None, "sessionClosedByServer"),
            }, f"the events tell {sorted({reason for _, reason in reasons})}"


@pytest.mark.criterion("SAAS-83")
def test_a_session_that_nobody_joined_makes_no_event(lab: Lab, evidence: Evidence) -> None:
    with receiver(lab) as webhooks, Lesson(lab) as never_joined, Lesson(lab) as joined:
        never_joined.token(Role.SUBSCRIBER)
        never_joined.api.close_session(never_joined.session)
        joined.student().leave()
        with evidence.judge("a session that nobody ever joined makes no event"):
            webhooks.wait_for(joined.session, over, timeout=ARRIVE_S)
            told = [one.record.event for one in webhooks.deliveries(never_joined.session)]
            assert told == [], f"the webhooks tell {told}"
