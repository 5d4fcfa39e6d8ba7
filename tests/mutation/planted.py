"""Parsers with one fault each, for the watch to find."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

from benchmarks.mutation.target import Target

#: Found in some of a hundred mutated inputs, and in no seed.
BAD = b"\xff"
SEED = b'{"a": 1, "b": [2, 3], "c": "some words"}'

_kept: list[bytes] = []


def _undocumented(data: bytes) -> None:
    if BAD in data:
        raise KeyError("not told of")


def _hangs(data: bytes) -> None:
    while BAD in data:
        pass


def _dies(data: bytes) -> None:
    if BAD in data:
        os.abort()


def _is_greedy(data: bytes) -> None:
    if BAD in data:
        bytearray(1 << 40)


def _grows(data: bytes) -> None:
    _kept.append(bytes(900) + data)  # a million of them fit in the process's 2 GiB


def _is_slow(data: bytes) -> None:
    if BAD in data:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass


def _is_sound(data: bytes) -> None:
    json.loads(data)


def _target(parse: Callable[[bytes], None], *errors: type[Exception]) -> Target:
    name = parse.__name__.strip("_")
    module = sys.modules[__name__]
    return Target(name, "", parse, lambda: [SEED], errors, (module,))


TARGETS = (
    _target(_undocumented),
    _target(_hangs),
    _target(_dies),
    _target(_is_greedy),
    _target(_grows),
    _target(_is_slow),
    _target(_is_sound, ValueError, RecursionError),
)
BY_NAME = {target.name: target for target in TARGETS}
