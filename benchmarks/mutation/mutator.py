"""Mutated inputs by the batch: the same seeds and the same batch number give the same bytes.

numpy draws all numbers of a batch at once; each input is a seed with one to four mutations.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

import numpy as np

#: Part of what a batch depends on: raise it with every change here.
VERSION = 2
#: Inputs of a batch.
BATCH = 200
#: Bytes of an input at most, whatever was repeated or nested in it.
LONGEST = 1 << 16
_MOST_MUTATIONS = 4
#: Numbers that a mutation has to itself: what to do, where, how far, with what.
_DRAWN = 4

_LENGTHS = (0, 1, 4, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
#: Lengths and numbers at the edges of their types, in both orders of bytes.
_BINARY_NUMBERS = tuple(
    struct.pack(order + form, number & mask)
    for number in (*_LENGTHS, 2**63 - 1, 2**63)
    for form, mask in (("B", 0xFF), ("H", 0xFFFF), ("I", 0xFFFFFFFF), ("Q", 2**64 - 1))
    for order in "<>"
)
_TEXT_NUMBERS = (
    b"0", b"-0", b"-1", b"1e400", b"-1e400", b"1e-400", b"NaN", b"Infinity", b"-Infinity",
    b"2147483648", b"-2147483649", b"9223372036854775808", b"18446744073709551616",
    b"9" * 400, b"9" * 5000, b"0x", b"0b1", b"1_0", b"1.5", b"00", b"1:60", b"253402300800000",
)  # fmt: skip
_BAD_UTF8 = (
    b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80",
    b"\xef\xbb\xbf", b"\xef\xbf\xbe", b"\0", b"\\u0000", b"\\ud800", b"\xe2\x80\xa8",
    b"\xd9\xa1", b"\xc2\xb2",
)  # fmt: skip
_OPENERS = (
    b"[",
    b"{",
    b'{"a":',
    b'[{"a":',
    b"(",
    b"<a>",
    b"- ",
    b"a: ",
    b"? ",
    b"&a [",
    b'"',
    b"'",
)
_TOKENS = (
    b"null", b"true", b"false", b"{}", b"[]", b'""', b"{", b"}", b"[", b"]", b":", b",", b"\n",
    b"\r\n", b"\t", b" ", b"=", b"<", b">", b"</", b"/>", b"&", b"&#0;", b"&amp;", b"<!DOCTYPE a>",
    b"<![CDATA[", b"]]>", b"<!--", b"%", b"../", b"/", b"*a", b"&a ", b"!!int ", b"!!bool x",
    b"!!float ", b"!!timestamp x", b"!!binary x", b"!!python/name:os", b"<<: ", b"---\n", b"...\n",
    b"\x1b[0m", b"\x1b[8mha:", b"$", b"${a}", b"@", b";", b"#", b"-", b"--", b"+", b"\\",
    b"|", b"*",
)  # fmt: skip

Numbers = Sequence[int]


class Mutator:
    """Mutations of ``seeds``. ``text``: the parser reads text, and mutations know of its tokens.

    The seeds' order counts. Raises ValueError when there are none.
    """

    def __init__(self, seeds: Sequence[bytes], *, text: bool, seed: int = 0) -> None:
        if not seeds:
            raise ValueError("no seeds to mutate")
        self._seeds = tuple(seeds)
        self._seed = seed
        general = (_flip, _flip, _set, _set, _cut, _drop, _repeat, self._splice, _binary_number)
        of_text = (_text_number, _swap_token, _token, _nest, _bad_utf8, _swap_words)
        self._acts: tuple[_Act, ...] = (*general, *of_text) if text else general

    def batch(self, number: int) -> Iterator[bytes]:
        """The `BATCH` inputs of one batch."""
        rng = np.random.default_rng((VERSION, self._seed, number))
        seeds = rng.integers(len(self._seeds), size=BATCH).tolist()
        # Few mutations keep most of an input sound, and so reach further into a parser.
        times = np.minimum(rng.geometric(0.5, size=BATCH), _MOST_MUTATIONS).tolist()
        drawn = rng.integers(1 << 32, size=(BATCH, _MOST_MUTATIONS, _DRAWN)).tolist()
        for seed, count, numbers in zip(seeds, times, drawn, strict=True):
            data = bytearray(self._seeds[seed])
            for mine in numbers[:count]:
                self._acts[mine[0] % len(self._acts)](data, mine)
            del data[LONGEST:]
            yield bytes(data)

    def one(self, batch: int, index: int) -> bytes:
        """One input of a batch."""
        return next(data for n, data in enumerate(self.batch(batch)) if n == index)

    def _splice(self, data: bytearray, numbers: Numbers) -> None:
        """The beginning of one seed, then another's end."""
        _, which, at, other_at = numbers
        other = self._seeds[which % len(self._seeds)]
        data[_at(data, at) :] = other[other_at % (len(other) + 1) :]


