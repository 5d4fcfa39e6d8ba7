"""Live progress of a run: a line that moves on a terminal, plain lines anywhere else."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_SYMBOL = {"PASS": "green", "FAIL": "bold red", "ERROR": "bold magenta", "SKIP": "yellow"}


class Progress:
    """Shows stages, steps and criteria as they go by. Writes to stderr; stdout is for results.

    ``mode``: "live" (a terminal), "plain" (Jenkins, a pipe) or "quiet".
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._started = time.monotonic()
        self._running: dict[str, float] = {}
        self._stage = ""
        self._done = 0
        self._total = 0
        self._status: Any = None
        self._console: Any = None
        self._lock = threading.Lock()
        if mode == "live":
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False)

    @classmethod
    def for_terminal(cls, *, quiet: bool) -> Progress:
        return cls("quiet" if quiet else "live" if sys.stderr.isatty() else "plain")

    def stage(self, name: str, total: int = 0) -> None:
        """A stage begins; ``total`` criteria are to be judged in it."""
        with self._lock:
            self._stage, self._done, self._total = name, 0, total
            self._running.clear()
        self._print(f"{name}", style="bold")
        self._refresh()

    def step(self, text: str) -> None:
        """Something was done within the stage."""
        self._print(f"  {text}")

    def criterion_started(self, identifier: str, title: str) -> None:
        with self._lock:
            self._running[f"{identifier} {title}"] = time.monotonic()
        self._refresh()

    def criterion_ended(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._running.pop(f"{event['criterion']} {event['title']}", None)
            self._done += 1
        reason = f" - {event['reason']}" if event.get("reason") else ""
        self._print(
            f"  {event['verdict']:<5} {event['criterion']:<8} {event['title']} "
            f"({event['seconds']:.1f} s){reason}",
            style=_SYMBOL.get(event["verdict"], ""),
        )
        self._refresh()

    def close(self) -> None:
        with self._lock:
            if self._status is not None:
                self._status.stop()
                self._status = None

    def _print(self, text: str, style: str = "") -> None:
        if self._mode == "quiet":
            return
        elapsed = time.monotonic() - self._started
        line = f"{elapsed:6.1f} s  {text}"
        if self._console is not None:
            from rich.text import Text  # names and reasons are no markup

            self._console.print(Text(line, style=style, overflow="ellipsis", no_wrap=True))
        else:
            print(line, file=sys.stderr, flush=True)

    def _refresh(self) -> None:
        if self._console is None:
            return
        from rich.text import Text

        with self._lock:
            counted = f" {self._done}/{self._total}" if self._total else ""
            names = ", ".join(name.split()[0] for name in self._running)
            text = Text(f"{self._stage}{counted} {names}")
            if self._status is None:
                self._status = self._console.status(text)
                self._status.start()
            else:
                self._status.update(text)


class EventFollower:
    """Reads a run's ``events.jsonl`` as runners append to it, and shows each event."""

    def __init__(self, events: Path, progress: Progress) -> None:
        self._events = events
        self._progress = progress
        self._offset = events.stat().st_size if events.exists() else 0

    def poll(self) -> None:
        """Show what was added since; an unfinished last line is left for the next call."""
        if not self._events.exists():
            return
        with self._events.open("rb") as log:
            log.seek(self._offset)
            added = log.read()
        whole, newline, _ = added.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.splitlines():
            # One whose writer was killed, or for which the disk was full, half way is passed over.
            with suppress(ValueError, RecursionError):
                self._show(json.loads(line))

    def _show(self, event: Any) -> None:
        match event:
            case {"kind": "start", "criterion": str(criterion), "title": str(title)}:
                self._progress.criterion_started(criterion, title)
            case {
                "kind": "end",
                "criterion": str(),
                "title": str(),
                "verdict": str(),
                "seconds": float(),
            }:
                self._progress.criterion_ended(event)
            case {"kind": "step", "criterion": str(criterion), "text": str(text)}:
                self._progress.step(f"{criterion}: {text}")
