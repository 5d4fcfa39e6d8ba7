"""What each role may do, and what everybody is told when a moderator or REST intervenes."""

import pytest

from blueprints.evidence import Evidence
from lab.classroom.errors import SignallingRefused
from lab.classroom.lesson import Lesson
from lab.classroom.messages import (
    ParticipantEvicted,
    ParticipantLeft,
    ParticipantUnpublished,
    Reason,
)
from lab.classroom.signalling import Code
from lab.classroom.token import Role
from lab.session import Lab

DEPARTURES = (ParticipantLeft, ParticipantEvicted)


@pytest.mark.criterion("SAAS-49")
def test_a_subscriber_does_not_publish(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        student = lesson.student()
        with evidence.judge("a subscriber who publishes is refused"):
            with pytest.raises(SignallingRefused) as refused:
                student.publish_tone()
            assert refused.value.code == Code.UNAUTHORIZED


@pytest.mark.criterion("SAAS-70")
def test_only_a_moderator_moderates(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher, publisher = lesson.teacher(), lesson.join("publisher", Role.PUBLISHER)
        stream = teacher.publish_tone()
        with evidence.judge("who is no moderator ends nobody's stream and evicts nobody"):
            with pytest.raises(SignallingRefused) as unpublishing:
                publisher.force_unpublish(stream)
            with pytest.raises(SignallingRefused) as evicting:
                publisher.force_disconnect(teacher.connection_id)
            codes = {unpublishing.value.code, evicting.value.code}
            assert codes == {Code.UNAUTHORIZED}
            [still] = [
                connection
                for connection in lesson.api.session(lesson.session).connections.content
                if connection.connection_id == teacher.connection_id
            ]
            assert [one.stream_id for one in still.publishers] == [stream]


@pytest.mark.criterion("SAAS-71")
def test_a_moderator_evicts(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher, student = lesson.teacher(), lesson.student()
        onlooker = lesson.join("onlooker", Role.SUBSCRIBER)
        teacher.force_disconnect(student.connection_id)
        with evidence.judge("the evicted and everybody else are told, and why"):
            for whom in (teacher, onlooker, student):
                reason = whom.told_of(ParticipantEvicted, student.connection_id)
                assert reason == Reason.FORCE_DISCONNECT_BY_USER
            student.ended()
            for whom in (teacher, onlooker):
                order = [type(one) for one in whom.history() if isinstance(one, DEPARTURES)]
                assert order == [ParticipantLeft, ParticipantEvicted]


@pytest.mark.criterion("SAAS-72")
def test_rest_evicts(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher, student = lesson.teacher(), lesson.student()
        lesson.api.disconnect(lesson.session, student.connection_id)
        with evidence.judge("who is evicted by REST is disconnected, and everybody told why"):
            student.ended()
            for whom in (teacher, student):
                reason = whom.told_of(ParticipantEvicted, student.connection_id)
                assert reason == Reason.FORCE_DISCONNECT_BY_SERVER
            listed = lesson.api.session(lesson.session).connections.content
            assert [one.connection_id for one in listed] == [teacher.connection_id]


@pytest.mark.criterion("SAAS-73")
def test_a_moderator_ends_a_stream(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher, publisher = lesson.teacher(), lesson.join("publisher", Role.PUBLISHER)
        stream = publisher.publish_tone()
        teacher.force_unpublish(stream)
        with evidence.judge("whose stream a moderator ends is told, and so are the others"):
            for whom in (teacher, publisher):
                reason = whom.told_of(ParticipantUnpublished, publisher.connection_id)
                assert reason == Reason.FORCE_UNPUBLISH_BY_USER


@pytest.mark.criterion("SAAS-74")
def test_rest_ends_a_stream(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        student, publisher = lesson.student(), lesson.join("publisher", Role.PUBLISHER)
        lesson.api.unpublish(lesson.session, publisher.publish_tone())
        with evidence.judge("a stream that REST ends is gone, its publisher stays, all are told"):
            for whom in (student, publisher):
                reason = whom.told_of(ParticipantUnpublished, publisher.connection_id)
                assert reason == Reason.FORCE_UNPUBLISH_BY_SERVER
            listed = lesson.api.session(lesson.session).connections.content
            assert {one.connection_id: one.publishers for one in listed} == {
                student.connection_id: (),
                publisher.connection_id: (),
            }
