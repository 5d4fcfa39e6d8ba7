"""Upstream's ``bluval-<blueprint>.yaml``, read as it is, becomes a blueprint of ours.

Its flags are the strings "True" and "False" (upstream's runner breaks on YAML's own); both
are read. What it leaves open or says twice is told in notes, never guessed in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from blueprints.config import Document
from blueprints.errors import ConfigError, Unacceptable
from blueprints.model import BlueprintFile, BluvalTest, Criterion
from blueprints.words import LAYERS
from submission.untrusted import YAML_DOCUMENT, parse_yaml, read_bytes, safe_name

_FILE = re.compile(r"bluval-([a-z0-9][a-z0-9-]*)\.ya?ml")
_KEYS = {"name", "what", "skip", "optional", "show_stopper"}
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class Imported:
    """The blueprint, and ``notes``: sentences about what a person should know of it."""

    blueprint: BlueprintFile
    notes: tuple[str, ...]


def read(file: Path, suites: Path | None) -> Imported:
    """Read a layer file. ``suites``: where its Robot suites lie, ``<layer>/<what>`` below.

    Raises `ConfigError` with file, line and column.
    """
    named = _FILE.fullmatch(file.name)
    if named is None:
        raise ConfigError(f"{file.name} is not called bluval-<blueprint>.yaml")
    try:
        parse_yaml(read_bytes(file, limit=YAML_DOCUMENT))  # bounded before anybody walks it
    except Unacceptable as error:
        raise ConfigError(f"{file}: {error}") from None
    return _Reader(Document(file), named[1], suites).imported()


def as_yaml(blueprint: BlueprintFile, source: str) -> str:
    """The blueprint as a file for ``--blueprint``."""
    data = blueprint.model_dump(mode="json", exclude_defaults=True)
    head = f"# Made by ./iec4 criteria import from {source}; change that, and import it again.\n"
    return head + yaml.safe_dump(data, sort_keys=False, width=100)


class _Reader:
    def __init__(self, document: Document, name: str, suites: Path | None) -> None:
        self._document = document
        self._name = name
        self._suites = suites
        self._notes: list[str] = []
        data = document.data
        self._content: Any = data.get("blueprint") if isinstance(data, dict) else None
        if not isinstance(self._content, dict):
            raise document.error(says="no mapping 'blueprint' in it")

    def imported(self) -> Imported:
        layers = self._layers()
        title = str(self._content.get("name") or self._name)
        if title != self._name:
            self._notes.append(f"it calls itself {title}, its file {self._name}: that counts")
        own = {layer: _prefix(layer) for layer in layers if layer not in LAYERS}
        criteria = [c for layer in layers for c in self._of_layer(layer, own)]
        if not criteria:
            raise self._document.error("blueprint", says="no layer has a test")
        blueprint = BlueprintFile(
            blueprint=self._name,
            title=f"{title}: the tests of {self._document.file.name}",
            layers=layers,
            pins={},
            bom={},
            sentinels={},
            faults={},
            criteria=tuple(criteria),
            own_layers=own,
            suites=self._suites,
        )
        return Imported(blueprint, tuple(self._notes))

    def _layers(self) -> tuple[str, ...]:
        layers = self._content.get("layers")
        if not isinstance(layers, list) or not layers:
            raise self._document.error("blueprint", "layers", says="expected a list of layers")
        for i, layer in enumerate(layers):
            self._word("layer", layer, "blueprint", "layers", i)
        self._notes += [
            f"layer {key} has tests, but is not among the layers: left out"
            for key in self._content
            if key not in ("name", "layers", *layers)
        ]
        return tuple(dict.fromkeys(layers))

    def _of_layer(self, layer: str, own: dict[str, str]) -> Iterator[Criterion]:
        entries = self._content.get(layer)
        if entries is None:
            self._notes.append(f"layer {layer} has no tests")
            return
        if not isinstance(entries, list):
            raise self._document.error("blueprint", layer, says="expected a list of tests")
        prefix = own[layer] if layer in own else LAYERS[layer][0]
        for i, entry in enumerate(entries):
            yield self._criterion(f"{prefix}-{i + 1:02d}", layer, i, entry)

    def _criterion(self, identifier: str, layer: str, i: int, entry: Any) -> Criterion:
        at = ("blueprint", layer, i)
        if not isinstance(entry, dict):
            raise self._document.error(*at, says="expected a mapping with name and what")
        self._notes += [
            f"{self._document.where(*at, key)}: {key!r} is no key of BluVal's: not heeded"
            for key in entry
            if key not in _KEYS
        ]
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise self._document.error(*at, says="a test has no name")
        what = self._word("what", entry.get("what"), *at, "what")
        optional = self._flag(entry, "optional", *at)
        return Criterion(
            id=identifier,
            layer=layer,
            title=name,
            requirement=f"BluVal's test {what} passes on layer {layer}.",
            runner="robot",
            mandatory_at="never" if optional else "incubation",
            alone=True,
            bluval=BluvalTest(
                what=what,
                skip=self._flag(entry, "skip", *at),
                show_stopper=self._flag(entry, "show_stopper", *at),
            ),
        )

    def _flag(self, entry: dict[str, Any], key: str, *at: str | int) -> bool:
        value = entry.get(key, False)
        found = value if isinstance(value, bool) else _FLAGS.get(str(value).lower())
        if found is None:
            raise self._document.error(
                *at, key, says=f'expected "True" or "False"; found {value!r}'
            )
        return found

    def _word(self, kind: str, value: Any, *at: str | int) -> str:
        """A word that is to be a directory's name."""
        try:
            if isinstance(value, str) and "/" not in safe_name(value):
                return value
        except Unacceptable:
            pass
        raise self._document.error(*at, says=f"{kind} {value!r} is no plain name")


def _prefix(layer: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", layer.upper())
