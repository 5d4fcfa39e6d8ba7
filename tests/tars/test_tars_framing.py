"""Splitting a stream: however it is cut, and with headers that lie."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tars.errors import MalformedFrame
from lab.tars.framing import MAX_FRAME, FrameSplitter, frame_of
from tests.tars.recorded import tars_frames

FRAMES = [recorded.frame for recorded in tars_frames("tarscpp_client_to_tarscpp")]
STREAM = b"".join(FRAMES)


def test_a_stream_in_one_piece() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(STREAM) == FRAMES
    assert splitter.pending == 0


def test_a_stream_byte_by_byte() -> None:
    splitter = FrameSplitter()
    assert [f for n in range(len(STREAM)) for f in splitter.feed(STREAM[n : n + 1])] == FRAMES
    assert splitter.pending == 0


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_a_stream_cut_anywhere(cuts: list[int]) -> None:
    splitter = FrameSplitter()
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(places)]
    assert [frame for piece in pieces for frame in splitter.feed(piece)] == FRAMES


def test_trailing_bytes_wait_for_the_rest() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(STREAM + FRAMES[0][:-1]) == FRAMES
    assert splitter.pending == len(FRAMES[0]) - 1
    assert splitter.feed(FRAMES[0][-1:]) == [FRAMES[0]]


@pytest.mark.parametrize("length", [0, 1, 4, MAX_FRAME + 1, 2**31, 2**32 - 1])
def test_a_length_out_of_bounds_is_refused_with_its_header(length: int) -> None:
    splitter = FrameSplitter()
    with pytest.raises(MalformedFrame, match=f"found: {length} bytes; expected: 5 to 104857600"):
        splitter.feed(length.to_bytes(4, "big"))
    assert splitter.pending == 0


def test_the_bounds_themselves_are_in() -> None:
    smallest = frame_of(b"x")
    assert FrameSplitter().feed(smallest) == [smallest]
    largest = FrameSplitter(max_frame=100)
    assert largest.feed(frame_of(bytes(96))) == [frame_of(bytes(96))]
    with pytest.raises(MalformedFrame):
        largest.feed(frame_of(bytes(97)))


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_noise_gives_frames_or_the_error_and_keeps_little(pieces: list[bytes]) -> None:
    splitter = FrameSplitter(max_frame=256)
    given_bytes = taken = 0
    try:
        for piece in pieces:
            given_bytes += len(piece)
            taken += sum(len(frame) for frame in splitter.feed(piece))
            assert splitter.pending < 256
    except MalformedFrame:
        assert splitter.pending == 0
    else:
        assert taken + splitter.pending == given_bytes
