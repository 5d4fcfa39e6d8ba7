"""What headers and a sender's log say of a track: losses, delays, pictures, freezes."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.crowd.link import PAYLOAD_TYPES
from perf.crowd.tracks import Received, Sent, TrackFigures, Window, figures

MS = 1_000_000
HEADER = Struct("!BBHLL")
#: The moment of the first packet: any but 0.
START = 5_000 * MS


class Stream:
    """Packets as they were sent, at even intervals, and how each of them came."""

    def __init__(self, kind: str = "audio", *, first: int = 100, every_ms: int = 20) -> None:
        self.log = Sent(kind, first)
        self.received = Received()
        self._every = every_ms * MS

    def send(self, count: int, *, key: bool = False) -> None:
        """Units of one packet each; of video the first one of this call is a keyframe."""
        for number in range(count):
            place = len(self.log.times)
            self.log.packet(START + place * self._every, 7 + place * 960)
            if self.log.kind == "video":
                self.log.picture(key and number == 0)

    def come(self, places: Iterable[int], *, after_ms: float = 2, shift: int = 0) -> None:
        """These packets arrive, in this order, each so long after it was sent."""
        for place in places:
            kind = self.log.kind
            second = PAYLOAD_TYPES[kind] | (0x80 if kind == "video" else 0)
            number = self.log.first + place + shift & 0xFFFF
            header = HEADER.pack(0x80, second, number, self.log.stamps[place] + shift, 1)
            now = self.log.times[place] + int(after_ms * MS)
            self.received.take(memoryview(header + b"encrypted"), len(header) + 9, now)

    def figures(self, opened_ms: float = 0, closed_ms: float = 1000) -> TrackFigures:
        window = Window(START + int(opened_ms * MS), START + int(closed_ms * MS))
        return figures(self.received.of(PAYLOAD_TYPES[self.log.kind]), self.log, window)


def test_what_was_sent_within_the_window_and_has_not_come_is_lost() -> None:
    stream = Stream()
    stream.send(100)
    stream.come(place for place in range(100) if place not in {0, 10, 11, 40, 60})
    found = stream.figures(opened_ms=200, closed_ms=1000)  # packets 10 to 49
    assert (found.expected, found.lost, found.duplicates) == (40, 3, 0)
    assert found.delays is not None
    assert found.delays.tolist() == [2000.0] * 37
    assert found.jitter_us == 0


def test_silence_at_the_end_is_loss_too() -> None:
    stream = Stream()
    stream.send(50)
    stream.come(range(10))
    assert stream.figures().lost == 40
    nothing = Stream()
    nothing.send(50)
    found = nothing.figures()
    assert (found.expected, found.lost, found.first_ns, found.jitter_us) == (50, 50, None, None)


@given(
    first=st.integers(0, 65_535),
    lost=st.sets(st.integers(1, 199)),
    swapped=st.integers(1, 198),
    twice=st.sets(st.integers(1, 199)),
)
def test_numbers_go_round_and_packets_come_in_any_order(
    first: int, lost: set[int], swapped: int, twice: set[int]
) -> None:
    stream = Stream(first=first, every_ms=5)
    stream.send(200)
    places = [*range(200)]
    places[swapped], places[swapped - 1] = places[swapped - 1], places[swapped]
    come = [place for place in places if place not in lost]
    stream.come(come)
    again = sorted(twice - lost)
    stream.come(again, after_ms=900)
    found = stream.figures()
    assert (found.expected, found.lost) == (200, len(lost))
    assert found.duplicates == len(again)


def test_numbers_of_the_servers_own_give_gaps_but_no_delays() -> None:
    stream = Stream()
    stream.send(50)
    stream.come((place for place in range(50) if place not in {20, 21}), shift=777)
    found = stream.figures()
    assert (found.expected, found.lost) == (50, 2)
    assert found.delays is None
    assert found.jitter_us == pytest.approx(0)


def test_jitter_is_how_much_delays_change() -> None:
    stream = Stream()
    stream.send(50)
    for place in range(50):
        stream.come([place], after_ms=2 if place % 2 else 8)
    assert stream.figures().jitter_us == pytest.approx(6000)


def test_pictures_count_from_the_first_keyframe_on() -> None:
    stream = Stream("video", every_ms=50)
    stream.send(5)
    stream.send(15, key=True)
    stream.come(range(20))
    found = stream.figures()
    assert (found.pictures, found.pictures_sent) == (15, 20)
    assert found.first_ns == stream.log.times[5] + 2 * MS


def test_without_a_keyframe_nothing_can_be_shown() -> None:
    stream = Stream("video", every_ms=50)
    stream.send(1, key=True)
    stream.send(19)
    stream.come(range(1, 20))
    found = stream.figures()
    assert (found.pictures, found.first_ns, found.freezes) == (0, None, 1)


@pytest.mark.parametrize("every_ms", [33, 66, 200])
def test_an_even_picture_does_not_freeze(every_ms: int) -> None:
    stream = Stream("video", every_ms=every_ms)
    stream.send(30, key=True)
    stream.come(range(30))
    for opened in range(0, 400, 17):
        assert stream.figures(opened_ms=opened, closed_ms=opened + 600).freezes == 0


@pytest.mark.parametrize("missing", [range(6, 12), range(10, 20), range(1, 8)])
def test_a_picture_that_stands_is_a_freeze(missing: range) -> None:
    stream = Stream("video", every_ms=50)
    stream.send(20, key=True)
    stream.come(place for place in range(20) if place not in missing)
    assert stream.figures().freezes == 1


def test_a_sender_that_paused_froze_nothing() -> None:
    stream = Stream("video", every_ms=50)
    stream.send(10, key=True)
    for _ in range(10):
        stream.log.packet(
            stream.log.times[-1] + 50 * MS + (len(stream.log.times) == 10) * 400 * MS, 1
        )
        stream.log.picture(False)
    stream.come(range(20))
    assert stream.figures(closed_ms=1400).freezes == 0


def test_a_torn_picture_is_not_shown() -> None:
    stream = Stream("video", every_ms=50)
    stream.log.packet(START, 7)  # the first picture has two packets
    stream.send(10, key=True)
    stream.come([1, *range(2, 11)])
    found = stream.figures()
    assert (found.lost, found.pictures) == (1, 0)
