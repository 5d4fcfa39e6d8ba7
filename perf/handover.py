"""How an engine and its Locust process speak: a plan in the environment, a result in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from perf.load import LoadResult

#: Environment variables: the plan as JSON, and the path of the result's file.
PLAN = "IEC4_LOAD_PLAN"
RESULT = "IEC4_LOAD_RESULT"

#: The key of why there is no result.
BROKEN = "broken"


class LoadBroken(Exception):
    """What the process says when it could not put the load on."""


def write_result(result: LoadResult) -> None:
    """Hand over a result; without an engine, there is nobody to take it."""
    _write(result.to_json())


def write_broken(why: str) -> None:
    """Hand over why there is no result."""
    _write({BROKEN: why})


def _write(data: dict[str, Any]) -> None:
    if RESULT in os.environ:
        place = Path(os.environ[RESULT])
        unfinished = place.with_suffix(".new")
        unfinished.write_text(json.dumps(data))
        unfinished.rename(place)


def read(place: Path) -> LoadResult:
    """Take what was handed over; raises `LoadBroken` when that is no result."""
    try:
        data = json.loads(place.read_bytes())
    except FileNotFoundError:
        raise LoadBroken("the load generator left no result") from None
    except (ValueError, RecursionError) as error:
        raise LoadBroken(f"the load generator left a damaged result: {error}") from None
    if not isinstance(data, dict):
        raise LoadBroken(f"the load generator left no result, but a {type(data).__name__}")
    if BROKEN in data:
        raise LoadBroken(str(data[BROKEN]))
    try:
        return LoadResult.from_json(data)
    except ValueError as error:
        raise LoadBroken(f"the load generator left a damaged result: {error}") from None
