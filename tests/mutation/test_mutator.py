"""The same batch has the same inputs, and they are of every kind."""

from __future__ import annotations

import json

import pytest

from benchmarks.mutation.mutator import BATCH, LONGEST, Mutator

SEEDS = [b'{"key": 17, "other": ["word", null]}', b"AAAAAAAAAAAAAAAA"]


def batches(count: int, *, text: bool = True, seed: int = 0) -> list[bytes]:
    mutator = Mutator(SEEDS, text=text, seed=seed)
    return [data for number in range(count) for data in mutator.batch(number)]


def test_a_batch_is_the_same_whenever_it_is_made() -> None:
    assert batches(2) == batches(2)
    assert batches(1) != batches(1, seed=1)
    mutator = Mutator(SEEDS, text=True)
    assert len(list(mutator.batch(3))) == BATCH
    assert mutator.one(3, 77) == list(mutator.batch(3))[77]
    assert list(mutator.batch(3)) != list(mutator.batch(4))


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def test_mutations_of_every_kind_come_up() -> None:
    made = batches(100)
    assert len(set(made)) > len(made) / 2
    assert max(map(len, made)) == LONGEST
    for wanted in (
        b"9" * 400,  # a number that no double holds
        b"[" * 20_000,  # nested deep
        b"\xed\xa0\x80",  # no UTF-8
        b"\xff\xff\xff\xff",  # a length that lies
        b"!!bool x",  # a token
    ):
        assert any(wanted in data for data in made), wanted
    assert any(b'{"key"' in data and data.endswith(b"AAAA") for data in made)  # two seeds in one
    assert b"" in made
    sound = sum(map(_is_json, made)) / len(made)
    assert 0.03 < sound < 0.5  # some reach what is behind the syntax


def test_bytes_have_no_mutations_of_text() -> None:
    assert not any(b"!!bool x" in data for data in batches(40, text=False))


def test_without_seeds_there_is_nothing_to_mutate() -> None:
    with pytest.raises(ValueError, match="no seeds"):
        Mutator([], text=True)
