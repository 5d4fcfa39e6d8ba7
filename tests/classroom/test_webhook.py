"""The receiver of webhooks, posted to by a client that we did not write."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from lab.classroom.records import Happening
from lab.classroom.webhook import MAX_BODY_BYTES, WebhookReceiver
from lab.classroom.wire import Malformed
from lab.errors import LabError

JOINED = {"event": "participantJoined", "sessionId": "s", "timestamp": 7, "participantId": "con_a"}


@pytest.fixture
def url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}/hook"


@pytest.fixture
def receiver(url: str) -> Iterator[WebhookReceiver]:
    with WebhookReceiver(url) as receiver:
        yield receiver


def test_events_are_kept_in_their_order_with_their_headers(receiver: WebhookReceiver) -> None:
    for session in ("s", "other", "s"):
        answer = httpx.post(
            receiver.url, json={**JOINED, "sessionId": session}, headers={"X-Made-Up": "yes"}
        )
        assert answer.status_code == 200
    assert [one.record.session_id for one in receiver.deliveries()] == ["s", "other", "s"]
    mine = receiver.deliveries("s")
    assert [one.record.event for one in mine] == [Happening.PARTICIPANT_JOINED] * 2
    assert mine[0].headers["X-Made-Up"] == "yes"
    assert mine[0].at <= mine[1].at


def test_waiting_ends_with_the_event_or_with_its_time(receiver: WebhookReceiver) -> None:
    post = threading.Timer(0.1, httpx.post, [receiver.url], {"json": JOINED})
    post.start()
    came = receiver.wait_for("s", lambda records: len(records) == 1, timeout=10)
    assert [record.participant_id for record in came] == ["con_a"]
    post.join()
    assert receiver.wait_for("s", lambda records: len(records) == 2, timeout=0.05) == came


def test_what_is_no_event_is_refused_and_told(receiver: WebhookReceiver) -> None:
    elsewhere = receiver.url.replace("/hook", "/elsewhere")
    assert httpx.post(elsewhere, json=JOINED).status_code == 404
    assert receiver.deliveries() == []
    assert httpx.post(receiver.url, content="no JSON").status_code == 400
    with pytest.raises(Malformed, match="no JSON"):
        receiver.deliveries()


def test_a_body_that_is_too_long_is_not_read(receiver: WebhookReceiver) -> None:
    parts = urlsplit(receiver.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.putrequest("POST", parts.path)
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert receiver.deliveries() == []


def test_the_next_receiver_waits_for_the_address(url: str) -> None:
    first = WebhookReceiver(url)
    release = threading.Timer(0.2, first.close)
    release.start()
    with WebhookReceiver(url, answer=500) as second:
        assert httpx.post(url, json=JOINED).status_code == 500
        assert len(second.deliveries()) == 1
    release.join()
    assert first.deliveries() == []


@pytest.mark.parametrize("url", ["https://127.0.0.1:7/x", "http://127.0.0.1/x", "ftp://x:7/"])
def test_only_an_address_with_a_port_can_be_listened_at(url: str) -> None:
    with pytest.raises(LabError, match="webhook"):
        WebhookReceiver(url)


def test_an_address_of_another_machine_cannot() -> None:
    with pytest.raises(LabError, match="no address of this machine"):
        WebhookReceiver("http://192.0.2.1:7777/hook")
