"""OCI image archives, written without a registry or a container engine.

A layout of the OCI image specification (v1.1: image-layout.md, manifest.md, config.md) in a tar
file, with one layer that is not compressed: it is imported once, from the same disk. The same
files give the same bytes, and so the same digest. ``io.containerd.image.name`` is the annotation
from which containerd's import takes the image's whole name.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lab.errors import ToolMissing

_MEDIA = "application/vnd.oci.image"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_INDEX = "index.json"
#: What the machine calls itself → what images call it (Go's GOARCH).
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Content:
    """What is in an image's root: place → a file of this machine, a text, or where a link leads.

    Places are absolute. Files are 0755, as nearly all of them are programs; texts are 0644, or
    0755 when they begin with ``#!``. ``same``: place → the file of which it is another
    name.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)
    directories: Sequence[str] = ()

    def stamp(self) -> str:
        """Changes whenever what it describes does; files are known by size and time."""
        described = [
            sorted(
                (place, str(file), (state := file.stat()).st_size, state.st_mtime_ns)
                for place, file in self.files.items()
            ),
            *(sorted(told.items()) for told in (self.texts, self.links, self.same)),
            sorted(self.directories),
        ]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def write_archive(
    path: Path, reference: str, content: Content, *, config: Mapping[str, Any]
) -> None:
    """Write the archive of an image; ``config`` is the image's ``config`` object (Entrypoint …).

    Until it is whole it lies beside ``path`` under another name.
    """
    directory = path.parent
    with tempfile.TemporaryFile(dir=directory) as layer:
        digest = _write_layer(layer, content)
        blobs: dict[str, bytes] = {}

        def blob(document: Mapping[str, Any], media: str) -> dict[str, Any]:
            data = json.dumps(document, sort_keys=True).encode()
            name = hashlib.sha256(data).hexdigest()
            blobs[name] = data
            return {"mediaType": media, "digest": f"sha256:{name}", "size": len(data)}

        described = blob(
            {
                "architecture": architecture(),
                "os": "linux",
                "config": dict(config),
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            },
            f"{_MEDIA}.config.v1+json",
        )
        manifest = blob(
            {
                "schemaVersion": 2,
                "mediaType": f"{_MEDIA}.manifest.v1+json",
                "config": described,
                "layers": [
                    {
                        "mediaType": f"{_MEDIA}.layer.v1.tar",
                        "digest": f"sha256:{digest}",
                        "size": layer.tell(),
                    }
                ],
            },
            f"{_MEDIA}.manifest.v1+json",
        )
        manifest["annotations"] = {"io.containerd.image.name": reference}
        index = json.dumps({"schemaVersion": 2, "manifests": [manifest]}, sort_keys=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            with tarfile.open(unfinished, "w", format=tarfile.USTAR_FORMAT) as tar:
                _add(tar, "oci-layout", len(_LAYOUT), io.BytesIO(_LAYOUT))
                _add(tar, _INDEX, len(index), io.BytesIO(index.encode()))
                for name, data in sorted(blobs.items()):
                    _add(tar, f"blobs/sha256/{name}", len(data), io.BytesIO(data))
                size = layer.tell()
                layer.seek(0)
                _add(tar, f"blobs/sha256/{digest}", size, layer)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """The digest (``sha256:…``) of the manifest in an archive that `write_archive` wrote."""
    with tarfile.open(path, "r:") as tar:
        index = tar.extractfile(_INDEX)
        assert index is not None
        return str(json.load(index)["manifests"][0]["digest"])


def architecture() -> str:
    """This machine's architecture in an image's words; raises `ToolMissing` for an unknown one."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise ToolMissing(
            "images cannot be made for this machine",
            found=f"architecture {machine}",
            expected=" or ".join(_ARCHITECTURES),
        )
    return _ARCHITECTURES[machine]


def _write_layer(layer: io.BufferedRandom, content: Content) -> str:
    """Write the layer, each directory before what is in it; returns its SHA-256."""
    directories = {parent for place in _places(content) for parent in PurePosixPath(place).parents}
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for directory in sorted({*directories, *map(PurePosixPath, content.directories)}):
            if directory.name:
                mode = 0o1777 if directory.name == "tmp" else 0o755
                _special(tar, str(directory), tarfile.DIRTYPE, mode=mode)
        for place, text in sorted(content.texts.items()):
            data = text.encode()
            mode = 0o755 if text.startswith("#!") else 0o644
            _add(tar, place.lstrip("/"), len(data), io.BytesIO(data), mode=mode)
        for place, file in sorted(content.files.items()):
            with file.open("rb") as data_of:
                _add(tar, place.lstrip("/"), file.stat().st_size, data_of, mode=0o755)
        for place, other in sorted(content.same.items()):
            _special(tar, place, tarfile.LNKTYPE, target=other.lstrip("/"), mode=0o755)
        for place, target in sorted(content.links.items()):
            _special(tar, place, tarfile.SYMTYPE, target=target, mode=0o777)
    layer.seek(0)
    return hashlib.file_digest(layer, "sha256").hexdigest()


def _places(content: Content) -> list[str]:
    return [*content.files, *content.texts, *content.links, *content.same]


def _add(tar: tarfile.TarFile, name: str, size: int, data: IO[bytes], mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    tar.addfile(entry, data)


def _special(tar: tarfile.TarFile, place: str, kind: bytes, *, target: str = "", mode: int) -> None:
    entry = tarfile.TarInfo(place.lstrip("/"))
    entry.type, entry.linkname, entry.mode = kind, target, mode
    tar.addfile(entry)
