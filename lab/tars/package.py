"""What travels for Tars: the echo servant's package for upload, and Node for the hosts.

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
from pathlib import Path

from lab.nodejs import node_binary, npm_tree
from lab.payload import archive, cache_dir

APPLICATION = "IEC4"
SERVER = "EchoServer"
#: How tarsnode starts it; "tars_nodejs" would need node-agent, which is not on npm.
SERVER_TYPE = "tars_cpp"

#: The suite's Tars protocol and clients, for what runs on hosts; it needs tarsio.
PROTOCOL_MODULES = (
    "blueprints/__init__.py",
    "blueprints/errors.py",
    "lab/__init__.py",
    "lab/errors.py",
    "lab/tars/__init__.py",
    *(
        f"lab/tars/{module}.py"
        for module in (
            "body",
            "client",
            "connection",
            "encodings",
            "errors",
            "framing",
            "packets",
            "plain",
            "profile",
            "queryf",
            "ranges",
            "reading",
            "schema",
            "server",
            "serving",
            "writing",
        )
    ),
)

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
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(f"{SERVER}/{name}")
            info.size = len(content)
            info.mode = 0o755 if name == SERVER else 0o644
            tar.addfile(info, io.BytesIO(content))
    return _kept(packed.getvalue(), f"{SERVER}-{version}")


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
