"""What tells a Jenkins that is down from one that an inventory describes wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueprints.errors import ConfigError
from lab.errors import LabError, SystemDown
from lab.inventory import Inventory, SystemEntry
from lab.jenkins.probe import access, check_configuration, probe
from lab.session import Lab
from tests.jenkins_double.running import TOKEN, Master, running_master


def lab_of(url: str, **references: str) -> Lab:
    entry = SystemEntry(adopted=True, endpoints={"web": url}, secrets=references)
    return Lab(
        Inventory(name="x", kind="real", profile="lab", hosts={}, systems={"jenkins": entry})
    )


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "token").write_text(TOKEN)
    return f"file:{tmp_path / 'token'}"


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    (tmp_path / "wrong").write_text("another-token")
    return f"file:{tmp_path / 'wrong'}"


def test_it_tells_its_version(shared_master: Master, secret: str) -> None:
    lab = lab_of(shared_master.url, admin=secret)
    check_configuration(lab)
    assert probe(lab) == "2.528.2"


def test_a_wrong_token_is_the_inventory_s_fault(shared_master: Master, wrong: str) -> None:
    lab = lab_of(shared_master.url, admin=wrong)
    with pytest.raises(LabError, match=r"check systems\.jenkins\.secrets\.admin") as raised:
        check_configuration(lab)
    assert "another-token" not in str(raised.value)
    with pytest.raises(SystemDown, match="does not let admin in"):
        probe(lab)


def test_one_that_is_down_is_described_rightly(secret: str) -> None:
    lab = lab_of("http://127.0.0.1:1", admin=secret)
    check_configuration(lab)
    with pytest.raises(SystemDown, match="does not answer"):
        probe(lab)


def test_one_that_starts_is_down(tmp_path: Path, secret: str) -> None:
    with running_master(tmp_path / "home", "--start-delay", "60", ready=503) as master:
        lab = lab_of(master.url, admin=secret)
        check_configuration(lab)
        with pytest.raises(SystemDown, match=r"not a Jenkins that is ready.*503"):
            probe(lab)


def test_the_account_is_named_by_its_secret(secret: str) -> None:
    with pytest.raises(ConfigError, match="has one entry, ACCOUNT"):
        access(lab_of("http://127.0.0.1:1", admin=secret, reader=secret))
