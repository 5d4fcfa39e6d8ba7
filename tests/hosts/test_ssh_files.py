"""Copying files over SSH: checked by the other side, and quick."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from lab.errors import CommandFailed, TransferCorrupted
from lab.host.ssh import SshHost
from lab.wait import wait_for


@pytest.fixture
def lying(ssh_host: SshHost):
    """A host whose disk damages what it is given: its checksums are of something else."""
    script = b'#!/bin/sh\nread -r _ || :\necho "$(printf damaged | /usr/bin/sha256sum)"\n'
    ssh_host.put(script, "bin/sha256sum", mode=0o755)
    yield ssh_host
    ssh_host.check(["rm", "bin/sha256sum"])


def test_a_damaged_copy_is_refused_and_removed(lying: SshHost):
    with pytest.raises(TransferCorrupted, match="arrived damaged"):
        lying.put(b"content", "damaged/file")

    assert lying.check(["ls", "-A", "damaged"]) == ""


def test_a_damaged_download_is_refused_and_removed(lying: SshHost, tmp_path: Path):
    lying.run(["sh", "-c", "echo content >to-damage"]).check()

    with pytest.raises(TransferCorrupted, match="arrived damaged"):
        lying.get("to-damage", tmp_path / "copy")

    assert not list(tmp_path.iterdir())


def test_a_growing_log_can_be_fetched(ssh_host: SshHost, tmp_path: Path):
    script = "while [ ! -e enough ]; do seq 1000; done >growing"
    writer = threading.Thread(target=ssh_host.run, args=(["sh", "-c", script],))
    writer.start()
    try:
        wait_for("a first line", lambda: ssh_host.run(["test", "-s", "growing"]).ok, timeout=10)
        ssh_host.get("growing", tmp_path / "log")
    finally:
        ssh_host.check(["touch", "enough"])
        writer.join(30)

    assert (tmp_path / "log").read_bytes().startswith(b"1\n2\n3\n")


def test_a_directory_is_not_replaced_by_a_file(ssh_host: SshHost):
    ssh_host.check(["mkdir", "-p", "a-directory/inside"])

    with pytest.raises(CommandFailed, match="a-directory"):
        ssh_host.put(b"x", "a-directory")
    assert ssh_host.check(["ls", "-A", "a-directory"]) == "inside\n"


def test_a_large_file_is_copied_quickly(ssh_host: SshHost, tmp_path: Path):
    source = tmp_path / "large"
    source.write_bytes(os.urandom(1 << 20) * 32)

    started = time.monotonic()
    ssh_host.put(source, "large")
    put_s = time.monotonic() - started

    assert 32 / put_s > 5, "a 100 MB payload would take longer than 20 s"


def test_many_files_at_once(ssh_host: SshHost):
    threads = [
        threading.Thread(target=ssh_host.put, args=(f"content {n}".encode(), f"many/{n}"))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    shown = ssh_host.check(["sh", "-c", "cat many/*; ls -A many | wc -l"])
    assert shown.endswith("20\n")
    assert all(f"content {n}" in shown for n in range(20))
