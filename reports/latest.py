"""The ``latest`` link beside the runs, and the pruning of old ones."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blueprints.errors import ConfigError
from reports.exit_codes import ExitCode, exit_code
from reports.results import read_results

NAME = "latest"
#: How many runs are kept.
KEEP = 20
#: A run that has not ended is taken for cut off, not for running, after this time.
LONGEST_RUN = timedelta(days=2)

_DOOMED = ".pruned-"


def point(run: Path) -> Path:
    """Let ``latest`` beside ``run`` lead to it; return the link.

    There is a link at any moment, never a broken or missing one, also where ``run`` is the
    link itself. Raises OSError where something that is no link has its name.
    """
    run = run.resolve()
    link = run.parent / NAME
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} is no link; move it away")
    fresh = run.parent / f".{NAME}-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(run.name)
    fresh.replace(link)
    return link


def prune(results: Path, *, keep: int = KEEP) -> list[Path]:
    """Remove the oldest runs so that ``keep`` stay; return the removed.

    Never removes the last good run, a run that may still be going on, what ``latest``
    leads to, nor anything that is no run directory.
    """
    for leftover in results.glob(f"{_DOOMED}*"):  # of a pruning that was interrupted
        shutil.rmtree(leftover, ignore_errors=True)
    runs = sorted(
        ((started, path) for path in results.iterdir() if (started := _started(path))),
        reverse=True,
    )
    old = [path for _, path in runs[keep:]]
    if not old:
        return []
    kept = {(results / NAME).resolve(), _last_good([path for _, path in runs])}
    removed = []
    for path in old:
        if path.resolve() not in kept and not _going_on(path):
            doomed = path.with_name(f"{_DOOMED}{path.name}")
            try:
                path.rename(doomed)
            except FileNotFoundError:  # another pruning was faster
                continue
            shutil.rmtree(doomed, ignore_errors=True)
            removed.append(path)
    return removed


def _state(path: Path) -> dict[str, object]:
    """``run.json`` of a run directory that bears its own name; empty for anything else."""
    if path.is_symlink() or path.name.startswith("."):
        return {}
    try:
        data = json.loads((path / "run.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) and data.get("id") == path.name else {}


def _started(path: Path) -> datetime | None:
    return _moment(_state(path).get("started"))


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _going_on(path: Path) -> bool:
    state = _state(path)
    started = _moment(state.get("started"))
    return (
        state.get("ended") is None
        and started is not None
        and datetime.now(UTC) - started < LONGEST_RUN
    )


def _last_good(newest_first: list[Path]) -> Path | None:
    for path in newest_first:
        try:
            if exit_code(read_results(path)) is ExitCode.OK:
                return path.resolve()
        except ConfigError:
            continue
    return None
