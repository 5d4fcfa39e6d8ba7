"""One parser of foreign bytes: what is fed to it, and what it says it raises."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from benchmarks.mutation import mutator


@dataclass(frozen=True)
class Target:
    """``parse`` takes bytes as they came; ``errors`` are those that the parser documents.

    ``seeds`` reads recordings, so it is called late. ``modules`` hold the parser: with a change
    in one of them, what was tried before counts no more.
    """

    name: str
    what: str
    parse: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    errors: tuple[type[Exception], ...]
    modules: tuple[ModuleType, ...]
    text: bool = True

    def digest(self) -> str:
        """Of the parser's source, and of how inputs are made."""
        files = [inspect.getsourcefile(module) or "" for module in self.modules]
        found = hashlib.sha256(f"{self.name} {mutator.VERSION}".encode())
        for file in files:
            found.update(Path(file).read_bytes())
        return found.hexdigest()[:16]

    def mutator(self) -> mutator.Mutator:
        """Its inputs; targets with the same seeds still get different ones."""
        own = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "big")
        return mutator.Mutator(self.seeds(), text=self.text, seed=own)


def text_of(data: bytes) -> str:
    """Bytes as a client that believes in UTF-8 hands them on."""
    return data.decode(errors="replace")


def target(
    name: str,
    what: str,
    parse: Callable[[bytes], object],
    found: Callable[[], list[bytes]],
    errors: type[Exception] | tuple[type[Exception], ...],
    *modules: ModuleType,
    text: bool = True,
) -> Target:
    kinds = errors if isinstance(errors, tuple) else (errors,)
    return Target(name, what, parse, found, kinds, modules, text)
