"""Whom the classroom lets in, before anything else is asked of it."""

import socket
import ssl

import pytest

from blueprints.evidence import Evidence
from lab.classroom.endpoint import handshake
from lab.classroom.errors import ErrorBody, RestRefused
from lab.classroom.probe import SECRET, SYSTEM, api
from lab.classroom.rest import USER, ClassroomApi
from lab.classroom.tls import trust
from lab.session import Lab

#: Every call that manages something, as far as it exists whatever is deployed.
PROTECTED = (
    ("GET", "/api/sessions"),
    ("POST", "/api/sessions"),
    ("GET", "/api/sessions/any"),
    ("DELETE", "/api/sessions/any"),
    ("POST", "/api/tokens"),
    ("POST", "/api/signal"),
    ("GET", "/api/recordings"),
    ("POST", "/api/recordings/start"),
    ("GET", "/config"),
    ("GET", "/config/openvidu-version"),
    ("GET", "/cdr"),
    ("GET", "/recordings/any"),
)
CONNECT_TIMEOUT_S = 5.0


@pytest.mark.criterion("SAAS-40")
def test_credentials_are_asked_for(lab: Lab, evidence: Evidence) -> None:
    stranger = ClassroomApi(lab.url(SYSTEM, "api"), None, ca=lab.ca(SYSTEM))
    with stranger, evidence.judge("who brings no credentials is asked for them everywhere"):
        for method, path in PROTECTED:
            answer = stranger.ask(method, path)
            assert answer.status == 401, f"{method} {path} is answered {answer.status}"
            challenge = answer.headers.get("www-authenticate", "")
            assert challenge.startswith("Basic "), f"{method} {path} asks for {challenge!r}"


@pytest.mark.criterion("SAAS-41")
def test_the_users_name_counts_but_not_its_case(lab: Lab, evidence: Evidence) -> None:
    url, ca, secret = lab.url(SYSTEM, "api"), lab.ca(SYSTEM), lab.secret(SYSTEM, SECRET)
    with (
        ClassroomApi(url, secret, user=USER.lower(), ca=ca) as same,
        ClassroomApi(url, secret, user="SOMEBODY", ca=ca) as other,
        evidence.judge("the secret opens with the deployment's user name only, in any case"),
    ):
        assert same.sessions() is not None
        with pytest.raises(RestRefused) as refused:
            other.sessions()
        assert refused.value.status == 401


@pytest.mark.criterion("SAAS-42")
def test_wrong_credentials_open_no_socket(lab: Lab, evidence: Evidence) -> None:
    url, ca = lab.url(SYSTEM, "api"), lab.ca(SYSTEM)
    with evidence.judge("a signalling socket opens without credentials, not with wrong ones"):
        assert handshake(url, ca=ca) == 101
        assert handshake(url, ca=ca, credentials=(USER, "not-the-secret")) == 401


@pytest.mark.criterion("SAAS-43")
def test_the_certificate_is_vouched_for(lab: Lab, evidence: Evidence) -> None:
    host, port = lab.address(SYSTEM, "api")
    pem = ssl.get_server_certificate((host, port), timeout=CONNECT_TIMEOUT_S)
    evidence.attach("certificate.txt", pem)
    with (
        evidence.judge("the deployment's CA vouches for the classroom's certificate"),
        socket.create_connection((host, port), CONNECT_TIMEOUT_S) as plain,
        trust(lab.ca(SYSTEM)).wrap_socket(plain, server_hostname=host) as verified,
    ):
        assert verified.version() in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.criterion("SAAS-44")
def test_what_a_browser_needs_first_is_open(lab: Lab, evidence: Evidence) -> None:
    stranger = ClassroomApi(lab.url(SYSTEM, "api"), None, ca=lab.ca(SYSTEM))
    with stranger, evidence.judge("the public URL and the page to accept a certificate are open"):
        assert stranger.public_url().startswith(("https://", "wss://"))
        assert stranger.accept_certificate()


@pytest.mark.criterion("SAAS-45")
def test_refusals_say_why(lab: Lab, evidence: Evidence) -> None:
    with api(lab) as classroom, evidence.judge("a refusal says in its body what was wrong"):
        for wrong in ({"customSessionId": "no spaces here"}, {"mediaMode": "TELEPATHY"}):
            answer = classroom.ask("POST", "/api/sessions", wrong)
            refusal = ErrorBody.parse(answer.text)
            assert refusal is not None, f"{answer.status} with the body {answer.text!r}"
            assert (answer.status, refusal.status) == (400, 400)
            assert (refusal.error, refusal.path) == ("Bad Request", "/api/sessions")
            assert refusal.message
