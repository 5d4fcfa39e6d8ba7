"""What every way of reaching a host promises, tried on each of them."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import uuid
from pathlib import Path

import pytest

from lab import secrets
from lab.errors import CommandFailed, CommandTimeout, HostError
from lab.host.base import KEEP_BYTES, Host
from lab.wait import wait_for
from tests.hosts.processes import with_word


def test_a_result_has_status_streams_and_duration(host: Host):
    result = host.run(["sh", "-c", "echo out; echo err >&2; exit 3"])

    assert (result.status, result.stdout, result.stderr) == (3, b"out\n", b"err\n")
    assert result.host == host.name
    assert 0 < result.duration_s < 10
    with pytest.raises(CommandFailed, match=r"status 3: err"):
        result.check()


@pytest.mark.parametrize(
    "word", ["", "a b", "'", '"', "$HOME", "`id`", "a\nb", "*", "\\", "ü", "--", "-n", ";true"]
)
def test_arguments_arrive_as_they_are(host: Host, word: str):
    result = host.run(["printf", "%s|", word, "end"]).check()

    assert result.text == f"{word}|end|"


def test_the_command_gets_its_input_whole(host: Host):
    data = os.urandom(3_000_000)

    result = host.run(["sha256sum"], stdin=data).check()

    assert result.text.split()[0] == hashlib.sha256(data).hexdigest()


def test_without_input_a_command_reads_its_end(host: Host):
    assert host.run(["cat"], timeout=5).check().stdout == b""


def test_a_command_may_leave_its_input_unread(host: Host):
    assert host.run(["true"], stdin=b"x" * 5_000_000, timeout=10).ok


def test_the_environment_is_passed_literally(host: Host):
    value = 'it\'s $HOME; "q"\nsecond'

    assert host.run(["printenv", "WORD"], env={"WORD": value}).check().text == value + "\n"


def test_death_by_a_signal_reads_as_in_a_shell(host: Host):
    result = host.run(["sh", "-c", "echo said; kill -KILL $$"])

    assert (result.status, result.text, result.error_text) == (137, "said\n", "")


def test_a_program_that_is_not_there_is_status_127(host: Host):
    result = host.run(["no-such-program"])

    assert result.status == 127
    assert "no-such-program" in result.error_text


def test_a_command_starts_at_home(host: Host):
    host.put(b"x", "marker-of-home")

    assert host.run(["test", "-f", "marker-of-home"]).ok


def test_a_late_command_is_ended_with_all_its_children(host: Host):
    mark = uuid.uuid4().hex
    stubborn = f"trap '' TERM; echo begun; sh -c 'sleep 60; :' {mark}; :"

    with pytest.raises(CommandTimeout, match=r"no end within 0\.3 s") as caught:
        host.run(["sh", "-c", stubborn], timeout=0.3)

    assert "begun" in (caught.value.evidence or "")
    wait_for("the end of its processes", lambda: not with_word(mark), timeout=5)


def test_status_124_of_a_quick_command_is_its_own(host: Host):
    assert host.run(["sh", "-c", "exit 124"], timeout=10).status == 124


def test_a_child_that_keeps_the_output_open_is_not_waited_for(host: Host):
    left_behind = host.run(["sh", "-c", "sleep 30 & echo $!"], timeout=20)

    assert left_behind.duration_s < 10
    os.kill(int(left_behind.text), 15)


def test_large_output_lies_in_a_file(host: Host, overflow: Path):
    result = host.run(["sh", "-c", f"seq 400000; printf %{KEEP_BYTES + 1}s e >&2"]).check()

    whole = "".join(f"{n}\n" for n in range(1, 400001)).encode()
    assert result.stdout == whole[-KEEP_BYTES:]
    assert result.stdout_file is not None
    assert result.stdout_file.parent == overflow
    assert result.stdout_file.read_bytes() == whole
    assert result.stderr_file is not None
    assert result.stderr_file.stat().st_size == KEEP_BYTES + 1


def test_small_output_makes_no_file(host: Host, overflow: Path):
    result = host.run(["printf", "%262144s", "x"]).check()

    assert len(result.stdout) == KEEP_BYTES
    assert result.stdout_file is None
    assert not overflow.exists()


def test_no_secret_reaches_the_overflow_file(host: Host, monkeypatch: pytest.MonkeyPatch):
    secret = uuid.uuid4().hex
    monkeypatch.setattr(secrets.redactor, "_values", set())
    secrets.redactor.add(secret)
    # Prime length, so that the secret straddles the pieces at ever other places.
    line = f"{secret}{'.' * 69}"

    result = host.run(["sh", "-c", 'yes "$1" | head -n 20000', "sh", line]).check()

    assert result.stdout_file is not None
    content = result.stdout_file.read_bytes()
    assert content.count(secrets.MASK.encode()) == 20000
    assert secret.encode() not in content


def test_sudo_is_refused_where_the_lab_does_not_allow_it(host: Host):
    with pytest.raises(HostError, match="sudo is not allowed"):
        host.run(["true"], sudo=True)


def test_many_commands_at_once(host: Host):
    answers: list[str] = []

    def ask(n: int) -> None:
        answers.append(host.run(["sh", "-c", f"sleep 0.0{n % 7}; echo {n}"], timeout=60).text)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(map(int, answers)) == list(range(30))


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 1_000_003])
def test_a_file_goes_there_and_back(host: Host, tmp_path: Path, size: int):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    remote = f"deep/er/{uuid.uuid4().hex}"

    assert host.put(source, remote, mode=0o640) == digest
    assert host.check(["stat", "-c", "%a %s", remote]) == f"640 {size}\n"
    assert host.get(remote, tmp_path / "back") == digest
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_a_file_is_replaced_whole(host: Host):
    host.put(b"old", "replaced/file")
    host.run(["sh", "-c", "exec 3<replaced/file; cp replaced/file copy; :"]).check()

    host.put(b"new", "replaced/file", mode=0o755)

    assert host.check(["cat", "replaced/file"]) == "new"
    assert host.check(["ls", "-A", "replaced"]) == "file\n"


def test_what_cannot_be_written_is_said_and_leaves_nothing(host: Host):
    host.put(b"a file", "in-the-way")

    with pytest.raises(HostError, match="could not write in-the-way/below"):
        host.put(b"x", "in-the-way/below")
    assert host.check(["cat", "in-the-way"]) == "a file"


def test_what_cannot_be_read_is_said_and_leaves_nothing(host: Host, tmp_path: Path):
    with pytest.raises(HostError, match=r"could not read absent.*No such file"):
        host.get("absent", tmp_path / "copy")

    assert not list(tmp_path.glob("*copy*"))


def test_a_tunnel_reaches_a_port_from_the_host(host: Host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        with (
            host.tunnel(server.getsockname()[1]) as port,
            socket.create_connection(("127.0.0.1", port), timeout=10) as client,
        ):
            far, _ = server.accept()
            with far:
                far.settimeout(10)
                client.sendall(b"question")
                client.shutdown(socket.SHUT_WR)
                assert b"".join(iter(lambda: far.recv(100), b"")) == b"question"
                far.sendall(b"answer")
            assert b"".join(iter(lambda: client.recv(100), b"")) == b"answer"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_tunnel_to_nothing_closes_its_connections(host: Host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nothing_there = server.getsockname()[1]
    with (
        host.tunnel(nothing_there) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        assert _read_end(client)


def _read_end(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
