"""Guards a trial's process: a hang or a death is a finding, and the next input's turn comes."""

from __future__ import annotations

import json
import mmap
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from typing import IO, Any

from benchmarks.checkout import ROOT
from benchmarks.mutation.target import Target
from benchmarks.mutation.trial import PLACE, Finding, Work

#: An input that takes longer than this hangs.
HANG_S = 20.0
#: A process that does not come to its first input in this time will not do so.
START_S = 90.0
#: Hangs and deaths of one parser that are looked at in one sitting.
MOST_STOPS = 5
#: Memory that a process may take on after its second window without a word, KiB.
GROWTH_KIB = 16 * 1024
#: Windows without which nothing is said of growth.
_WINDOWS = 4
_LOOK_S = 0.5
_NOWHERE = 2**64 - 1


class TrialBroken(Exception):
    """The process did not come to its first input; the text has its last words."""


@dataclass
class Sitting:
    """What came of a sitting: ``next_batch`` is where the next goes on."""

    next_batch: int
    ran: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    growth_kib: int = 0
    findings: list[dict[str, str]] = field(default_factory=list)


def sit(
    target: Target,
    *,
    first_batch: int,
    inputs: int,
    seconds: float,
    catalogue: str = "benchmarks.mutation.catalogue",
    hang_s: float = HANG_S,
) -> Sitting:
    """Try a parser on that many inputs, or for that long. Raises `TrialBroken`."""
    sitting = Sitting(first_batch)
    begin = time.monotonic()
    index = 0
    for _ in range(MOST_STOPS):
        left = seconds - (time.monotonic() - begin)
        if sitting.ran >= inputs or left < 1:
            break
        work = Work(sitting.next_batch, index, inputs - sitting.ran, max(1, int(left)))
        process = _Process(catalogue, target, work, hang_s)
        process.run()
        process.add_to(sitting)
        if process.stopped is None:
            break
        kind, says, batch, index = process.stopped
        data = target.mutator().one(batch, index)
        sitting.findings.append(Finding(kind, "", says, data).to_json())
        sitting.next_batch, index = batch, index + 1
    sitting.seconds = time.monotonic() - begin
    return sitting


class _Process:
    """One process from its start to its end. ``stopped``: what an input did to it, and which.

    What it counted in a window that it did not live to tell is counted by nobody.
    """

    def __init__(self, catalogue: str, target: Target, work: Work, hang_s: float) -> None:
        self.stopped: tuple[str, str, int, int] | None = None
        self._target = target
        self._names = [catalogue, target.name]
        self._work = work
        self._hang_s = hang_s
        self._last: dict[str, int] = {}
        self._memory: list[int] = []
        self._findings: list[dict[str, str]] = []

    def run(self) -> None:
        """Raises `TrialBroken`."""
        with (
            tempfile.TemporaryDirectory(prefix="iec4-mutation-") as own,
            tempfile.NamedTemporaryFile() as shared,
            tempfile.TemporaryFile() as errors,
        ):
            shared.write(PLACE.pack(_NOWHERE, 0))
            shared.flush()
            argv = [sys.executable, "-m", "benchmarks.mutation.trial", *self._names, shared.name]
            argv += [str(number) for number in astuple(self._work)]
            with (
                subprocess.Popen(
                    argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, env=_environment(own)
                ) as process,
                mmap.mmap(shared.fileno(), PLACE.size) as place,
            ):
                assert process.stdout is not None  # it is a pipe
                hung = self._follow(process.stdout, place)
                if hung:
                    process.kill()
                process.wait()
                batch, index = PLACE.unpack_from(place)
            if batch == _NOWHERE:
                errors.seek(0)
                words = errors.read().decode(errors="replace").strip()
                raise TrialBroken(f"{self._target.name}: {words[-500:] or 'no input in time'}")
        if hung:
            self.stopped = ("hang", f"no end in {self._hang_s:g} s", batch, index)
        elif process.returncode:
            self.stopped = ("crash", f"it ended with {process.returncode}", batch, index)

    def _follow(self, out: IO[bytes], place: mmap.mmap) -> bool:
        """Take the process's words to its end; whether it hung instead."""
        reached, since = PLACE.unpack_from(place), time.monotonic()
        for line in _lines(out):
            if line is not None:
                self._take(json.loads(line))
                continue
            now = PLACE.unpack_from(place)
            if now != reached:
                reached, since = now, time.monotonic()
            elif time.monotonic() - since > (START_S if now[0] == _NOWHERE else self._hang_s):
                return True
        return False

    def _take(self, told: dict[str, Any]) -> None:
        if "finding" in told:
            self._findings.append(told["finding"])
        else:
            self._last = told["window"]
            self._memory.append(self._last["rss_kib"])

    def add_to(self, sitting: Sitting) -> None:
        """Its counts and findings, and a finding for memory that went on growing.

        Growth is much since the second window, and still some in the last half: the first
        window fills caches that are bounded.
        """
        sitting.findings += self._findings
        if self._last:
            sitting.ran += self._last["ran"]
            sitting.accepted += self._last["accepted"]
            sitting.refused += self._last["refused"]
            sitting.next_batch = self._last["next_batch"]
        memory = self._memory
        if len(memory) < _WINDOWS:
            return
        grown, middle = memory[-1] - memory[1], memory[len(memory) // 2]
        sitting.growth_kib = max(sitting.growth_kib, grown)
        if grown > GROWTH_KIB and memory[-1] - middle > GROWTH_KIB // 4:
            says = f"{memory[1]} KiB, {middle} KiB half way, {memory[-1]} KiB at the end"
            sitting.findings.append(Finding("growth", "", says, b"").to_json())


def _environment(own: str) -> dict[str, str]:
    """A directory for its files, and one thread: the other cores are other people's."""
    return {**os.environ, "TMPDIR": own, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _lines(out: IO[bytes]) -> Iterator[bytes | None]:
    """Whole lines as they come; None whenever none came for a while."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        while True:
            if not selector.select(_LOOK_S):
                yield None
                continue
            data = os.read(out.fileno(), 1 << 16)
            if not data:
                return
            *whole, rest = (rest + data).split(b"\n")
            yield from whole
            yield None