_Act = Callable[[bytearray, Numbers], None]


def _at(data: bytearray, number: int) -> int:
    return number % (len(data) + 1)


def _flip(data: bytearray, numbers: Numbers) -> None:
    if data:
        data[numbers[1] % len(data)] ^= 1 << numbers[2] % 8


def _set(data: bytearray, numbers: Numbers) -> None:
    if data:
        data[numbers[1] % len(data)] = numbers[2] & 0xFF


def _cut(data: bytearray, numbers: Numbers) -> None:
    del data[_at(data, numbers[1]) :]


def _drop(data: bytearray, numbers: Numbers) -> None:
    at = _at(data, numbers[1])
    del data[at : at + 1 + numbers[2] % 32]


def _repeat(data: bytearray, numbers: Numbers) -> None:
    """A block again and again: twice mostly, a thousand times now and then."""
    _, begin, length, times = numbers
    at = _at(data, begin)
    block = data[at : at + 1 + length % 64]
    count = 1 + (times >> 4) % (1000 if times % 16 == 0 else 4)
    data[at:at] = block * min(count, LONGEST // max(1, len(block)))


def _binary_number(data: bytearray, numbers: Numbers) -> None:
    """A length that lies, or a number at the edge of its type, over what is there."""
    at = _at(data, numbers[1])
    number = _BINARY_NUMBERS[numbers[2] % len(_BINARY_NUMBERS)]
    data[at : at + len(number)] = number


def _text_number(data: bytearray, numbers: Numbers) -> None:
    """Another number instead of one that is there; without one, anywhere."""
    begin = _find(data, numbers[1], b"0123456789")
    end = begin
    while end < len(data) and data[end] in b"0123456789.":
        end += 1
    data[begin:end] = _TEXT_NUMBERS[numbers[2] % len(_TEXT_NUMBERS)]


def _find(data: bytearray, start: int, wanted: bytes) -> int:
    """The next place after a start that has one of the bytes, at most some hundred on."""
    at = _at(data, start)
    return next((n for n in range(at, min(at + 300, len(data))) if data[n] in wanted), at)


def _word(data: bytearray, start: int) -> tuple[int, int]:
    """Where a run of letters, digits and ``_`` begins and ends, near a place."""
    begin = end = _at(data, start)
    while begin and begin > end - 64 and _of_word(data[begin - 1]):
        begin -= 1
    while end < len(data) and end < begin + 128 and _of_word(data[end]):
        end += 1
    return begin, end


def _of_word(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte in b"_"


def _swap_token(data: bytearray, numbers: Numbers) -> None:
    begin, end = _word(data, numbers[1])
    data[begin:end] = _TOKENS[numbers[2] % len(_TOKENS)]


def _swap_words(data: bytearray, numbers: Numbers) -> None:
    """A word of the input in another's place: a known key with another's value."""
    begin, end = _word(data, numbers[1])
    other_begin, other_end = _word(data, numbers[2])
    data[begin:end] = data[other_begin:other_end]


def _token(data: bytearray, numbers: Numbers) -> None:
    at = _at(data, numbers[1])
    data[at:at] = _TOKENS[numbers[2] % len(_TOKENS)]


def _nest(data: bytearray, numbers: Numbers) -> None:
    """Openers by the hundred, by the ten thousand now and then."""
    at = _at(data, numbers[1])
    depth = 20_000 if numbers[3] % 16 == 0 else numbers[3] % 200
    data[at:at] = _OPENERS[numbers[2] % len(_OPENERS)] * depth


def _bad_utf8(data: bytearray, numbers: Numbers) -> None:
    at = _at(data, numbers[1])
    data[at:at] = _BAD_UTF8[numbers[2] % len(_BAD_UTF8)]
