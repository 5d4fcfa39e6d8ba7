"""How the client speaks, and what it makes of every kind of answer."""

from __future__ import annotations

import base64
import time

import pytest

from blueprints.errors import ConfigError
from lab.jenkins import client as client_module
from lab.jenkins.access import Access, access, job_path
from lab.jenkins.errors import (
    AnswerLost,
    CredentialsRefused,
    JenkinsDown,
    JenkinsError,
    NotFound,
    PermissionMissing,
    RequestRefused,
)
from lab.loopback import ca
from tests.jenkins.conftest import TOKEN
from tests.jenkins.replay import Answer, Cut, Replay, answer, as_json, exchange, sequence

NO_CRUMBS = Answer(404)
ROOT = as_json({"mode": "NORMAL"})


@pytest.mark.parametrize(
    ("recorded", "method", "error", "says"),
    [
        ("root-api-wrong-token", "GET", CredentialsRefused, "401 Unauthorized"),
        ("anonymous-job", "GET", CredentialsRefused, "403"),
        ("anonymous-build", "POST", CredentialsRefused, "No valid crumb"),
        ("reader-build", "POST", PermissionMissing, "reader lacks hudson.model.Item.Build"),
        ("job-api-unknown", "GET", NotFound, "check the name"),
        ("bwp-disabled", "POST", RequestRefused, "409 rec-off is not buildable"),
        ("bwp-unparameterized", "POST", RequestRefused, "400 rec-"),
        ("bwp-bad-choice", "POST", RequestRefused, "500"),
        ("createitem-exists", "POST", RequestRefused, "A job already exists with the name"),
        ("createitem-no-content-type", "POST", RequestRefused, "No Content-Type header set"),
        ("createitem-broken-xml", "POST", RequestRefused, "500"),
    ],
)
def test_refusals_are_told_apart(replay, connect, recorded, method, error, says):
    replay.on(method, "/asked", exchange(recorded))
    replay.on("GET", "/crumbIssuer/api/json", NO_CRUMBS)
    with pytest.raises(error, match=says) as raised:
        connect(replay.url).request(method, "asked")
    assert len(replay.requests(method, "/asked")) == 1 + ("crumb" in says)
    assert TOKEN not in str(raised.value)


def test_the_token_goes_ahead_of_any_question(replay, connect):
    """Jenkins never asks for it: anonymous gets 403 without WWW-Authenticate."""
    replay.on("GET", "/api/json", ROOT)
    connect(replay.url).json("", tree="mode")
    (seen,) = replay.seen
    expected = base64.b64encode(f"admin:{TOKEN}".encode()).decode()
    assert seen.headers["Authorization"] == f"Basic {expected}"
    assert seen.query == {"tree": "mode"}


def test_an_anonymous_caller_is_told_to_log_in(replay, connect):
    replay.on("GET", "/job/a/api/json", exchange("anonymous-job"))
    with pytest.raises(CredentialsRefused, match="anonymous caller; log in: --user"):
        connect(replay.url, user=None).json("job/a/")


def with_cookie(crumb, session):
    return Answer(
        200,
        (("Content-Type", "application/json"), ("Set-Cookie", f"JSESSIONID={session}; Path=/")),
        crumb.body,
    )


def test_a_crumb_travels_with_its_session_and_is_kept(replay, connect):
    replay.on("GET", "/crumbIssuer/api/json", with_cookie(exchange("crumb-password"), "one"))
    replay.on("POST", "/job/a/disable", Answer(302, (("Location", "/job/a/"),)))
    client = connect(replay.url)
    for _ in range(2):
        assert client.post("job/a/disable").status_code == 302
    assert len(replay.requests("GET", "/crumbIssuer/api/json")) == 1
    for seen in replay.requests("POST", "/job/a/disable"):
        assert len(seen.headers["Jenkins-Crumb"]) == 64
        assert seen.headers["Cookie"] == "JSESSIONID=one"


def test_a_crumb_that_is_too_old_is_fetched_anew_once(replay, connect):
    fresh = exchange("crumb-token")
    replay.on("GET", "/crumbIssuer/api/json", with_cookie(exchange("crumb-password"), "one"), fresh)
    replay.on("POST", "/job/a/disable", exchange("post-password-no-crumb"), Answer(302))
    assert connect(replay.url).post("job/a/disable").status_code == 302
    first, second = replay.requests("POST", "/job/a/disable")
    assert first.headers["Jenkins-Crumb"] != second.headers["Jenkins-Crumb"]


