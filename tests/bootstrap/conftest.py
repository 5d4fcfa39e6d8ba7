"""Places for clones: outside pytest's own, which only its user may enter."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.clones import Clone, said, small_clone


@pytest.fixture(scope="session")
def open_place() -> Iterator[Path]:
    """A directory that every user may enter, with caches for pip and uv that all share."""
    with tempfile.TemporaryDirectory(prefix="iec4-clones-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


@pytest.fixture(scope="session")
def shared_cache(open_place: Path) -> dict[str, str]:
    """Variables that let the clones of this session fetch each package once."""
    cache = open_place / "cache"
    cache.mkdir()
    return {"PIP_CACHE_DIR": str(cache / "pip"), "UV_CACHE_DIR": str(cache / "uv")}


@pytest.fixture(scope="session")
def made_once(open_place: Path, shared_cache: dict[str, str]) -> Clone:
    return small_clone(open_place / "made", env=shared_cache)


@pytest.fixture
def made(made_once: Clone) -> Clone:
    """A small clone whose environment is complete, whatever other tests did to it."""
    said(made_once.start())
    assert made_once.complete()
    return made_once
