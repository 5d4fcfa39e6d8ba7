"""Who pings no more is given up."""

import time

import pytest

from blueprints.evidence import Evidence
from lab.classroom.lesson import Lesson
from lab.classroom.messages import ParticipantLeft, Reason
from lab.classroom.probe import SYSTEM
from lab.classroom.signalling import (
    CLOSE_REASON_NO_PING,
    PING_INTERVALS_UNTIL_CLOSE,
    RECONNECTION_GRACE_S,
)
from lab.classroom.signalling_only import SilentParticipant
from lab.classroom.token import Role
from lab.session import Lab

#: What the client's first ping names: the server is silent for three of these, then it closes.
PING_INTERVAL_MS = 400
#: Longer than the limits, so that what comes late is told with its time (s).
PATIENCE_S = 3.0


@pytest.mark.criterion("SAAS-79")
def test_who_pings_no_more_is_given_up(lab: Lab, evidence: Evidence) -> None:
    with Lesson(lab) as lesson:
        teacher = lesson.teacher()
        with SilentParticipant.join(
            lesson.api.url,
            lesson.token(Role.SUBSCRIBER),
            ca=lab.ca(SYSTEM),
            ping_interval_ms=PING_INTERVAL_MS,
        ) as silent:
            since = time.monotonic()
            patience = PING_INTERVALS_UNTIL_CLOSE * PING_INTERVAL_MS / 1000 + PATIENCE_S
            with evidence.judge("a socket that pings no more is closed, and its owner leaves"):
                closed = silent.until_closed(patience)
                after_ms = (time.monotonic() - since) * 1000
                assert (closed.code, closed.reason) == (1000, CLOSE_REASON_NO_PING)
                evidence.check(evidence.measure("closed_after", after_ms, "ms", samples=1))
                reason = teacher.told_of(
                    ParticipantLeft,
                    silent.connection_id,
                    timeout=RECONNECTION_GRACE_S + PATIENCE_S,
                )
                assert reason == Reason.NETWORK_DISCONNECT
