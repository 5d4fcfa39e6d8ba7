from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.classroom_backend.running import Backend, running_backend


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with running_backend(tmp_path_factory.mktemp("home")) as backend:
        yield backend


@pytest.fixture
def classroom_lab(classroom: Backend, tmp_path: Path) -> Path:
    """The inventory of a lab that has nothing but an adopted classroom."""
    return write_lab(
        tmp_path,
        classroom={
            "adopted": True,
            "endpoints": {"api": classroom.url},
            "secrets": {"api": f"file:{classroom.home / 'secret'}"},
            "ca": str(classroom.ca),
        },
    )


def write_lab(directory: Path, **systems: object) -> Path:
    """An inventory of adopted systems and no hosts, with the embedded lab's thresholds."""
    place = directory / "lab.yaml"
    place.write_text(
        yaml.safe_dump(
            {"name": "under-test", "kind": "real", "profile": "embedded", "hosts": {}}
            | {"systems": systems}
        )
    )
    return place
