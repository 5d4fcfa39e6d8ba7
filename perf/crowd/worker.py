"""``python -m perf.crowd.worker FD``: a crowd, ordered about over a socket, a line of JSON each.

An order is ``{"id", "do", ...}``; its answer ``{"id", "done": {...}}`` or ``{"id", "failed":
TEXT}`` when the classroom would not, in any order. Tokens come over this socket and nowhere
else. The worker ends with everybody in it when the socket does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.classroom.token import Token
from lab.errors import LabError
from perf.crowd.rooms import Rooms
from perf.crowd.watch import PART_S, watch
from perf.observer import reason
from perf.profiles import Profile

#: A line is an order, or the figures of a window: histograms of some hundred kB.
LINE_LIMIT = 16 << 20


class Worker:
    """Does what it is told to; `open` comes first."""

    def __init__(self) -> None:
        self._rooms: Rooms | None = None
        self._enough = asyncio.Event()
        self._orders: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
            "open": self._open,
            "join": self._join,
            "engage": self._engage,
            "watch": self._watch,
            "stop watching": self._stop_watching,
            "leave": self._leave,
        }

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """The answer to one order."""
        told = {key: value for key, value in order.items() if key not in ("id", "do")}
        try:
            done = await self._orders[order["do"]](**told)
        except (LabError, OSError) as error:
            return {"id": order["id"], "failed": reason(error)}
        return {"id": order["id"], "done": done}

    @property
    def rooms(self) -> Rooms:
        assert self._rooms is not None, "a crowd is opened first"
        return self._rooms

    async def _open(
        self, api: str, ca: str | None, profiles: dict[str, Any], timeout: float
    ) -> dict[str, Any]:
        played = {name: Profile.model_validate(found) for name, found in profiles.items()}
        self._rooms = Rooms(api, Path(ca) if ca else None, played, timeout)
        return {}

    async def _join(
        self, use_case: str, room: int, who: str, part: str, token: str
    ) -> dict[str, Any]:
        join_s = await self.rooms.join(use_case, room, who, part, Token.from_url(token))
        return {"join_s": join_s}

    async def _engage(self, who: str) -> dict[str, Any]:
        await self.rooms.engage(who)
        return {}

    async def _watch(self, window_s: float, part_s: float = PART_S) -> dict[str, Any]:
        gc.collect()
        gc.freeze()  # what is there stays; looking through it again would be a pause of its own
        try:
            watched = await watch(self.rooms, window_s, self._enough, part_s=part_s)
        finally:
            gc.unfreeze()
        return {
            "window_s": watched.window_s,
            "use_cases": {name: media.to_json() for name, media in watched.use_cases.items()},
            "health": asdict(watched.health),
            "doubts": list(watched.doubts),
        }

    async def _stop_watching(self) -> dict[str, Any]:
        self._enough.set()
        return {}

    async def _leave(self, who: str) -> dict[str, Any]:
        return {"leave_s": await self.rooms.leave(who)}

    async def close(self) -> None:
        if self._rooms is not None:
            await self._rooms.close()


async def serve(connection: socket.socket) -> None:
    """Take orders until the other side goes."""
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LINE_LIMIT)
    worker = Worker()
    tasks: set[asyncio.Task[None]] = set()

    async def obey(line: bytes) -> None:
        answer = await worker.obey(json.loads(line))
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()

    def over(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            logging.getLogger("crowd").error("a defect of the crowd", exc_info=defect)
            writer.close()  # an order without an answer: better no crowd than a wrong one

    try:
        while line := await reader.readline():
            task = asyncio.create_task(obey(line))
            tasks.add(task)
            task.add_done_callback(over)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await worker.close()


def main() -> None:
    """Serve the socket that the first argument names."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s")
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
