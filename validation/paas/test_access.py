"""Who may manage the platform.

A connection within one machine comes from 127.0.0.1, which TarsWeb lets in without a token; so
does an SSH tunnel. These criteria therefore call from an address of their own.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from blueprints.evidence import Evidence
from lab.errors import SystemDown
from lab.session import Lab
from lab.tars.probe import SYSTEM, WEB, tars_web
from lab.tars.web import Origin, TarsWeb, WebRefused

#: The peers that TarsWeb never asks for a token.
WHITE_LIST = ("127.0.0.1", "localhost", "::1")


@pytest.fixture
def elsewhere(lab: Lab) -> str | None:
    """An address of ours that TarsWeb has no reason to trust; None: what we have is one.

    Raises `SystemDown` where every call of ours comes from the white list.
    """
    host, _ = lab.address(SYSTEM, WEB)
    if host in WHITE_LIST:
        raise SystemDown(
            "calls from here say nothing about TarsWeb's access",
            found=f"it is reached at {host}, from where it lets everybody in",
            expected="an endpoint that is no loopback address or tunnel",
            advice="give systems.tars.endpoints.web the master's own address",
        )
    return host if host.startswith("127.") else None


@pytest.fixture
def expired(lab: Lab) -> Iterator[str]:
    """A token that was good until yesterday."""
    yesterday = (datetime.now() - timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S")
    with tars_web(lab) as web:
        token = web.users.add_token("admin", yesterday)
        yield token.token
        web.users.delete_token(token)


def _refused(lab: Lab, origin: Origin, *, ticket: str | None = None) -> str:
    """What TarsWeb says to a call from there; an AssertionError when it lets us in."""
    with (
        TarsWeb(lab.url(SYSTEM, WEB), ticket=ticket, ca=lab.ca(SYSTEM), origin=origin) as web,
        pytest.raises(WebRefused) as refused,
    ):
        web.applications()
    return str(refused.value)


@pytest.mark.criterion("PAAS-58")
def test_a_token_is_required(lab: Lab, elsewhere: str | None, evidence: Evidence) -> None:
    with evidence.judge("who has no token is refused"):
        evidence.attach("refusal.txt", _refused(lab, Origin(address=elsewhere)))


@pytest.mark.criterion("PAAS-59")
def test_a_header_opens_nothing(lab: Lab, elsewhere: str | None, evidence: Evidence) -> None:
    origin = Origin(address=elsewhere, forwarded_for="127.0.0.1")
    with evidence.judge("who claims by a header to come from 127.0.0.1 is refused"):
        evidence.attach("refusal.txt", _refused(lab, origin))


@pytest.mark.criterion("PAAS-60")
def test_an_expired_token_is_refused(
    lab: Lab, elsewhere: str | None, expired: str, evidence: Evidence
) -> None:
    with evidence.judge("an expired token is refused"):
        evidence.attach("refusal.txt", _refused(lab, Origin(address=elsewhere), ticket=expired))
