"""What comes from outside is parsed here: archives, XML, YAML, JSON; bounded, and never obeyed.

No entity is expanded, no name leaves its directory, nothing unpacks to more than it may.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from blueprints.archives import DAMAGED, METHODS
from blueprints.config import LOADER
from blueprints.errors import Unacceptable

#: Bytes of a document (a scanner's log, an output.xml) at most.
DOCUMENT = 64 * 1024 * 1024
#: Bytes of a YAML file at most; people write these.
YAML_DOCUMENT = 1024 * 1024
#: How deep a document may be nested.
DEPTH = 64
#: Nodes of a YAML document at most.
NODES = 50_000
#: An archive: members, bytes of all of them unpacked, and how much smaller they may lie in it.
MEMBERS = 2_000
UNPACKED = 256 * 1024 * 1024
RATIO = 200

_CHUNK = 256 * 1024
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


def read_bytes(path: Path, limit: int = DOCUMENT) -> bytes:
    """A file's content. Raises `Unacceptable` when it cannot be read or is too long."""
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise Unacceptable(f"{path.name} cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise Unacceptable(f"{path.name} is longer than {limit >> 20} MiB")
    return data


def parse_yaml(data: bytes) -> Any:
    """A YAML document of plain values. Aliases count as what they stand for.

    Raises `Unacceptable` for anything else: tags, an alias within what it names, sizes.
    """
    try:
        text = data.decode()
        depth = 0
        for number, event in enumerate(yaml.parse(text, Loader=LOADER)):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH or number > NODES:
                raise Unacceptable(f"YAML with more than {DEPTH} levels or {NODES} nodes")
        node = yaml.compose(text, Loader=LOADER)
        if node is None:
            return None
        _count(node, NODES, DEPTH)
        return _PlainLoader("").construct_document(node)
    except UnicodeDecodeError:
        raise Unacceptable("YAML that is not UTF-8") from None
    except (yaml.YAMLError, *_UNFIT) as error:
        says = " ".join(str(error).split())
        raise Unacceptable(f"not valid YAML: {says}") from None


#: What yaml raises for a value that its tag cannot hold: ``!!int ""``, ``!!bool maybe``.
_UNFIT = (ValueError, OverflowError, LookupError, AttributeError, TypeError)


class _PlainLoader(yaml.SafeLoader):
    """YAML whose mappings name each key once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(keys) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key is no word", node.start_mark)
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _count(node: yaml.Node, left: int, depth: int) -> int:
    """The nodes that may still come after ``node``, with everything that aliases expand to."""
    if depth == 0:
        raise Unacceptable(f"YAML with more than {DEPTH} levels, or an alias within itself")
    left -= 1
    inside: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        inside = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        inside = node.value
    for part in inside:
        left = _count(part, left, depth - 1)
        if left < 0:
            raise Unacceptable(f"YAML that expands to more than {NODES} nodes")
    return left


def safe_name(name: str) -> str:
    """``name`` when it is a relative path of plain words; raises `Unacceptable` otherwise."""
    parts = name.split("/")
    if len(name) > 240 or not all(_PART.fullmatch(part) for part in parts):
        raise Unacceptable(f"the name {name[:80]!r} is no plain relative path")
    return name


def read_zip(path: Path) -> dict[str, bytes]:
    """An archive's files by name. Raises `Unacceptable`.

    Directories of their own count for nothing. Refused are names that leave the archive's
    directory, links, encryption, names that stand there twice or are file and directory,
    and whatever unpacks to too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS:
                raise Unacceptable(f"{path.name} has more than {MEMBERS} members")
            files = {}
            left = UNPACKED
            for member in members:
                if not member.filename:
                    raise Unacceptable(f"{path.name} has a member without a name")
                if member.is_dir():
                    safe_name(member.filename.rstrip("/"))
                    continue
                name = _acceptable(member)
                if name in files:
                    raise Unacceptable(f"{name} stands in {path.name} twice")
                files[name] = _unpack(archive, member, left)
                left -= len(files[name])
    except OSError as error:
        raise Unacceptable(f"{path.name} cannot be read: {error.strerror or error}") from None
    except DAMAGED as error:
        raise Unacceptable(f"{path.name} is no sound zip file: {error}") from None
    _no_file_is_a_directory(files)
    return files


def _acceptable(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise Unacceptable(f"{member.filename[:80]!r} is no plain file")
    if member.flag_bits & 1:
        raise Unacceptable(f"{member.filename[:80]!r} is encrypted")
    if member.compress_type not in METHODS:
        raise Unacceptable(f"{member.filename[:80]!r} is packed neither by deflate nor not at all")
    return safe_name(member.filename)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    unpacked = bytearray()
    allowed = min(limit, max(member.compress_size * RATIO, 4096))
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            unpacked += chunk
            if len(unpacked) > allowed:
                raise Unacceptable(f"{member.filename} unpacks to too much")
    return bytes(unpacked)


def _no_file_is_a_directory(files: Mapping[str, bytes]) -> None:
    for name in files:
        parts = name.split("/")
        for length in range(1, len(parts)):
            if "/".join(parts[:length]) in files:
                raise Unacceptable(f"{name} lies below a file")
