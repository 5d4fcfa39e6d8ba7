"""What was seen so far, kept in the run directory: a line for each thing, written at once.

Whatever ended a proof, what it had seen is there; a last line that is not whole is none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.prove_outcomes import Seen, Tried
from pipeline.prove_plan import Trial


class Log:
    """``proof/log.jsonl`` of a run directory, and what it says.

    ``clean``: verdicts without any fault, the latest. ``tried``: by fault. ``labs``: why each
    lab was made, in their order.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "log.jsonl"
        self.clean: dict[str, Seen] = {}
        self.tried: dict[str, Tried] = {}
        self.labs: list[str] = []
        if self._file.exists():
            self._read()

    def saw_clean(self, seen: dict[str, Seen]) -> None:
        self.clean |= seen
        self._write({"clean": seen})

    def saw(self, tried: Tried) -> None:
        self.tried[tried.trial.fault] = tried
        self._write({"tried": asdict(tried)})

    def made_lab(self, why: str) -> None:
        self.labs.append(why)
        self._write({"lab": why})

    def left(self, trials: Collection[Trial]) -> list[Trial]:
        """Those of the trials that have not been tried as they are planned now."""
        return [
            trial
            for trial in trials
            if trial.fault not in self.tried or self.tried[trial.fault].trial != trial
        ]

    def _write(self, line: dict[str, Any]) -> None:
        with self._file.open("a") as log:
            log.write(json.dumps(line) + "\n")
            log.flush()
            os.fsync(log.fileno())

    def _read(self) -> None:
        whole, newline, _ = self._file.read_bytes().rpartition(b"\n")
        with self._file.open("rb+") as log:
            log.truncate(len(whole) + len(newline))
        for line in whole.splitlines():
            entry = json.loads(line)
            if "clean" in entry:
                self.clean |= _seen(entry["clean"])
            elif "tried" in entry:
                tried = _tried(entry["tried"])
                self.tried[tried.trial.fault] = tried
            else:
                self.labs.append(entry["lab"])


def _seen(found: dict[str, list[str]]) -> dict[str, Seen]:
    return {identifier: Seen(*both) for identifier, both in found.items()}


def _tried(found: dict[str, Any]) -> Tried:
    trial = found["trial"]
    for ids in ("own", "within", "outside"):
        trial[ids] = tuple(trial[ids])
    seen = {name: _seen(found[name]) for name in ("faulty", "cleared")}
    return Tried(**{**found, **seen, "trial": Trial(**trial)})