def test_a_starting_jenkins_is_waited_for_and_asked_once(replay, connect):
    """Recorded: 503, and in their midst 401 and 403 for a token that is good."""
    recorded = [e for e in sequence("startup-503") if e["response"]]
    gets = [answer(e["response"]) for e in recorded if e["request"]["path"] == "/api/json"]
    posts = [answer(e["response"]) for e in recorded if e["request"]["method"] == "POST"]
    assert [a.status for a in gets] == [503, 401, 503, 200]
    assert [a.status for a in posts] == [503, 403, 503, 400]
    replay.on("GET", "/api/json", *gets)
    replay.on("GET", "/crumbIssuer/api/json", NO_CRUMBS)
    replay.on("POST", "/createItem", *posts[:3], Answer(200))
    told = []
    client = connect(replay.url, notice=told.append)
    assert client.post("createItem", name="x").status_code == 200
    assert client.json("") == {"_class": "hudson.model.Hudson", "mode": "NORMAL"}
    assert [sentence.split(" (")[0] for sentence in told] == [
        "Jenkins is away",
        "Jenkins is back",
    ] * 2


@pytest.mark.parametrize(
    "passing", [exchange("root-api-wrong-token"), Answer(500)], ids=["401", "500"]
)
def test_what_was_good_may_be_refused_in_a_restart(replay, connect, passing):
    replay.on("GET", "/api/json", ROOT, passing, ROOT)
    client = connect(replay.url)
    client.json("")
    client.json("")
    assert len(replay.seen) == 3


def test_a_wrong_token_is_told_at_once(replay, connect):
    replay.on("GET", "/api/json", exchange("root-api-wrong-token"))
    begun = time.monotonic()
    with pytest.raises(CredentialsRefused):
        connect(replay.url).json("")
    assert time.monotonic() - begun < 2
    assert len(replay.seen) == 1


def test_refused_credentials_are_not_waited_for_for_ever(replay, connect, monkeypatch):
    monkeypatch.setattr(client_module, "SHAKY_S", 0.3)
    replay.on("GET", "/api/json", ROOT, exchange("root-api-wrong-token"))
    client = connect(replay.url)
    client.json("")
    with pytest.raises(CredentialsRefused):
        client.json("")


def test_a_restart_is_lived_through(replay, connect):
    replay.on("GET", "/api/json", ROOT)
    told = []

    def notice(sentence):
        told.append(sentence)
        if "away" in sentence:
            replay.up()

    client = connect(replay.url, notice=notice)
    client.json("")
    replay.down()
    assert client.json("") == {"mode": "NORMAL"}
    assert told[0].startswith("Jenkins is away (")
    assert told[1:] == ["Jenkins is back"]


def test_an_answer_that_is_cut_off_is_asked_for_again(replay, connect):
    half = Answer(200, ROOT.headers, ROOT.body, cut=4)
    replay.on("GET", "/api/json", Cut(), half, ROOT)
    assert connect(replay.url).json("") == {"mode": "NORMAL"}


@pytest.mark.parametrize("answered", [Cut(), Answer(502), Answer(504)], ids=["cut", "502", "504"])
def test_a_change_whose_answer_is_lost_is_not_repeated(replay, connect, answered):
    replay.on("GET", "/crumbIssuer/api/json", NO_CRUMBS)
    replay.on("POST", "/job/a/build", answered)
    with pytest.raises(AnswerLost):
        connect(replay.url).post("job/a/build")
    assert len(replay.requests("POST", "/job/a/build")) == 1


def test_a_change_that_was_never_sent_is_repeated(replay, connect):
    replay.on("GET", "/crumbIssuer/api/json", NO_CRUMBS)
    replay.on("POST", "/job/a/build", Answer(201))
    replay.down()
    assert connect(replay.url, notice=lambda _: replay.up()).post("job/a/build").status_code == 201


def test_who_never_answers_is_given_up_sooner(replay, connect, monkeypatch):
    monkeypatch.setattr(client_module, "FIRST_PATIENCE_S", 0.3)
    replay.down()
    begun = time.monotonic()
    with pytest.raises(JenkinsDown, match=r"within 0.3 s; found: .*refused"):
        connect(replay.url).json("")
    assert time.monotonic() - begun < 5


