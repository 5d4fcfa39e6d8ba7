"""What an embedded host is, seen by clients that we did not write: OpenSSH's ssh and sftp."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from fixtures.labs import running_lab, template
from lab.host.ssh import SshHost
from lab.inventory import HostEntry, Inventory
from lab.loopback import cleanup
from lab.wait import wait_for


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IEC4_CACHE", str(tmp_path_factory.mktemp("cache")))
        with running_lab(template(one=["dc"]), tmp_path_factory.mktemp("lab")) as inventory:
            yield inventory


@pytest.fixture
def one(inventory: Inventory) -> HostEntry:
    return inventory.hosts["one"]


class OpenSsh:
    """OpenSSH's client with nothing but what a test gives it."""

    def __init__(self, entry: HostEntry, directory: Path) -> None:
        self.entry = entry
        self.known_hosts = directory / "known_hosts"
        self.pin(entry.host_key)
        self.key = (entry.accounts[0].key or "").removeprefix("file:")

    def pin(self, host_key: str | None) -> None:
        self.known_hosts.write_text(f"[{self.entry.address}]:{self.entry.port} {host_key}\n")

    def argv(self, *options: str, program: str = "ssh", user: str = "iec4") -> list[str]:
        path = shutil.which(program)
        if path is None:
            pytest.skip(f"{program} is not installed (apt install openssh-client)")
        settings = {
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentityAgent": "none",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "Port": str(self.entry.port),
            "User": user,
        }
        fixed = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return [path, "-F", "/dev/null", "-i", self.key, *fixed, *options]

    def run(
        self, *command: str, stdin: bytes = b"", options: tuple[str, ...] = (), user: str = "iec4"
    ) -> subprocess.CompletedProcess[bytes]:
        argv = [*self.argv(*options, user=user), str(self.entry.address), *command]
        return subprocess.run(argv, input=stdin, capture_output=True, timeout=30, check=False)


@pytest.fixture
def ssh(one: HostEntry, tmp_path: Path) -> OpenSsh:
    return OpenSsh(one, tmp_path)


def test_commands_streams_and_status(ssh: OpenSsh):
    done = ssh.run("cat; echo wrong >&2; exit 7", stdin=b"given")

    assert (done.returncode, done.stdout, done.stderr) == (7, b"given", b"wrong\n")


def test_a_large_output_arrives_whole(ssh: OpenSsh):
    done = ssh.run("seq 300000")

    assert done.stdout == b"".join(b"%d\n" % n for n in range(1, 300001))


def test_death_by_a_signal_is_told(ssh: OpenSsh):
    done = ssh.run("kill -TERM $$")

    assert done.returncode == 255  # what ssh makes of an exit-signal


def test_a_shell_without_a_command_reads_its_input(ssh: OpenSsh):
    done = ssh.run(stdin=b"echo in $PWD; exit 4\n", options=("-T",))

    assert done.returncode == 4
    assert done.stdout.startswith(b"in /")


def test_the_environment_is_bare(ssh: OpenSsh, one: HostEntry, inventory: Inventory):
    shown = dict(
        line.split("=", 1) for line in ssh.run("env").stdout.decode().splitlines() if "=" in line
    )
    home = f"{inventory.state}/hosts/one/home"

    assert shown.pop("IEC4_LAB_ID")
    for of_the_shell in ("PWD", "_", "SHLVL", "OLDPWD"):
        shown.pop(of_the_shell, None)
    assert shown == {
        "HOME": home,
        "USER": "iec4",
        "LOGNAME": "iec4",
        "PATH": f"{home}/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "IEC4_HOST": "one",
        "IEC4_ADDRESS": one.address,
    }


def test_its_python_has_the_standard_library_only(ssh: OpenSsh):
    script = "import sys, ssl, sqlite3; print(sys.prefix == sys.base_prefix); import asyncssh"
    done = ssh.run(f"python3 -c {script!r}")

    assert done.stdout == b"True\n"
    assert b"No module named 'asyncssh'" in done.stderr


