"""What travels for Tars: the test servants' packages for upload, and Node for the hosts.

The package has the form that a real tarsnode installs: a tgz with one top directory, whose
content becomes ``bin/``; ``bin/EchoServer --config=FILE`` is what it starts (tars_cpp).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.nodejs import node_binary, npm_tree
from lab.payload import ROOT, archive, cache_dir, python_files

APPLICATION = "IEC4"
SERVER = "EchoServer"
#: How tarsnode starts it; "tars_nodejs" would need node-agent, which is not on npm.
SERVER_TYPE = "tars_cpp"

#: The suite's Tars protocol, client and server, for what runs on hosts; it needs tarsio.
PROTOCOL_MODULES = ("lab/tars/queryf.py", "lab/tars/server.py")

#: Our own test servant, as it is deployed unless another name is asked for.
PROBE_SERVER = "ProbeServer"

_SOURCE = Path(__file__).parent / "echo"

# The library's packages carry their tests, fixtures and browser builds: 7.8 MB, of which
# a server needs 0.5 MB. Licences stay.
_NOT_NEEDED = {
    "benchmark",
    "browser",
    "coverage",
    "doc",
    "docs",
    "example",
    "examples",
    "sample",
    "test",
    "tests",
}
_NEEDED_NAMES = {"package.json", "LICENSE", "license", "LICENCE"}


def build_package(version: str) -> Path:
    """The echo servant's tgz with ``version`` stamped in, which ``identity()`` then tells.

    The same version gives the same bytes; it is kept in the cache. Raises `ToolMissing`
    when the npm registry cannot be reached and its packages are not in the cache.
    """
    files = {name: path.read_bytes() for name, path in _sources().items()}
    manifest = json.loads(files["package.json"])
    files["package.json"] = json.dumps({**manifest, "version": version}, indent=2).encode()
    return packed(SERVER, version, files)


def build_servant(version: str, *, server: str = PROBE_SERVER) -> Path:
    """Our own test servant's tgz (`lab.tars.servant`) for a server called ``server``.

    It runs on the host's ``python3``, which must be of the version that the suite runs on here:
    the codec is compiled for it. The same version gives the same bytes.
    """
    runtime = python_files(["tarsio"], ["lab/tars/servant"])
    files = {f"runtime/{name}": path.read_bytes() for name, path in runtime.items()}
    files[server] = (ROOT / "lab" / "tars" / "servant" / "launch").read_bytes()
    files["VERSION"] = f"{version}\n".encode()
    return packed(server, version, files)


@dataclass(frozen=True)
class Program:
    """A test servant: the name of its server, and what packages a version of it."""

    server: str
    build: Callable[[str], Path]


#: The official npm library's, and our own.
ECHO = Program(SERVER, build_package)
PROBE = Program(PROBE_SERVER, build_servant)


def packed(server: str, version: str, files: dict[str, bytes]) -> Path:
    """A tgz with the one top directory that a node descends; ``server`` in it is the program.

    The same files give the same bytes; it is kept in the cache.
    """
    archived = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=archived, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(f"{server}/{name}")
            info.size = len(content)
            info.mode = 0o755 if name == server else 0o644
            tar.addfile(info, io.BytesIO(content))
    return _kept(archived.getvalue(), f"{server}-{version}")


def with_foreign_program(package: Path) -> Path:
    """A copy of a package with a library for s390x in it, which no node of an edge can load.

    An ELF header is enough: big endian, e_machine 22.
    """
    with tarfile.open(package) as tar:
        members = [(member, tar.extractfile(member)) for member in tar if member.isfile()]
        files = {
            member.name.partition("/")[2]: content.read()
            for member, content in members
            if content is not None
        }
        top = members[0][0].name.partition("/")[0]
    files["libs/foreign.so"] = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x03\x00\x16"
    return packed(top, "foreign", files)


def node_archive() -> tuple[Path, str]:
    """``(path, sha256)`` of a tar with ``bin/node``: put that directory on a host's PATH."""
    return archive({"bin/node": node_binary()})


def _sources() -> dict[str, Path]:
    own = [path for path in _SOURCE.iterdir() if path.suffix in {".js", ".tars"}]
    own += [_SOURCE / SERVER, _SOURCE / "package.json"]
    files = {path.name: path for path in own}
    modules = npm_tree(_SOURCE)
    for path in modules.rglob("*"):
        inside = path.relative_to(modules)
        wanted = path.suffix == ".js" or path.name in _NEEDED_NAMES
        if path.is_file() and wanted and not _NOT_NEEDED.intersection(inside.parts):
            files[f"node_modules/{inside}"] = path
    return files


def _kept(content: bytes, name: str) -> Path:
    digest = hashlib.sha256(content).hexdigest()
    directory = cache_dir() / "packages"
    directory.mkdir(exist_ok=True)
    place = directory / f"{name}-{digest[:12]}.tgz"
    if not place.exists():
        unfinished = place.with_suffix(f".{os.getpid()}.tmp")
        unfinished.write_bytes(content)
        unfinished.rename(place)
    return place
