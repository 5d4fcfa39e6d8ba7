"""Opening, losing and refusing SSH connections: real servers, a wire that breaks."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from blueprints.errors import ConfigError
from fixtures.labs import template
from lab.errors import CommandTimeout, HostKeyMismatch, HostUnreachable, LoginRefused
from lab.host import keys
from lab.host.connection import try_login
from lab.host.ssh import SshHost
from lab.inventory import Account, HostEntry
from lab.secrets import SecretUnavailable
from lab.wait import wait_for
from tests.hosts.processes import with_word
from tests.hosts.wire import Wire


def _changed(entry: HostEntry, **update: object) -> HostEntry:
    return entry.model_copy(update=update)


@pytest.fixture
def wire(entry: HostEntry) -> Iterator[Wire]:
    with Wire(str(entry.address), entry.port) as wire:
        yield wire


@pytest.fixture
def wired(entry: HostEntry, wire: Wire) -> Iterator[SshHost]:
    """The host behind the wire."""
    host = SshHost("one", _changed(entry, address="127.0.0.1", port=wire.port))
    yield host
    host.close()


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (apt install openssh-client)")
    return path


def _fingerprint(entry: HostEntry) -> str:
    return keys.fingerprint(str(entry.host_key))


def test_another_host_key_than_the_pinned_one_ends_it(entry: HostEntry):
    other = keys.public_text(keys.new_private_text())
    host = SshHost("one", _changed(entry, host_key=other))

    with pytest.raises(HostKeyMismatch) as caught:
        host.run(["true"])

    assert _fingerprint(entry) in str(caught.value)
    assert keys.fingerprint(other) in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


def test_a_fingerprint_reads_as_ssh_keygen_prints_it(entry: HostEntry, tmp_path: Path):
    (tmp_path / "key.pub").write_text(f"{entry.host_key}\n")
    argv = [_tool("ssh-keygen"), "-l", "-f", str(tmp_path / "key.pub")]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout

    assert _fingerprint(entry) == f"ssh-ed25519 {printed.split()[1]}"


def test_a_host_key_with_a_comment_is_the_same_key(entry: HostEntry):
    host = SshHost("one", _changed(entry, host_key=f"{entry.host_key} root@one"))

    assert host.run(["true"]).ok
    host.close()


def test_a_stranger_is_refused_by_name(entry: HostEntry, tmp_path: Path):
    (tmp_path / "stranger").write_text(keys.new_private_text())
    account = Account(name="iec4", key=f"file:{tmp_path / 'stranger'}")

    with pytest.raises(LoginRefused, match="refused the account iec4"):
        SshHost("one", entry, account=account).run(["true"])


def test_nobody_at_the_address_is_unreachable(entry: HostEntry):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(HostUnreachable, match=r"Connection refused \(127\.0\.0\.1:"):
        SshHost("one", _changed(entry, address="127.0.0.1", port=port)).run(["true"])


def test_a_server_that_says_nothing_costs_its_time_out(entry: HostEntry):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = SshHost(
            "one",
            _changed(entry, address="127.0.0.1", port=silent.getsockname()[1]),
            connect_timeout=0.5,
        )
        started = time.monotonic()
        with pytest.raises(HostUnreachable, match=r"no answer within 0\.5 s"):
            host.run(["true"])
        assert time.monotonic() - started < 2


def test_a_server_that_closes_at_once_is_unreachable(entry: HostEntry, wire: Wire):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Wire("127.0.0.1", port) as broken, pytest.raises(HostUnreachable):
        SshHost("one", _changed(entry, address="127.0.0.1", port=broken.port)).run(["true"])


def test_what_the_inventory_leaves_open_is_wrong_configuration():
    bare = template(one=["dc"]).hosts["one"]

    with pytest.raises(ConfigError, match=r"hosts\.one\.host_key"):
        SshHost("one", bare).run(["true"])


def test_many_commands_use_one_connection(wired: SshHost, wire: Wire):
    for _ in range(10):
        wired.check(["true"])

    assert wire.connections == 1


def test_what_comes_between_a_look_at_the_streams_and_their_end_is_not_lost(
    ssh_host: SshHost, monkeypatch: pytest.MonkeyPatch
):
    """The first look finds nothing yet; then all arrives at once, the end with it."""
    looked: set[int] = set()
    look = paramiko.Channel.recv_ready

    def too_early(channel: paramiko.Channel) -> bool:
        if channel.chanid in looked:
            return look(channel)
        looked.add(channel.chanid)
        wait_for("their end", lambda: channel.eof_received or channel.closed, timeout=10)
        return False

    monkeypatch.setattr(paramiko.Channel, "recv_ready", too_early)
    assert ssh_host.run(["echo", "last words"]).check().text == "last words\n"


def test_a_lost_connection_is_opened_again_for_the_next_command(wired: SshHost, wire: Wire):
    wired.check(["true"])
    wire.cut()

    assert wired.check(["echo", "again"]) == "again\n"
    assert wire.connections == 2


def test_a_command_that_was_under_way_is_not_run_again(wired: SshHost, wire: Wire, ssh_host):
    ssh_host.run(["rm", "-f", "runs"])

    def cut_when_it_runs() -> None:
        while not ssh_host.run(["test", "-s", "runs"]).ok:
            pass
        wire.cut()

    cutter = threading.Thread(target=cut_when_it_runs)
    cutter.start()
    with pytest.raises(HostUnreachable, match="was not run again"):
        wired.run(["sh", "-c", "echo once >>runs; sleep 20"])
    cutter.join()

    assert ssh_host.check(["cat", "runs"]) == "once\n"


def test_a_host_that_falls_silent_ends_a_command_in_time(wired: SshHost, wire: Wire):
    mark = uuid.uuid4().hex
    started = time.monotonic()
    freezer = threading.Timer(0.2, wire.freeze)
    freezer.start()
    with pytest.raises(CommandTimeout, match="does not say that it ended it"):
        wired.run(["sh", "-c", "sleep 60; :", mark], timeout=0.5)

    assert time.monotonic() - started < 6
    # The server knows nothing of it: what was sent along with the command ended it there.
    assert not with_word(mark)


def test_a_key_from_the_environment(entry: HostEntry, monkeypatch: pytest.MonkeyPatch):
    reference = entry.accounts[0].key or ""
    monkeypatch.setenv("TEST_KEY", Path(reference.removeprefix("file:")).read_text())
    host = SshHost("one", entry, account=Account(name="iec4", key="env:TEST_KEY"))

    assert host.check(["printenv", "USER"]) == "iec4\n"
    host.close()


def test_the_second_account_logs_in_as_itself(entry: HostEntry):
    host = SshHost("one", entry, account=entry.accounts[1])

    assert host.check(["printenv", "USER"]) == "operator\n"
    host.close()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """OpenSSH's agent, empty; yields its socket."""
    path = tmp_path / "agent"
    process = subprocess.Popen(
        [_tool("ssh-agent"), "-D", "-a", str(path)], stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()  # it names its socket once it listens
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    process.terminate()
    process.wait(10)
    process.stdout.close()


def test_a_key_that_an_agent_holds(entry: HostEntry, agent: Path, tmp_path: Path):
    for name, text in (
        ("other", keys.new_private_text()),
        ("ours", Path((entry.accounts[0].key or "").removeprefix("file:")).read_text()),
    ):
        file = tmp_path / name
        file.touch(mode=0o600)
        file.write_text(text)
        subprocess.run(
            [_tool("ssh-keygen"), "-q", "-c", "-C", f"{name} key", "-f", file], check=True
        )
        subprocess.run([_tool("ssh-add"), "-q", file], check=True)
    host = SshHost("one", entry, account=Account(name="iec4", key="agent:ours key"))

    assert host.check(["printenv", "USER"]) == "iec4\n"
    host.close()
    with pytest.raises(LoginRefused):
        SshHost("one", entry, account=Account(name="iec4", key="agent:other key")).run(["true"])
    with pytest.raises(SecretUnavailable, match="2 other keys"):
        SshHost("one", entry, account=Account(name="iec4", key="agent:third")).run(["true"])


def test_no_key_of_an_agent_is_tried_unasked(entry: HostEntry, agent: Path):
    ours = (entry.accounts[0].key or "").removeprefix("file:")
    subprocess.run([_tool("ssh-add"), "-q", ours], check=True)

    assert not try_login("one", entry, user="iec4", key=keys.new()).accepted
    assert not try_login("one", entry, user="iec4").accepted


@pytest.mark.parametrize(
    ("text", "says"),
    [("not a key at all", "no private key"), ("-----BEGIN RSA PRIVATE KEY-----\nAA", "no private")],
)
def test_a_key_that_is_none_is_not_shown(entry: HostEntry, tmp_path: Path, text: str, says: str):
    (tmp_path / "key").write_text(text)
    account = Account(name="iec4", key=f"file:{tmp_path / 'key'}")

    with pytest.raises(SecretUnavailable, match=says) as caught:
        SshHost("one", entry, account=account).run(["true"])
    assert text not in str(caught.value)


def test_a_key_with_a_passphrase_is_explained(entry: HostEntry, tmp_path: Path):
    file = tmp_path / "key"
    argv = [_tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(file)]
    subprocess.run(argv, check=True, timeout=30)
    account = Account(name="iec4", key=f"file:{file}")

    with pytest.raises(SecretUnavailable, match=r"needs a passphrase.*ssh-agent"):
        SshHost("one", entry, account=account).run(["true"])


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_other_kinds_of_key_can_be_read(tmp_path: Path, kind: str):
    file = tmp_path / "key"
    argv = [_tool("ssh-keygen"), "-q", "-t", kind, "-m", "PEM", "-N", "", "-f", str(file)]
    subprocess.run(argv, check=True, timeout=60)

    public = file.with_suffix(".pub").read_text()
    assert keys.same_public(f"{keys.load(f'file:{file}').get_name()} x", f"{public.split()[0]} x")


def test_a_login_is_tried_and_told(entry: HostEntry):
    ours = keys.load(entry.accounts[0].key or "")

    accepted = try_login("one", entry, user="iec4", key=ours)
    refused = try_login("one", entry, user="iec4", password="guessed-it")

    assert (accepted.outcome, refused.outcome) == ("accepted", "refused")
    assert {"publickey", "password"} <= set(refused.methods)
    assert accepted.fingerprint == refused.fingerprint == _fingerprint(entry)
    assert dataclasses.asdict(refused)["user"] == "iec4"


def test_trying_a_login_at_nobody_is_unreachable(entry: HostEntry):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(HostUnreachable):
            try_login(
                "one", _changed(entry, address="127.0.0.1", port=port), user="iec4", timeout=0.3
            )
    assert time.monotonic() - started < 2
