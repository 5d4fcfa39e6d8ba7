"""The recordings of the server: which session is recorded, what ends that, and what is kept.

As openvidu-server 2.13.0 does it (RecordingManager): one recording a session at a time, told to
publishers and moderators; a recording without any publisher, or of a session that everybody has
left, stops by itself after a while, and the session with it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.classroom.embedded.model import AUTOSTOP_S, Session
from lab.classroom.embedded.options import RecordingRequest
from lab.classroom.embedded.recording import Recording, StreamSpool, event, finish
from lab.classroom.embedded.rooms import Rooms, Seat
from lab.classroom.messages import RecordingStarted, RecordingStopped
from lab.classroom.token import Role

#: How much of each stream is recorded when the fault classroom.recording-cut is on, in seconds.
CUT_S = 0.8

log = logging.getLogger("classroom")

#: Where a recording's own facts are kept beside its file, as the real server names it.
_ENTITY = ".recording."


@dataclass
class _Running:
    """A recording that goes on. ``spools`` by stream id."""

    recording: Recording
    session: Session
    folder: Path
    began: float
    spools: dict[str, StreamSpool] = field(default_factory=dict)
    countdown: asyncio.TimerHandle | None = None


class Recordings:
    """Starts, stops and keeps recordings in ``folder``; ``url`` is the server's, with a slash.

    Told of streams and sessions by the rooms (see `rooms.Recorder`).
    """

    def __init__(
        self, rooms: Rooms, folder: Path, url: str, *, autostop_s: float = AUTOSTOP_S
    ) -> None:
        self.folder = folder
        self.autostop_s = autostop_s
        self._rooms = rooms
        self._url = url
        self._running: dict[str, _Running] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._kept = {found.id: found for found in map(_read, folder.glob(f"*/{_ENTITY}*"))}

    # -- asked for by REST --------------------------------------------------------------

    def start(self, session: Session, request: RecordingRequest) -> Recording:
        """Record ``session``, which is not recorded now, from here on."""
        identity = self._free_id(session.id)
        recording = Recording(identity, session.id, int(time.time() * 1000), request)
        folder = self.folder / identity
        folder.mkdir()
        running = _Running(recording, session, folder, time.monotonic())
        self._running[session.id] = running
        session.recording = True
        self._keep(recording)
        for seat in self._rooms.seats_in(session):
            self._follow(running, seat)
        self._tell(session, RecordingStarted(recording.id, recording.name))
        self._watch(running)
        return recording

    async def stop(self, recording_id: str) -> Recording | None:
        """Stop it and wait for its file; None when no such recording is running."""
        running = self._running_by_id(recording_id)
        return None if running is None else await self._stop(running, "recordingStoppedByServer")

    def get(self, recording_id: str) -> Recording | None:
        return self._kept.get(recording_id)

    def all(self) -> list[Recording]:
        return list(self._kept.values())

    def is_over(self, recording_id: str) -> bool:
        """Whether a recording has its file, or has failed."""
        return self._kept[recording_id].status in ("ready", "failed")

    def delete(self, recording_id: str) -> None:
        """Forget a recording that is not running, and its files."""
        if self._rooms.faults.active("classroom.recording-kept"):
            return
        del self._kept[recording_id]
        shutil.rmtree(self.folder / recording_id)

    def file(self, recording_id: str, name: str) -> Path | None:
        """The file that a recording's URL names; None if there is none."""
        recording = self._kept.get(recording_id)
        if recording is None or recording.url is None or name != recording.file_name:
            return None
        return self.folder / recording_id / name

    # -- told by the rooms --------------------------------------------------------------

    def published(self, seat: Seat) -> None:
        """Somebody publishes: record that too; a session that is always recorded begins to be."""
        session = seat.session
        running = self._running.get(session.id)
        if running is not None:
            self._follow(running, seat)
            self._watch(running)
        elif session.options.recording_mode == "ALWAYS" and session.options.media_mode == "ROUTED":
            self.start(session, RecordingRequest.of_session(session.options, session.id))

    def unpublished(self, seat: Seat) -> None:
        """A stream has ended, or is about to."""
        running = self._running.get(seat.session.id)
        if running is not None and seat.participant.stream is not None:
            spool = running.spools.get(seat.participant.stream.id)
            if spool is not None:
                spool.close()

    def left(self, session: Session) -> None:
        """Somebody has left, or publishes no more."""
        if running := self._running.get(session.id):
            self._watch(running)

    def closed(self, session: Session, reason: str) -> None:
        """The session ends: so does its recording, without anybody to tell."""
        if running := self._running.get(session.id):
            self._rooms.spawn(self._stop(running, reason, told=False))

    # -- within -------------------------------------------------------------------------

    def _free_id(self, session_id: str) -> str:
        """The session's id, or with the first number that is free."""
        identity, number = session_id, 0
        while identity in self._kept:
            number += 1
            identity = f"{session_id}-{number}"
        return identity

    def _running_by_id(self, recording_id: str) -> _Running | None:
        for running in self._running.values():
            if running.recording.id == recording_id:
                return running
        return None

    def _follow(self, running: _Running, seat: Seat) -> None:
        stream, publication = seat.participant.stream, seat.publication
        if stream is None or publication is None:
            return
        spool = StreamSpool(
            running.folder / f"{len(running.spools)}.frames",
            stream,
            seat.participant,
            offset_ms=round((time.monotonic() - running.began) * 1000),
        )
        request = running.recording.request
        for kind, wanted in (("audio", request.has_audio), ("video", request.has_video)):
            if wanted and kind in publication.lines:
                spool.follow(kind, publication.lines[kind])
        running.spools[stream.id] = spool
        if self._rooms.faults.active("classroom.recording-cut"):
            asyncio.get_running_loop().call_later(CUT_S, spool.close)

    def _watch(self, running: _Running) -> None:
        """Count down while nobody publishes."""
        publishing = any(
            seat.publication is not None for seat in self._rooms.seats_in(running.session)
        )
        if publishing and running.countdown is not None:
            running.countdown.cancel()
            running.countdown = None
        elif not publishing and running.countdown is None and self.autostop_s > 0:
            loop = asyncio.get_running_loop()
            running.countdown = loop.call_later(self.autostop_s, self._stop_by_itself, running)

    def _stop_by_itself(self, running: _Running) -> None:
        if running.session.participants:
            self._rooms.spawn(self._stop(running, "automaticStop"))
        else:
            self._rooms.close_session(running.session, "automaticStop")

    async def _stop(self, running: _Running, reason: str, *, told: bool = True) -> Recording:
        session = running.session
        del self._running[session.id]
        session.recording = False
        if running.countdown is not None:
            running.countdown.cancel()
        for spool in running.spools.values():
            spool.close()
        stopped = replace(running.recording, status="stopped")
        self._keep(stopped, reason)
        url = f"{self._url}recordings/{stopped.id}/{stopped.file_name}"
        spools = list(running.spools.values())
        try:
            finished = await asyncio.to_thread(finish, stopped, spools, running.folder, url)
        except OSError as error:
            log.warning("recording %s has failed: %s", stopped.id, error.strerror)
            finished = replace(stopped, status="failed")
        self._keep(finished, reason)
        if told:
            self._tell(session, RecordingStopped(finished.id, finished.name, reason))
            if not session.participants:
                self._rooms.close_session(session, reason)
        return finished

    def _tell(self, session: Session, event: RecordingStarted | RecordingStopped) -> None:
        """OPENVIDU_RECORDING_NOTIFICATION's default: publishers and moderators learn of it."""
        if self._rooms.faults.active("classroom.recording-untold"):
            return
        for seat in self._rooms.seats_in(session):
            if seat.participant.role is not Role.SUBSCRIBER:
                seat.tell(event)

    def _keep(self, recording: Recording, reason: str | None = None) -> None:
        """Write a new status down; ``reason`` is why it ends."""
        self._rooms.journal.tell(event(recording, reason))
        self._kept[recording.id] = recording
        entity = self.folder / recording.id / f"{_ENTITY}{recording.id}"
        entity.write_text(json.dumps(recording.to_json()))


def _read(entity: Path) -> Recording:
    """A recording of before the server's start; one that was running then has failed."""
    found = json.loads(entity.read_text())
    request = RecordingRequest(
        session=found["sessionId"],
        name=found["name"],
        output_mode=found["outputMode"],
        has_audio=found["hasAudio"],
        has_video=found["hasVideo"],
        resolution=found.get("resolution", ""),
        layout=found.get("recordingLayout", ""),
        custom_layout=found.get("customLayout", ""),
    )
    status = found["status"] if found["status"] == "ready" else "failed"
    return Recording(
        found["id"], found["sessionId"], found["createdAt"], request,
        status, found["size"], found["duration"], found["url"],
    )  # fmt: skip
