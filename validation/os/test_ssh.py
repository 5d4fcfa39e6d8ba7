"""The hosts' SSH servers, judged from outside."""

import pytest

from blueprints.evidence import Evidence
from lab.host import keys
from lab.host.connection import LoginAttempt, try_login
from lab.session import Lab


@pytest.fixture(autouse=True)
def every_host_answers(lab: Lab) -> None:
    """A host that is down cannot be judged; raises `HostUnreachable`."""
    for name, entry in lab.inventory.hosts.items():
        try_login(name, entry, user=entry.accounts[0].name)


def attempts(lab: Lab, evidence: Evidence, **credential: object) -> list[tuple[str, LoginAttempt]]:
    """Try to log in to every host, as its first account unless ``user`` is given."""
    tried = []
    for name, entry in lab.inventory.hosts.items():
        user = entry.accounts[0].name
        attempt = try_login(name, entry, **{"user": user, **credential})  # type: ignore[arg-type]
        tried.append((name, attempt))
    evidence.attach("logins.json", {name: vars(attempt) for name, attempt in tried})
    return tried


@pytest.mark.criterion("OS-01")
def test_every_host_presents_its_pinned_key(lab: Lab, evidence: Evidence) -> None:
    with evidence.judge("every host presents its pinned host key"):
        for name, attempt in attempts(lab, evidence):
            pinned = lab.inventory.hosts[name].host_key
            said = f"{name} presents the host key {attempt.fingerprint}"
            assert pinned is not None, f"no key is pinned, and {said}"
            assert keys.same_public(attempt.host_key, pinned), said


@pytest.mark.criterion("OS-03")
def test_a_stranger_s_key_is_refused(lab: Lab, evidence: Evidence) -> None:
    stranger = keys.new()
    with evidence.judge("a stranger's key is refused everywhere"):
        let_in = [name for name, tried in attempts(lab, evidence, key=stranger) if tried.accepted]
        assert not let_in, f"accepted on {', '.join(let_in)}"


@pytest.mark.criterion("OS-04")
def test_a_password_is_refused(lab: Lab, evidence: Evidence) -> None:
    with evidence.judge("a password is refused everywhere"):
        tried = attempts(lab, evidence, password="123456-a-guess")
        let_in = [name for name, attempt in tried if attempt.accepted]
        assert not let_in, f"accepted on {', '.join(let_in)}"
