"""The parts of the engines, against plain ways to do the same."""

from __future__ import annotations

import platform
import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.tars.errors import MalformedFrame
from lab.tars.framing import FrameSplitter
from lab.tars.packets import RequestPacket, ResponsePacket, answer, request
from perf.engines.call import echo_call
from perf.engines.flights import Flights, Stray
from perf.engines.tally import Recorder, Tally
from perf.engines.wire import FIRST_ID, LAST_ID, Inbox, Shape, Stamp, id_column
from perf.histogram import RELATIVE_ERROR

CALL = echo_call()


def reply(request_id: int, body: bytes = CALL.answer, *, ret: int = 0, desc: str = "") -> bytes:
    asked = request(request_id, "a.b.c", "f")
    return answer(asked, body, ret=ret, result_desc=desc or None).to_frame()


def shape_of(frame: bytes, varying: slice | None = None) -> Shape:
    packet = ResponsePacket.from_frame(frame)
    found = Shape.of(frame, packet.request_id, ResponsePacket.from_frame, varying)
    assert found is not None
    return found


SHAPE = shape_of(reply(FIRST_ID))

frames = st.one_of(
    st.builds(reply, st.integers(FIRST_ID, LAST_ID)),
    st.builds(reply, st.integers(1, LAST_ID), st.binary(max_size=40)),
    st.builds(reply, st.integers(FIRST_ID, LAST_ID), ret=st.just(-9)),
    st.builds(reply, st.integers(FIRST_ID, LAST_ID), desc=st.text(max_size=5)),
)