def test_patience_ends(replay, connect):
    starting = next(e for e in sequence("startup-503") if e["response"])
    replay.on("GET", "/api/json", answer(starting["response"]))
    with pytest.raises(JenkinsDown, match=r"within 0.5 s; found: 503 Starting Jenkins"):
        connect(replay.url, patience=0.5).json("")


def test_below_a_context_path_and_in_folders(connect):
    with Replay(context="/ci/jenkins") as replay:
        replay.on("GET", "/job/a%20b/job/c/api/json", ROOT)
        for base in (replay.url, replay.url + "/"):
            connect(base).json(job_path("a b/c"))
        assert replay.unexpected == []


def test_another_server_than_jenkins_is_recognized(replay, connect):
    replay.on("GET", "/api/json", Answer(200, (("Content-Type", "text/html"),), b"<html>"))
    with pytest.raises(JenkinsError, match="text/html"):
        connect(replay.url).json("")
    replay.on("GET", "/api/json", Answer(301, (("Location", "https://ci.example/api/json"),)))
    with pytest.raises(RequestRefused, match=r"https://ci\.example; give the URL"):
        connect(replay.url).json("")
    replay.on("GET", "/api/json", Answer(302, (("Location", "/login?from=%2F"),)))
    with pytest.raises(CredentialsRefused, match="log-in"):
        connect(replay.url).json("")


def test_certificates_are_verified(tmp_path, connect):
    ca.make(tmp_path)
    certificate, key = ca.issue(tmp_path, "127.0.0.1")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    with Replay(certificate=tmp_path / "server.pem") as replay:
        replay.on("GET", "/api/json", ROOT)
        assert connect(replay.url, ca=tmp_path / ca.CERTIFICATE).json("") == {"mode": "NORMAL"}
        with pytest.raises(JenkinsDown, match="--ca FILE"):
            connect(replay.url).json("")


def test_nothing_switches_the_verification_off(tmp_path, connect, monkeypatch):
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")  # python-jenkins heeds it
    ca.make(tmp_path)
    certificate, key = ca.issue(tmp_path, "127.0.0.1")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    with Replay(certificate=tmp_path / "server.pem") as replay:
        replay.on("GET", "/api/json", ROOT)
        for ask in (connect(replay.url).jobs.get_info, connect(replay.url).jobs.get_version):
            with pytest.raises(JenkinsDown, match="cannot be trusted"):
                ask()


def test_python_jenkins_speaks_through_the_client(replay, connect):
    replay.on("GET", "/job/a/job/b/api/json", Answer(503), as_json({"name": "b"}))
    assert connect(replay.url).jobs.job_exists("a/b")
    replay.on("GET", "/job/none/api/json", exchange("job-api-unknown"))
    assert not connect(replay.url).jobs.job_exists("none")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((None,), "JENKINS_URL"),
        (("ci.example",), "needs a URL"),
        (("ftp://ci.example",), "needs a URL"),
        (("http://me:pw@ci.example/",), "no credentials in Jenkins' URL"),
        (("http://ci.example/?a=b",), "ends with its path"),
        (("http://ci.example", "me"), "give --token"),
        (("http://ci.example", None, "env:X"), "give --user"),
    ],
)
def test_what_is_no_access(arguments, says, monkeypatch):
    monkeypatch.delenv("JENKINS_TOKEN", raising=False)
    with pytest.raises(ConfigError, match=says) as raised:
        access(*arguments)
    assert "me:pw" not in str(raised.value)


def test_the_token_s_usual_place(monkeypatch):
    monkeypatch.setenv("JENKINS_TOKEN", TOKEN)
    assert access("http://ci.example", "me").token == "env:JENKINS_TOKEN"
    assert access("http://ci.example", "me", "file:x").token == "file:x"
    assert access("http://ci.example").token is None
    assert Access("http://ci.example/x/").base == "http://ci.example/x/"


@pytest.mark.parametrize("name", ["", "a//b", "../a", "a/."])
def test_what_is_no_job_s_name(name):
    with pytest.raises(ConfigError, match="no job's name"):
        job_path(name)
