"""Each fault of a host's SSH server does what it says, at the next connection, and goes again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fixtures.labs import running_lab, template
from lab import faults
from lab.errors import HostUnreachable
from lab.host import keys
from lab.host.connection import LoginAttempt, try_login
from lab.inventory import HostEntry, Inventory
from lab.loopback.faults import FAULTS


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IEC4_CACHE", str(tmp_path_factory.mktemp("cache")))
        of = template(faulty=["dc"], sound=["student"])
        with running_lab(of, tmp_path_factory.mktemp("lab")) as inventory:
            yield inventory


def _ours(entry: HostEntry) -> keys.Key:
    return keys.load(entry.accounts[0].key or "")


def _other_key(entry: HostEntry) -> bool:
    presented = try_login("host", entry, user="iec4").host_key
    return not keys.same_public(presented, entry.host_key or "")


def _refuses_account(entry: HostEntry) -> bool:
    return not try_login("host", entry, user="iec4", key=_ours(entry)).accepted


def _accepts_stranger(entry: HostEntry) -> bool:
    return try_login("host", entry, user="operator", key=keys.new()).accepted


def _accepts_password(entry: HostEntry) -> bool:
    return try_login("host", entry, user="iec4", password="anything at all").accepted


def _permits_root(entry: HostEntry) -> bool:
    return try_login("host", entry, user="root", key=_ours(entry)).accepted


def _is_down(entry: HostEntry) -> bool:
    try:
        try_login("host", entry, user="iec4")
    except HostUnreachable:
        return True
    return False


SYMPTOMS: dict[str, Callable[[HostEntry], bool]] = {
    "os.other-host-key": _other_key,
    "os.refuse-account-key": _refuses_account,
    "os.accept-stranger-key": _accepts_stranger,
    "os.accept-password": _accepts_password,
    "os.permit-root": _permits_root,
    "os.host-down": _is_down,
}


def test_every_fault_has_its_symptom_here():
    of_its_commands = {"os.no-virtualization"}  # tests/clients sees what becomes of a guest
    assert {fault.name for fault in FAULTS} == set(SYMPTOMS) | of_its_commands


@pytest.mark.parametrize("name", SYMPTOMS)
def test_a_fault_shows_its_symptom_alone_and_goes_again(inventory: Inventory, name: str):
    faulty, sound = inventory.hosts["faulty"], inventory.hosts["sound"]
    assert not any(symptom(faulty) for symptom in SYMPTOMS.values())

    flag = _flag(inventory, name)
    flag.parent.mkdir(parents=True, exist_ok=True)
    flag.touch()
    try:
        assert SYMPTOMS[name](faulty)
        if name != "os.host-down":
            others = [other for other in SYMPTOMS if other != name]
            assert [other for other in others if SYMPTOMS[other](faulty)] == []
        assert not any(symptom(sound) for symptom in SYMPTOMS.values())
    finally:
        flag.unlink()

    assert not any(symptom(faulty) for symptom in SYMPTOMS.values())


def _flag(inventory: Inventory, name: str):
    fault = next(fault for fault in FAULTS if fault.name == name)
    assert inventory.state is not None
    host = inventory.with_role(fault.roles[0])[0]
    return inventory.state / "hosts" / host / "home" / faults.DIRECTORY / name


def test_a_fault_does_not_open_other_accounts(inventory: Inventory):
    faulty = inventory.hosts["faulty"]
    for name, attempt in (
        ("os.accept-stranger-key", {"key": keys.new()}),
        ("os.accept-password", {"password": "anything at all"}),
        ("os.permit-root", {"key": keys.new()}),
    ):
        flag = _flag(inventory, name)
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
        try:
            refused: LoginAttempt = try_login("host", faulty, user="root", **attempt)
        finally:
            flag.unlink()
        assert not refused.accepted, name
