"""What FFmpeg reads of our WebM files, and what frames are made of packets that come astray."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from itertools import cycle, pairwise

import av
import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rtp import RtpPacket

from lab.classroom.embedded.frames import Frame, FrameReader, begins_key_frame, picture_size
from lab.classroom.embedded.webm import CLUSTER_MS, Block, Track, write_webm

#: A VP8 key frame's first bytes: its tag, the start code, 320 and 240.
KEY = b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00"
INTER = b"\x11\x02\x00 more of it"
#: Lengths around which EBML sizes get a byte longer; a block has 4 bytes and KEY before them.
LENGTHS = (1, 112, 113, 114, 16_368, 16_369, 16_370)


def written(tracks: list[Track], blocks: list[Block]) -> tuple[bytes, int]:
    file = io.BytesIO()
    length_ms = write_webm(file, tracks, blocks)
    return file.getvalue(), length_ms


def test_every_byte_comes_back_at_its_time() -> None:
    chance = random.Random(1)  # noqa: S311 - content, the same each time
    times = [*range(0, 3 * CLUSTER_MS, 700), 40_000, 40_000 + CLUSTER_MS]
    blocks = [
        Block(int(length > 1000 or i % 2), at, True, KEY + chance.randbytes(length))
        for i, (at, length) in enumerate(zip(times, cycle(LENGTHS), strict=False))
    ]
    data, length_ms = written([Track(), Track((320, 240))], blocks)
    assert length_ms == times[-1] + 20
    with av.open(io.BytesIO(data)) as file:
        assert file.format.name == "matroska,webm"
        assert file.duration == length_ms * 1000
        audio, video = file.streams
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("opus", 48_000)
        assert (video.codec_context.width, video.codec_context.height) == (320, 240)
        found = [
            (packet.stream.index, float(packet.pts * packet.time_base), bytes(packet))
            for packet in file.demux()
            if packet.pts is not None
        ]
    found.sort(key=lambda packet: packet[1])  # FFmpeg holds sound back
    assert found == [(block.track, block.at_ms / 1000, block.data) for block in blocks]


def test_a_file_of_nothing_is_still_one() -> None:
    data, length_ms = written([], [])
    assert length_ms == 0
    assert data.startswith(b"\x1a\x45\xdf\xa3")


def packets(
    payloads: list[bytes], *, since: int = 65_530, ssrc: int = 1, step: int = 6000
) -> list[RtpPacket]:
    """One packet a frame, from sequence number ``since`` on, which wraps."""
    return [
        RtpPacket(
            payload_type=96,
            sequence_number=(since + i) & 0xFFFF,
            timestamp=(0xFFFFFF00 + i * step) & 0xFFFFFFFF,
            ssrc=ssrc,
            marker=1,
            payload=bytes(VpxPayloadDescriptor(partition_start=1, partition_id=0)) + payload,
        )
        for i, payload in enumerate(payloads)
    ]


class Reader:
    """A reader of video with a clock that a test sets, and a count of what it asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.reader = FrameReader("video", keyframe=self._ask, clock=lambda: self.now)

    def _ask(self) -> None:
        self.asked += 1

    def take(self, packets: list[RtpPacket], *, every_s: float = 1 / 15) -> Iterator[Frame]:
        for packet in packets:
            yield from self.reader.add(packet)
            self.now += every_s


def test_frames_come_in_their_order_and_at_their_times() -> None:
    reader = Reader()
    sent = packets([KEY, *(INTER + bytes([i]) for i in range(20))])
    sent[4], sent[5] = sent[5], sent[4]
    frames = list(reader.take(sent))
    assert [frame.data for frame in frames[:6]] == [KEY, *(INTER + bytes([i]) for i in range(5))]
    assert [frame.key for frame in frames[:2]] == [True, False]
    assert frames[0].size == (320, 240)
    gaps = [later.at_ms - earlier.at_ms for earlier, later in pairwise(frames)]
    assert gaps == pytest.approx([67] * len(gaps), abs=1)
    assert reader.asked == 0


def test_a_loss_is_waited_for_and_then_a_key_frame_is_asked_for() -> None:
    reader = Reader()
    sent = packets([KEY, *(INTER + bytes([i]) for i in range(100))])
    lost = sent.pop(3)
    frames = list(reader.take(sent[:20]))
    assert len(frames) == 3
    assert reader.asked == 0
    frames += reader.take(sent[20:])
    frames += reader.reader.add(lost)  # too late
    assert reader.asked == 1
    assert [frame.data for frame in frames] == [
        KEY, *(INTER + bytes([i]) for i in range(100) if i != 2)
    ]  # fmt: skip


def test_what_waits_at_the_end_is_not_lost() -> None:
    reader = Reader()
    sent = packets([KEY, *[INTER] * 20])
    del sent[3]
    frames = [*reader.take(sent), *reader.reader.rest()]
    assert len(frames) == len(sent)


def test_a_picture_of_which_a_part_is_lost_is_left_out() -> None:
    def parts(number: int, key: bool) -> list[RtpPacket]:
        head = packets([KEY if key else INTER], since=3 * number)[0]
        more = packets([b"second", b"third"], since=3 * number + 1)
        for packet in more:
            packet.payload = b"\x00" + packet.payload[1:]
        head.marker = more[0].marker = 0
        for packet in (head, *more):
            packet.timestamp = number * 6000
        return [head, *more]

    reader = Reader()
    sent = [packet for i in range(40) for packet in parts(i, key=i == 0)]
    del sent[7]
    frames = list(reader.take(sent, every_s=0.02))
    assert frames[0].data == KEY + b"secondthird"
    assert len(frames) == 39


def test_a_publisher_that_starts_again_goes_on_from_the_clock() -> None:
    reader = Reader()
    before = list(reader.take(packets([KEY, *[INTER] * 10])))
    reader.now += 1.0
    after = list(reader.take(packets([KEY, *[INTER] * 10], since=9, ssrc=2)))
    assert after[0].key
    assert 900 < after[0].at_ms - before[-1].at_ms < 1300


def test_a_timestamp_that_jumps_is_not_believed() -> None:
    reader = Reader()
    sent = packets([KEY, *[INTER] * 10])
    for packet in sent[5:]:
        packet.timestamp = packet.timestamp + 90_000 * 3600 & 0xFFFFFFFF
    assert max(frame.at_ms for frame in reader.take(sent)) < 1000


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        KEY[:9],
        INTER,
        b"\x11" + KEY[1:],
        KEY[:6] + bytes(4),
        b"\x10\x02\x00\x9d\x01\x2b@\x01\xf0\x00",
    ],
)
def test_what_is_no_key_frame(frame: bytes) -> None:
    assert picture_size(frame) is None
    assert not begins_key_frame(b"\x10" + frame)
    assert not begins_key_frame(frame[:1])
