"""A student in Chromium: OpenVidu's own client, driven from a thread of its own.

Playwright's blocking interface belongs to one thread, and not to an asyncio loop's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

from lab.classroom.browser import Browser, BrowserParticipant, Seen
from lab.classroom.token import Token
from lab.errors import LabError
from perf.crowd.people import Subscription

T = TypeVar("T")


class InBrowser:
    """Somebody whose page takes every stream there is. Made by `join`; `leave` it."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chromium")
        self._browser = ExitStack()
        self._page: BrowserParticipant | None = None

    @classmethod
    async def join(cls, api: str, token: Token, *, ca: Path | None) -> InBrowser:
        """Start Chromium and join; raises `ToolMissing` where there is none, and `LabError`."""
        made = cls()

        def start() -> None:
            browser = made._browser.enter_context(Browser.start(api, ca=ca))
            made._page = browser.join("student", token)

        try:
            await made._in_its_thread(start)
        except BaseException:
            await made.close()
            raise
        return made

    def take(self, stream: str, media: tuple[str, ...]) -> None:
        """Note that the page takes a stream; it does so by itself."""
        self.subscriptions.append(Subscription(stream, "browser", time.monotonic_ns(), media=media))

    async def seen(self, stream: str) -> Seen:
        """What the page has of a stream until now."""
        page = self._page
        assert page is not None, "it has joined"
        return await self._in_its_thread(lambda: page.seen(stream))

    async def leave(self, *, timeout: float) -> float:
        """Leave; the seconds that the client took."""
        started = time.monotonic()
        page = self._page
        assert page is not None, "it has joined"
        try:
            async with asyncio.timeout(timeout):
                await self._in_its_thread(page.leave)
            return time.monotonic() - started
        finally:
            await self.close()

    async def close(self) -> None:
        """End Chromium."""
        with suppress(LabError):
            await self._in_its_thread(self._browser.close)
        self._thread.shutdown(wait=False)

    async def _in_its_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)
