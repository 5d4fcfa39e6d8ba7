"""A package that cannot run on its node is refused, with the reason, and the old one stays."""

from __future__ import annotations

import gzip
import io
import platform as machine
import sys
import tarfile
from pathlib import Path

import pytest

from lab.tars.deployment import upload
from lab.tars.embedded.architecture import foreign, machine_of
from lab.tars.package import build_package
from lab.tars.web import TaskFailed
from tests.tars_master.platforms import Platform

#: ELF headers as far as they are looked at: little or big endian, e_machine.
AARCH64 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
BIG_ENDIAN = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x15"


def with_file(package: Path, place: Path, name: str, content: bytes) -> Path:
    """A copy of a package that has one file more."""
    changed = place / "changed.tgz"
    with (
        tarfile.open(package) as tar,
        gzip.open(changed, "wb") as packed,
        tarfile.open(fileobj=packed, mode="w") as out,
    ):
        for member in tar:
            out.addfile(member, tar.extractfile(member))
        info = tarfile.TarInfo(f"EchoServer/{name}")
        info.size = len(content)
        out.addfile(info, io.BytesIO(content))
    return changed


@pytest.mark.skipif(machine.machine() == "aarch64", reason="aarch64 runs what is built for it")
def test_another_architectures_package_fails_with_the_reason(
    platform: Platform, application: str, tmp_path: Path
) -> None:
    before = platform.deploy(application)
    package = with_file(build_package("2.0.0"), tmp_path, "libs/native.so", AARCH64)
    uploaded = upload(platform.web, application, package)
    with pytest.raises(TaskFailed) as failed:
        platform.web.publish(before.id, uploaded.id)
    [item] = failed.value.task.items
    assert item.status_info == "EM_I_FAILED"
    assert item.execute_info == (
        "error:wrong architecture: libs/native.so is built for aarch64, "
        f"this node is {machine.machine()}"
    )
    assert platform.web.server(before.id) == before
    assert platform.ask(application).version == "1.0.0"


def test_this_machines_own_programs_are_taken(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(Path(sys.executable).resolve())
    assert machine_of(tmp_path / "python") == machine.machine()
    assert foreign(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "built_for"),
    [
        (AARCH64, "aarch64"),
        (BIG_ENDIAN, "ELF machine 21"),
        (AARCH64[:19], None),
        (b"#!/bin/sh\nexec true, in more than twenty bytes\n", None),
        (b"", None),
    ],
)
def test_elf_headers_are_read(content: bytes, built_for: str | None, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert machine_of(tmp_path / "file") == built_for


def test_what_a_machine_runs_beside_its_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(AARCH64[:18] + b"\x03\x00")
    assert foreign(tmp_path, "x86_64") is None
    assert foreign(tmp_path, "aarch64") == (
        "wrong architecture: file is built for i386, this node is aarch64"
    )
