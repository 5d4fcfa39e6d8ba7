"""One recording on disk: spools while it runs, a file for players in the end.

OpenVidu makes one picture of all streams (COMPOSED, MP4) or a WebM for each of them in a ZIP
archive with a JSON file of their times (INDIVIDUAL). Nothing is decoded here, so COMPOSED is a
WebM in which each stream has tracks of its own. Source of names and fields: openvidu-server
2.13.0's Recording, RecorderEndpointWrapper and SingleStreamRecordingService.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from struct import Struct
from typing import Any, Protocol
from zipfile import ZipFile

from aiortc.rtp import RtpPacket

from lab.classroom.embedded.frames import Frame, FrameReader
from lab.classroom.embedded.model import Participant
from lab.classroom.embedded.options import RecordingRequest
from lab.classroom.embedded.webm import Block, Track, write_webm
from lab.classroom.messages import Stream
from lab.classroom.records import Happening, Record

#: A spooled frame: audio (0) or video (1), key frame, milliseconds, length; then the frame.
_SPOOLED = Struct("!B?II")
_KINDS = ("audio", "video")


@dataclass(frozen=True)
class Recording:
    """A recording as REST shows it. ``size`` in bytes and ``duration`` in seconds: when ready."""

    id: str
    session_id: str
    created_at: int
    request: RecordingRequest
    status: str = "started"
    size: int = 0
    duration: float = 0.0
    url: str | None = None

    @property
    def name(self) -> str:
        return self.request.name or self.id

    @property
    def file_name(self) -> str:
        return f"{self.name}.{'zip' if self.request.output_mode == 'INDIVIDUAL' else 'webm'}"

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "outputMode": self.request.output_mode,
        }
        if self.request.output_mode == "COMPOSED" and self.request.has_video:
            found |= {
                "resolution": self.request.resolution,
                "recordingLayout": self.request.layout,
            }
            if self.request.layout == "CUSTOM":
                found["customLayout"] = self.request.custom_layout
        return found | {
            "sessionId": self.session_id,
            "createdAt": self.created_at,
            "size": self.size,
            "duration": self.duration,
            "url": self.url,
            "hasAudio": self.request.has_audio,
            "hasVideo": self.request.has_video,
            "status": self.status,
        }


def event(recording: Recording, reason: str | None = None) -> Record:
    """What the journal tells of a recording that has another status; ``reason``: why it ends."""
    told = recording.to_json()
    return Record(
        recording.session_id,
        recording.created_at if reason is None else int(time.time() * 1000),
        start_time=recording.created_at,
        duration=recording.duration,
        reason=reason,
        id=recording.id,
        name=recording.name,
        output_mode=told["outputMode"],
        resolution=told.get("resolution"),
        recording_layout=told.get("recordingLayout"),
        custom_layout=told.get("customLayout"),
        has_audio=told["hasAudio"],
        has_video=told["hasVideo"],
        size=recording.size,
        status=recording.status,
        event=Happening.RECORDING_STATUS_CHANGED,
    )


class Line(Protocol):
    """One kind of media of one publisher (`media.Publication.lines`)."""

    recorder: Callable[[RtpPacket], None] | None

    def keyframe(self) -> None: ...


class StreamSpool:
    """What one publisher's stream brings while it is recorded: frames in a file, as they come.

    ``offset_ms`` is when it began, from the recording's beginning.
    """

    def __init__(
        self, path: Path, stream: Stream, participant: Participant, *, offset_ms: int
    ) -> None:
        self.stream = stream
        self.participant = participant
        self.offset_ms = offset_ms
        self.end_ms = offset_ms
        self._path = path
        self._file = path.open("wb")
        self._lines: dict[str, tuple[Line, FrameReader]] = {}
        self._began = time.monotonic()
        #: The kinds of which frames came, with the picture's size.
        self._tracks: dict[str, Track] = {}

    def follow(self, kind: str, line: Line) -> None:
        """Take what ``line`` brings from now on."""
        reader = FrameReader(kind, keyframe=line.keyframe)

        def take(packet: RtpPacket) -> None:
            for frame in reader.add(packet):
                self._spool(kind, frame)

        self._lines[kind] = (line, reader)
        line.recorder = take
        line.keyframe()

    def _spool(self, kind: str, frame: Frame) -> None:
        if kind not in self._tracks:
            if kind == "video" and frame.size is None:
                return  # nothing can be shown before a key frame
            self._tracks[kind] = Track(frame.size)
        self._file.write(
            _SPOOLED.pack(_KINDS.index(kind), frame.key, frame.at_ms, len(frame.data)) + frame.data
        )

    def close(self) -> None:
        """Take no more."""
        if self._file.closed:
            return
        for kind, (line, reader) in self._lines.items():
            line.recorder = None
            for frame in reader.rest():
                self._spool(kind, frame)
        self.end_ms = self.offset_ms + round((time.monotonic() - self._began) * 1000)
        self._file.close()

    @property
    def tracks(self) -> list[Track]:
        return [self._tracks[kind] for kind in _KINDS if kind in self._tracks]

    def blocks(self, *, first_track: int = 0, offset_ms: int = 0) -> Iterator[Block]:
        """The frames, on tracks from ``first_track`` on."""
        numbers = {
            _KINDS.index(kind): first_track + i
            for i, kind in enumerate(kind for kind in _KINDS if kind in self._tracks)
        }
        with self._path.open("rb") as file:
            while head := file.read(_SPOOLED.size):
                kind, key, at_ms, length = _SPOOLED.unpack(head)
                yield Block(numbers[kind], at_ms + offset_ms, key, file.read(length))

    def remove(self) -> None:
        self._path.unlink()


def finish(recording: Recording, spools: list[StreamSpool], folder: Path, url: str) -> Recording:
    """Make the file of closed spools, which are removed; return the recording as it is then.

    A composed one of which no frame came has nothing to show: it has failed.
    """
    path = folder / recording.file_name
    if recording.request.output_mode == "INDIVIDUAL":
        seconds = _write_archive(recording, spools, path)
    else:
        seconds = _write_together(spools, path)
    for spool in spools:
        spool.remove()
    shown = recording.request.output_mode == "INDIVIDUAL" or seconds > 0
    return replace(
        recording,
        status="ready" if shown else "failed",
        size=path.stat().st_size,
        duration=seconds,
        url=url,
    )


def _write_together(spools: list[StreamSpool], path: Path) -> float:
    tracks: list[Track] = []
    streams = []
    for spool in spools:
        streams.append(spool.blocks(first_track=len(tracks), offset_ms=spool.offset_ms))
        tracks += spool.tracks
    with path.open("wb") as file:
        return write_webm(file, tracks, merge(*streams, key=lambda block: block.at_ms)) / 1000


def _write_archive(recording: Recording, spools: list[StreamSpool], path: Path) -> float:
    files = []
    with ZipFile(path, "w") as archive:
        for spool in spools:
            single = path.with_name("stream.webm")
            with single.open("wb") as file:
                write_webm(file, spool.tracks, spool.blocks())
            # A publisher chooses three letters of its stream's id.
            archive.write(single, re.sub(r"[^\w-]", "_", spool.stream.id) + ".webm")
            files.append(_file_json(recording, spool, single.stat().st_size))
            single.unlink()
        times = {
            "createdAt": recording.created_at,
            "id": recording.id,
            "name": recording.name,
            "sessionId": recording.session_id,
            "files": files,
        }
        archive.writestr(f"{recording.name}.json", json.dumps(times, indent=2))
    if not spools:
        return 0.0
    first, last = min(s.offset_ms for s in spools), max(s.end_ms for s in spools)
    return (last - first) / 1000


def _file_json(recording: Recording, spool: StreamSpool, size: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "connectionId": spool.participant.id,
        "streamId": spool.stream.id,
        "size": size,
        "clientData": spool.participant.client_data,
        "serverData": spool.participant.server_data,
        "hasAudio": spool.stream.has_audio and recording.request.has_audio,
        "hasVideo": spool.stream.has_video and recording.request.has_video,
    }
    if spool.stream.has_video:
        found["typeOfVideo"] = spool.stream.type_of_video
    return found | {"startTimeOffset": spool.offset_ms, "endTimeOffset": spool.end_ms}