@given(st.lists(frames, max_size=30), st.lists(st.integers(1, 200), min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_a_stream_is_split_as_by_the_splitter_however_it_is_cut(
    sent: list[bytes], cuts: list[int]
) -> None:
    stream, inbox, found, turn = b"".join(sent), Inbox(capacity=128), [], 0
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        while stream:
            step = cuts[turn % len(cuts)]
            turn += 1
            far.sendall(stream[:step])
            stream = stream[step:]
            while arrived(inbox, near):
                block, others = inbox.split(SHAPE)
                assert all(is_good(row.tobytes()) for row in block)
                assert not any(is_good(frame) for frame in others)
                found += [row.tobytes() for row in block] + others
    assert sorted(found) == sorted(sent)
    assert inbox.pending == 0


def arrived(inbox: Inbox, near: socket.socket) -> bool:
    try:
        return inbox.read(near) > 0
    except BlockingIOError:
        return False


def is_good(frame: bytes) -> bool:
    begin, end = SHAPE.id_at, SHAPE.id_at + 4
    return frame[:begin] + SHAPE.frame[begin:end] + frame[end:] == SHAPE.frame


def test_frames_longer_than_the_inbox_find_room_up_to_a_bound() -> None:
    inbox = Inbox(capacity=64, max_frame=4096)
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        long = reply(FIRST_ID, bytes(3000))
        far.sendall(long)
        found: list[bytes] = []
        while arrived(inbox, near):
            found += inbox.split(SHAPE)[1]
        assert found == [long]
        far.sendall(reply(FIRST_ID, bytes(5000)))
        assert arrived(inbox, near)
        with pytest.raises(MalformedFrame):
            inbox.split(SHAPE)


@given(st.lists(st.integers(FIRST_ID, LAST_ID), min_size=1, max_size=50))
def test_stamped_frames_are_those_that_are_written_one_by_one(ids: list[int]) -> None:
    stamp = Stamp(CALL.request_shape(3.0), 50)
    made = stamp.frames_with(np.array(ids)).tobytes()
    for frame, request_id in zip(FrameSplitter().feed(made), ids, strict=True):
        packet = RequestPacket.from_frame(frame)
        assert packet.request_id == request_id
        assert (packet.servant, packet.function) == (CALL.servant, CALL.function)
        assert (packet.body, packet.timeout_ms) == (CALL.body, 3000)


def test_a_shape_s_id_is_not_mistaken_for_the_same_bytes_elsewhere() -> None:
    request_id = 0x41424344
    frame = reply(request_id, b"ABCD" * 3)
    shape = shape_of(frame)
    assert frame.count(b"ABCD") == 4
    assert shape.id_at == frame.index(b"ABCD")
    before = request(request_id, "ABCD.ABCD", "ABCD", b"ABCD").to_frame()
    found = Shape.of(before, request_id, RequestPacket.from_frame)
    assert found is not None
    assert id_column(np.frombuffer(before, np.uint8).reshape(1, -1), found)[0] == request_id


def test_short_ids_have_no_shape() -> None:
    assert Shape.of(reply(7), 7, ResponsePacket.from_frame) is None
    assert Shape.of(reply(300), 300, ResponsePacket.from_frame) is None


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_flights_are_matched_as_with_a_dictionary(data: st.DataObject) -> None:
    flights = Flights(8, 1, 3)
    under_way: dict[int, int] = {}
    answered: list[int] = []
    for moment in range(data.draw(st.integers(1, 40))):
        if flights.free and data.draw(st.booleans()):
            count = data.draw(st.integers(1, flights.free))
            ids = flights.begin(count, moment).tolist()
            assert len(set(ids)) == count
            assert not set(ids) & (set(under_way) | set(answered))
            assert all(FIRST_ID <= one <= LAST_ID for one in ids)
            under_way |= dict.fromkeys(ids, moment)
        else:
            known = st.sampled_from(sorted(under_way) + answered[-5:] + [FIRST_ID, LAST_ID])
            replies = data.draw(st.lists(known, min_size=1, max_size=10))
            since, strays = flights.end(np.array(replies))
            fine = [one in under_way and one not in replies[:n] for n, one in enumerate(replies)]
            expected = [under_way.pop(one) for one, ok in zip(replies, fine, strict=True) if ok]
            answered += [one for one, ok in zip(replies, fine, strict=True) if ok]
            assert since.tolist() == expected
            assert (strays is None) == all(fine)
            if strays is not None:
                assert (~strays).tolist() == fine
        assert flights.under_way == len(under_way)


def test_why_a_reply_answers_nothing() -> None:
    flights = Flights(4, 0, 2)
    first, second = flights.begin(2, 10).tolist()
    flights.end(np.array([first]))
    assert flights.stray(first) is Stray.DUPLICATE
    assert flights.give_up(11).tolist() == [10]
    assert flights.stray(second) is Stray.LATE
    following = flights.begin(4, 20).tolist()
    assert {first, second}.isdisjoint(following)
    assert flights.stray(first) is Stray.DUPLICATE
    assert flights.stray(second) is Stray.LATE
    assert flights.stray(max(following) + 1000) is Stray.UNKNOWN
    theirs = Flights(4, 1, 2).begin(1, 0)
    assert flights.stray(int(theirs[0])) is Stray.UNKNOWN


def test_ids_that_are_used_up_begin_again() -> None:
    # Two slots of a table so wide that a slot has a handful of ids.
    flights = Flights(2, 0, 2**28 // 2)
    waiting = flights.begin(1, 0)
    seen = []
    for moment in range(100):
        ids = flights.begin(1, moment)
        assert ids[0] != waiting[0]
        assert FIRST_ID <= ids[0] <= LAST_ID
        since, strays = flights.end(ids)
        assert (since.tolist(), strays) == ([moment], None)
        seen.append(int(ids[0]))
    assert 2 < len(set(seen)) < 10
    assert flights.end(waiting)[1] is None


@pytest.mark.skipif(platform.machine() != "x86_64", reason="hdrhistogram has no arm64 wheel")
def test_what_a_tally_counts_has_the_percentiles_of_hdrhistogram() -> None:
    from hdrh.histogram import HdrHistogram

    chance = np.random.default_rng(1)
    latencies = (chance.lognormal(13, 1, 30_000) + 1000).astype(np.int64)
    oracle, tally, now = HdrHistogram(1, 10**11, 4), Tally(), 10**12
    tally.open(now - 10**11)
    for batch in np.split(latencies, [1, 3, 10, 500, 9_000, 9_001]):
        assert tally.succeed(now - batch, now) is None
    for latency in latencies.tolist():
        oracle.record_value(latency)
    tally.close(now)
    tally.finish(now)
    assert tally.latencies.count == len(latencies)
    for percent in (1, 50, 90, 99, 99.9):
        expected = oracle.get_value_at_percentile(percent) / 1000
        found = tally.latencies.percentile(percent)
        assert found == pytest.approx(expected, rel=RELATIVE_ERROR + 1e-3)


def test_a_recorder_takes_batches_of_any_size() -> None:
    recorder = Recorder()
    recorder.add(5_000, 20_000)
    recorder.add(np.arange(1_000, 10_001_000, 1_000), 10_000)
    recorder.add(np.array([7_000]), 1)
    assert recorder.histogram.count == 30_001
    assert recorder.histogram.max == 10_000
    assert recorder.histogram.percentile(50) == pytest.approx(5, rel=RELATIVE_ERROR)


def test_what_began_before_the_window_does_not_count() -> None:
    tally = Tally()
    tally.succeed(np.array([1]), 2)
    tally.open(100)
    counted = tally.succeed(np.array([99, 100, 150]), 200)
    assert counted is not None
    assert counted.tolist() == [False, True, True]
    tally.fail("why", np.array([99, 120]), 210, ret=-1)
    tally.close(300)
    tally.succeed(np.array([250]), 400)
    tally.finish(400)
    assert tally.latencies.count == 3
    assert tally.succeeded_in_window == 2
    assert tally.failures == {"why": 1}
    assert tally.returns == {0: 3, -1: 1}
