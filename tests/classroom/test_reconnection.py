"""A participant whose socket is lost comes back, or learns that it is too late."""

from __future__ import annotations

from typing import Any

import pytest

from lab.classroom import conversation
from lab.classroom.attendee import Attendee, ClassroomLoop
from lab.classroom.conversation import Reconnected
from lab.classroom.errors import Disconnected, NotReconnected
from lab.classroom.messages import ParticipantLeft, ParticipantUnpublished, Signal
from lab.classroom.rest import ClassroomApi
from lab.classroom.signalling import Failure, format_frame
from lab.classroom.token import Role, Token
from lab.errors import WaitTimeout
from tests.classroom.people import Class
from tests.classroom.replay import TlsFiles
from tests.classroom.scripted import good, scripted

TOKEN = Token.from_url("wss://elsewhere:4443?sessionId=s&token=tok_0123456789&role=PUBLISHER")


def hears(student: Attendee, stream: str, frequency: float) -> None:
    student.hear(stream, 0.2)  # what was on its way
    sound = student.hear(stream, 0.4).sound
    assert sound is not None
    assert sound.frequency_hz == pytest.approx(frequency, abs=5)


def test_a_teacher_comes_back_with_the_same_stream(lesson: Class, api: ClassroomApi) -> None:
    teacher = lesson.join(Role.MODERATOR, reconnects=True)
    student = lesson.join(Role.SUBSCRIBER)
    stream = teacher.publish_tone(440)
    student.subscribe(stream)
    teacher.cut()
    assert teacher.expect(Reconnected, timeout=5).after_s < 5
    hears(student, stream, 440)
    assert len(api.session(lesson.session).connections.content) == 2
    teacher.signal("signal:back")
    assert student.expect(Signal, timeout=5).sender == teacher.connection_id
    for gone in (ParticipantLeft, ParticipantUnpublished):
        with pytest.raises(WaitTimeout):
            student.expect(gone, timeout=0.05)


def test_a_student_comes_back_and_hears_on(lesson: Class) -> None:
    teacher = lesson.join(Role.MODERATOR)
    student = lesson.join(Role.PUBLISHER, reconnects=True)
    stream = teacher.publish_tone(440)
    before = student.subscribe(stream)
    student.cut()
    student.expect(Reconnected, timeout=5)
    heard = student.hear(stream, 0.5)
    assert heard.packets > 15
    assert heard.lost == 0
    assert before.first_frame_s is not None
    hears(student, stream, 440)


def test_who_does_not_come_back_has_left(lesson: Class) -> None:
    teacher, student = lesson.join(Role.MODERATOR), lesson.join(Role.SUBSCRIBER)
    student.cut()
    end = student.ended()
    assert isinstance(end, Disconnected)
    assert end.code is None
    left = teacher.expect(ParticipantLeft, timeout=5)
    assert (left.connection_id, left.reason) == (student.connection_id, "networkDisconnect")


def test_coming_back_too_late_is_told(tls: TlsFiles) -> None:
    def conduct(call: dict[str, Any], socket: Any) -> None:
        if call["method"] == "connect":
            socket.send(format_frame(Failure(call["id"], 40007, "reconnection error")))
        else:
            good(call, socket)

    with scripted(tls, conduct) as server, ClassroomLoop() as loop:
        me = loop.join(server.url, TOKEN, ca=tls.ca, reconnects=True)
        me.cut()
        end = me.ended()
        assert isinstance(end, NotReconnected)
        assert "40007" in str(end)
        with pytest.raises(NotReconnected):
            me.signal("signal:x")
    names = [(call["method"], call["id"], call["params"]) for call in server.calls]
    assert names[-1] == ("connect", 3, {"sessionId": "rpc"})


def test_a_new_socket_begins_its_heartbeat_anew(tls: TlsFiles) -> None:
    with scripted(tls, good) as server, ClassroomLoop() as loop:
        me = loop.join(server.url, TOKEN, ca=tls.ca, reconnects=True)
        me.cut()
        me.expect(Reconnected, timeout=5)
        me.leave()
    made = [(call["method"], call["params"]) for call in server.calls]
    assert made[2:] == [
        ("connect", {"sessionId": "rpc"}),
        ("ping", {"interval": 5000}),
        ("leaveRoom", {}),
    ]


def test_pings_without_an_answer_lose_the_socket(
    tls: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "ANSWER_TIMEOUT_S", 0.3)

    def conduct(call: dict[str, Any], socket: Any) -> None:
        if call["method"] != "ping" or call["id"] > 1:
            good(call, socket)

    with scripted(tls, conduct) as server, ClassroomLoop() as loop:
        me = loop.join(server.url, TOKEN, ca=tls.ca, reconnects=True)
        me.expect(Reconnected, timeout=5)
    assert [call["method"] for call in server.calls].count("connect") == 1


def test_where_nobody_listens_any_more(tls: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "GIVE_UP_S", 0.3)
    with ClassroomLoop() as loop:
        with scripted(tls, good) as server:
            me = loop.join(server.url, TOKEN, ca=tls.ca, reconnects=True)
        end = me.ended(timeout=5)
    assert isinstance(end, Disconnected)


def test_the_evicted_do_not_come_back(lesson: Class) -> None:
    teacher = lesson.join(Role.MODERATOR)
    student = lesson.join(Role.SUBSCRIBER, reconnects=True)
    teacher.force_disconnect(student.connection_id)
    end = student.ended()
    assert isinstance(end, Disconnected)
    assert end.code == 1000
