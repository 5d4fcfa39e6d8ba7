"""Who may call TarsWeb: by where a call comes from, by token, by log-in."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import httpx
import pytest

from lab.secrets import MASK, redactor
from lab.tars.web import PAGES, Origin, TarsWeb, WebRefused
from tests.tars_master.platforms import Platform

REFUSED = "You have not been login"


def client(
    lone_master: Platform, *, ticket: str | None = None, forwarded_for: str | None = None
) -> TarsWeb:
    """A client from an address that is on no white list."""
    origin = Origin(address=f"{lone_master.network}.9", forwarded_for=forwarded_for)
    return TarsWeb(lone_master.web.url, ticket=ticket, origin=origin, timeout=10)


def test_another_address_of_the_loopback_needs_a_token(lone_master: Platform) -> None:
    with client(lone_master) as stranger, pytest.raises(WebRefused, match=REFUSED):
        stranger.nodes()
    assert lone_master.web.nodes() == []


@pytest.mark.parametrize("prefix", ["/api", PAGES])
def test_a_token_lets_in_under_either_prefix(lone_master: Platform, prefix: str) -> None:
    token = lone_master.web.users.add_token("ci", "2099-01-01 00:00:00")
    origin = Origin(address=f"{lone_master.network}.9")
    with TarsWeb(lone_master.web.url, ticket=token.token, prefix=prefix, origin=origin) as known:
        assert known.nodes() == []
    with (
        client(lone_master, ticket="made-up-token") as wrong,
        pytest.raises(WebRefused, match=REFUSED),
    ):
        wrong.nodes()


def test_a_ticket_may_come_as_a_cookie(lone_master: Platform) -> None:
    token = lone_master.web.users.add_token("ci", "2099-01-01 00:00:00").token
    url = f"{lone_master.web.url}/api/node_list"
    for cookies, data in (({}, {}), ({"ticket": token}, [])):
        transport = httpx.HTTPTransport(local_address=f"{lone_master.network}.9")
        with httpx.Client(transport=transport, cookies=cookies) as browser:
            assert browser.get(url).json()["data"] == data


def test_a_token_from_a_file_lets_in_again_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("made-up-token-of-a-file\n")
    place = tmp_path / "platform"
    place.mkdir()
    with closing(Platform(place)) as master:
        for _ in range(2):
            master.start_master("--token-file", str(file))
            with client(master, ticket="made-up-token-of-a-file") as known:
                assert known.nodes() == []
            master.kill("master")
        assert file.read_text().strip().encode() not in b"".join(
            path.read_bytes() for path in place.rglob("*") if path.is_file()
        )


def test_a_log_in_gives_a_ticket(lone_master: Platform) -> None:
    users = lone_master.web.users
    assert users.login_enabled()
    users.set_admin_password("made-up-password")
    with pytest.raises(WebRefused, match="Can not set admin user password"):
        users.set_admin_password("made-up-password-2")
    with client(lone_master) as stranger:
        with pytest.raises(WebRefused, match="Incorrect password"):
            stranger.users.log_in("admin", "made-up-wrong")
        ticket = stranger.users.log_in("admin", "made-up-password")
    with client(lone_master, ticket=ticket) as known:
        assert known.nodes() == []


def test_what_the_real_one_gets_wrong(lone_master: Platform) -> None:
    """A claimed address is believed; tokens are accepted when expired, and when switched off.

    Here these are faults: without them, neither lets anybody in.
    """
    with client(lone_master, forwarded_for="127.0.0.1") as liar:
        with pytest.raises(WebRefused, match=REFUSED):
            liar.nodes()
        with lone_master.fault("tars.forwarded-trusted"):
            assert liar.nodes() == []
    with (
        lone_master.fault("tars.forwarded-trusted"),
        client(lone_master, forwarded_for="192.0.2.7") as honest,
        pytest.raises(WebRefused),
    ):
        honest.nodes()
    expired = lone_master.web.users.add_token("old", "2020-01-01 00:00:00")
    switched_off = lone_master.web.users.add_token("off", "2099-01-01 00:00:00")
    lone_master.web.users.switch_token(switched_off, valid=False)
    for token in (expired, switched_off):
        with client(lone_master, ticket=token.token) as known:
            with pytest.raises(WebRefused, match=REFUSED):
                known.nodes()
            with lone_master.fault("tars.expired-accepted"):
                assert known.nodes() == []


def test_a_deleted_token_lets_nobody_in(lone_master: Platform) -> None:
    token = lone_master.web.users.add_token("gone", "2099-01-01 00:00:00")
    lone_master.web.users.delete_token(token)
    with client(lone_master, ticket=token.token) as known, pytest.raises(WebRefused, match=REFUSED):
        known.nodes()


def test_tokens_are_not_shown(lone_master: Platform) -> None:
    token = lone_master.web.users.add_token("shy", "2099-01-01 00:00:00")
    assert token.token not in repr(token)
    assert redactor.text(f"it is {token.token}") == f"it is {MASK}"
    database = lone_master.master_home / ".iec4" / "tars-master"
    for file in Path(database).glob("tars.db*"):
        assert token.token.encode() not in file.read_bytes()
