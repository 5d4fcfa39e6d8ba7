"""Many runs: found below directories, read one after the other, put in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from blueprints.errors import ConfigError
from reports.results import RunResults, read_results

#: Runs that are read at most.
LIMIT = 20_000
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Runs:
    """Runs in the order in which they began; ``unread`` are sentences about the others."""

    runs: tuple[RunResults, ...]
    unread: tuple[str, ...] = ()


def read_runs(paths: Sequence[Path]) -> Runs:
    """Read runs, archives of runs, and all of these that lie directly in a directory.

    Raises `ConfigError` when there is none. A run that lies there twice, as directory and as
    archive, counts once.
    """
    found: dict[tuple[str, datetime | None], RunResults] = {}
    unread: list[str] = []
    places = list(dict.fromkeys(path.resolve() for path in _places(paths)))
    if len(places) > LIMIT:
        raise ConfigError(f"{len(places)} runs are more than {LIMIT}; name fewer")
    for place in places:
        try:
            run = read_results(place)
        except ConfigError as error:
            unread.append(str(error))
            continue
        found.setdefault((run.id, run.started), run)
    if not found:
        where = ", ".join(map(str, paths))
        raise ConfigError("; ".join(unread) or f"there is no run in {where}")
    runs = sorted(found.values(), key=lambda run: (run.started or _NEVER, run.id))
    return Runs(tuple(runs), tuple(unread))


def _places(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir() and not (path / "run.json").exists():
            yield from _below(path)
        else:
            yield path


def _below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        if (path / "run.json").exists() or (path.suffix == ".zip" and path.is_file()):
            yield path
