"""The bounded process: one parser, batch after batch, and every line on stdout an outcome.

Started by `watch`, which reads from a shared file how far it is. Lines are JSON: ``finding``s,
and after each window ``window`` with counts and memory. Ends by itself after its time.
"""

from __future__ import annotations

import gc
import json
import linecache
import logging
import mmap
import resource
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.checkout import ROOT
from benchmarks.mutation.mutator import Mutator
from benchmarks.mutation.target import Target

#: Address space that the process may have, bytes: what it needs to import, and room.
MEMORY = 2 << 30
#: A window: its memory is looked at afterwards.
WINDOW_S = 2.0
#: An input is slow when it takes this many times the median of its size, and this long.
SLOW_TIMES = 100
SLOW_S = 0.02
#: Ways in which one parser fails that are told apart; more are not looked at.
MOST_FINDINGS = 20

#: In the shared file: the batch, and the index in it of the input that is being read.
PLACE = struct.Struct("=QQ")


@dataclass
class Finding:
    """``kind``: undocumented, slow, hang, crash or growth; ``site``: where, as far as is known."""

    kind: str
    site: str
    says: str
    data: bytes

    def to_json(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "site": self.site,
            "says": self.says[:300],
            "input": self.data[:4096].hex(),
        }


@dataclass
class Trial:
    """What came of one parser's inputs so far, in this process."""

    target: Target
    ran: int = 0
    accepted: int = 0
    refused: int = 0
    found: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def batch(
        self,
        inputs: Mutator,
        number: int,
        *,
        first: int = 0,
        reached: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Read one batch's inputs from ``first`` on; ``reached`` is told of each before it is."""
        clock = time.perf_counter
        times: list[tuple[float, bytes]] = []
        for index, data in enumerate(inputs.batch(number)):
            if index < first:
                continue
            reached(index)
            begin = clock()
            self.read(data)
            times.append((clock() - begin, data))
        self._judge_times(times)

    def read(self, data: bytes) -> None:
        """Have the parser read one input, and count what came of it."""
        self.ran += 1
        try:
            self.target.parse(data)
            self.accepted += 1
        except self.target.errors:
            self.refused += 1
        except Exception as error:  # noqa: BLE001 - any other is what is looked for
            self._undocumented(error, data)

    def _undocumented(self, error: Exception, data: bytes) -> None:
        site = _site(error)
        key = ("undocumented", site)
        if key in self.found or len(self.found) >= MOST_FINDINGS:
            return
        says = f"{type(error).__name__}: {error}"

        def same(smaller: bytes) -> bool:
            try:
                self.target.parse(smaller)
            except self.target.errors:
                return False
            except Exception as other:  # noqa: BLE001 - as above
                return _site(other) == site
            return False

        self.found[key] = Finding(*key, says, smallest(data, same))

    def _judge_times(self, times: list[tuple[float, bytes]]) -> None:
        if not times:
            return
        median_s = sorted(taken for taken, _ in times)[len(times) // 2]
        median_size = max(64, sorted(len(data) for _, data in times)[len(times) // 2])
        for taken, data in times:
            allowed = max(SLOW_S, SLOW_TIMES * median_s * max(1.0, len(data) / median_size))
            if taken <= allowed or ("slow", "") in self.found:
                continue
            # Once more, and by the processor's clock: another process may have had its turn.
            again = min(self._cpu_seconds(data) for _ in range(3))
            if again > allowed:
                says = f"{again:.3f} s for {len(data)} bytes; median {median_s:.6f} s"
                self.found["slow", ""] = Finding("slow", "", says, data)

    def _cpu_seconds(self, data: bytes) -> float:
        begin = time.process_time()
        with suppress(Exception):
            self.target.parse(data)
        return time.process_time() - begin


def _site(error: Exception) -> str:
    """The exception's class, and the line of ours that it came through last."""
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(str(ROOT)) and "/.iec4/" not in frame.filename
    ]
    if not ours:
        return type(error).__name__
    file = Path(ours[-1].filename).relative_to(ROOT)
    return f"{type(error).__name__} at {file}: {(ours[-1].line or '').strip()[:80]}"


def smallest(data: bytes, same: Callable[[bytes], bool], *, tries: int = 400) -> bytes:
    """``data`` with whatever can be left out while ``same`` holds."""
    size = max(1, len(data) // 2)
    while size and tries > 0:
        at = 0
        while at < len(data) and tries > 0:
            smaller = data[:at] + data[at + size :]
            tries -= 1
            if same(smaller):
                data = smaller
            else:
                at += size
        size //= 2
    return data


def rss_kib() -> int:
    """Resident memory after everything that can be freed was."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


@dataclass(frozen=True)
class Work:
    """Where to begin, and when to end: after so many inputs, or seconds."""

    first_batch: int
    first_index: int
    inputs: int
    seconds: int


def main(argv: list[str]) -> None:
    """``CATALOGUE NAME PLACE`` and the numbers of `Work`."""
    from importlib import import_module

    module, name, place, *numbers = argv
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    target = next(one for one in import_module(module).TARGETS if one.name == name)
    with Path(place).open("r+b") as file, mmap.mmap(file.fileno(), PLACE.size) as shared:
        _run(Trial(target), target.mutator(), shared, Work(*map(int, numbers)))


def _run(trial: Trial, inputs: Mutator, shared: mmap.mmap, work: Work) -> None:
    batch, index = work.first_batch, work.first_index
    ends = time.monotonic() + work.seconds
    window_ends = 0.0
    told: set[tuple[str, str]] = set()
    while trial.ran < work.inputs and time.monotonic() < ends:
        number = batch

        def reached(at: int, number: int = number) -> None:
            PLACE.pack_into(shared, 0, number, at)

        trial.batch(inputs, batch, first=index, reached=reached)
        batch, index = batch + 1, 0
        for key in trial.found.keys() - told:
            _tell(finding=trial.found[key].to_json())
            told.add(key)
        if time.monotonic() >= window_ends:
            linecache.clearcache()
            _window(trial, batch)
            window_ends = time.monotonic() + WINDOW_S
    _window(trial, batch)


def _window(trial: Trial, next_batch: int) -> None:
    _tell(
        window={
            "next_batch": next_batch,
            "ran": trial.ran,
            "accepted": trial.accepted,
            "refused": trial.refused,
            "rss_kib": rss_kib(),
        }
    )


def _tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