def test_another_pinned_key_keeps_openssh_out(ssh: OpenSsh, tmp_path: Path):
    key = tmp_path / "other"
    keygen = shutil.which("ssh-keygen") or pytest.skip("apt install openssh-client")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=10)
    ssh.pin(" ".join(key.with_suffix(".pub").read_text().split()[:2]))

    done = ssh.run("true")

    assert done.returncode == 255
    assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_root_and_strangers_are_refused_as_by_a_real_sshd(ssh: OpenSsh, tmp_path: Path):
    assert b"Permission denied (publickey" in ssh.run("true", user="root").stderr
    assert b"Permission denied (publickey" in ssh.run("true", user="nobody").stderr
    keygen = shutil.which("ssh-keygen") or pytest.skip("apt install openssh-client")
    ssh.key = str(tmp_path / "stranger")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", ssh.key], check=True, timeout=10)
    refused = ssh.run("true").stderr
    assert b"Permission denied (publickey" in refused
    assert b"password" in refused


def test_its_banner_says_embedded(one: HostEntry):
    with socket.create_connection((str(one.address), one.port), timeout=10) as client:
        assert client.recv(100).startswith(b"SSH-2.0-iec4-embedded")


def test_sftp_starts_at_home(ssh: OpenSsh, tmp_path: Path, inventory: Inventory):
    (tmp_path / "here").write_text("carried")
    batch = f"put {tmp_path}/here there\nmkdir below\nrename there below/there\npwd\n"
    argv = [*ssh.argv("-b", "-", program="sftp"), str(ssh.entry.address)]

    done = subprocess.run(argv, input=batch.encode(), capture_output=True, timeout=30, check=True)

    home = f"{inventory.state}/hosts/one/home"
    assert f"working directory: {home}\n" in done.stdout.decode()
    assert Path(home, "below/there").read_text() == "carried"


def _forward(ssh: OpenSsh, to: str) -> subprocess.CompletedProcess[bytes]:
    return ssh.run(options=("-W", to), stdin=b"question")


def test_a_tunnel_to_loopback_is_made(ssh: OpenSsh):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"to " + client.recv(100))

        thread = threading.Thread(target=answer)
        thread.start()
        done = _forward(ssh, f"127.0.0.1:{server.getsockname()[1]}")
        thread.join(10)

    assert done.stdout == b"to question"


def test_a_tunnel_is_closed_when_both_sides_have_ended(one: HostEntry):
    """OpenSSH's client waits for that when its end has crossed the server's."""
    key = paramiko.Ed25519Key.from_private_key_file(
        (one.accounts[0].key or "").removeprefix("file:")
    )
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        paramiko.Transport((str(one.address), one.port)) as transport,
    ):
        transport.connect(username=one.accounts[0].name, pkey=key)
        channel = transport.open_channel(
            "direct-tcpip", server.getsockname(), ("127.0.0.1", 0), timeout=10
        )
        server.accept()[0].close()
        channel.settimeout(10)
        assert channel.recv(1) == b""

        channel.shutdown_write()

        wait_for("the server's CLOSE", lambda: channel.closed, timeout=10)


@pytest.mark.parametrize("to", ["192.0.2.1:80", "example.invalid:80"])
def test_no_tunnel_leads_away_from_the_machine(ssh: OpenSsh, to: str):
    done = _forward(ssh, to)

    assert b"open failed: administratively prohibited" in done.stderr
    assert done.returncode == 255


def test_a_client_that_goes_takes_its_command_with_it(ssh: OpenSsh, inventory: Inventory):
    state = inventory.state
    assert state is not None
    lab_id = (state / "lab.id").read_text()

    def sleeping() -> list[int]:
        return [
            pid
            for pid in cleanup.tagged(lab_id)
            if Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0077\0"
        ]

    argv = [*ssh.argv(), str(ssh.entry.address), "sleep 77; :"]
    client = subprocess.Popen(argv, stdin=subprocess.PIPE)
    try:
        wait_for("the command", sleeping, timeout=10)
    finally:
        client.kill()
        client.communicate(timeout=10)

    wait_for("its end", lambda: not sleeping(), timeout=10)


def test_a_detached_daemon_stays(one: HostEntry):
    host = SshHost("one", one)
    script = "setsid sleep 78 >/dev/null 2>&1 </dev/null & echo $!"
    pid = int(host.check(["sh", "-c", script]))
    host.close()

    assert SshHost("one", one).run(["kill", str(pid)]).ok
