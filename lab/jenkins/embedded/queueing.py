"""The queue: what was triggered and does not run yet, and what has left it lately."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.jenkins.embedded.jobconfig import Value
from lab.jenkins.embedded.store import Store

#: How long an item that has left can be read, seconds.
KEEP_LEFT_S = 300.0


@dataclass
class QueueItem:
    """An item. Times in milliseconds since 1970; ``due_ms``: the quiet period's end.

    ``state``: waiting, blocked, buildable or left; ``why`` it does not run.
    """

    id: int
    job: str
    values: tuple[Value, ...]
    parameterized: bool
    causes: list[str]
    since_ms: int
    due_ms: int
    state: str = "waiting"
    why: str | None = None
    stuck: bool = False
    buildable_ms: int = 0
    cancelled: bool = False
    build: int | None = None
    left_ms: int = field(default=0)

    @property
    def data(self) -> dict[str, Any]:
        """What is kept of it over a restart."""
        names = ("job", "values", "parameterized", "causes", "since_ms", "due_ms")
        return {name: getattr(self, name) for name in names}

    @property
    def params(self) -> str:
        """Its parameters as one text, as Jenkins shows them."""
        lines = []
        for kind, name, value in self.values:
            shown = "****" if kind.startswith("Password") else value
            text = str(shown).lower() if isinstance(shown, bool) else shown
            lines.append(f"\n{name}={text}")
        return "".join(lines)


class Queue:
    """Items by id, kept in the store as long as they wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._items: dict[int, QueueItem] = {}
        for number, data in store.queued():
            data["values"] = tuple(tuple(value) for value in data["values"])
            self._items[number] = QueueItem(id=number, **data)

    def add(
        self, job: str, values: tuple[Value, ...], *, parameterized: bool, user: str, delay_s: float
    ) -> tuple[QueueItem, bool]:
        """Put a build in the queue; an identical item is used again: ``(item, whether it is new)``.

        A shorter delay pulls the item that is there forward.
        """
        now = now_ms()
        due = now + int(delay_s * 1000)
        for item in self.items():
            if item.job == job and item.values == values:
                item.causes.append(user)
                item.due_ms = min(item.due_ms, due)
                self._store.put_queued(item.id, item.data)
                return item, False
        item = QueueItem(self._store.new_queue_id(), job, values, parameterized, [user], now, due)
        self._store.put_queued(item.id, item.data)
        self._items[item.id] = item
        return item, True

    def items(self) -> Iterator[QueueItem]:
        """What waits, in the order of the triggers."""
        return (item for item in list(self._items.values()) if item.state != "left")

    def find(self, number: int) -> QueueItem | None:
        """An item that waits, or that left in the last five minutes."""
        for item in list(self._items.values()):
            if item.state == "left" and now_ms() - item.left_ms > KEEP_LEFT_S * 1000:
                del self._items[item.id]
        return self._items.get(number)

    def cancel(self, item: QueueItem) -> None:
        self._store.delete_queued(item.id)
        item.cancelled = True
        self.leave(item)

    def leave(self, item: QueueItem, build: int | None = None) -> None:
        """An item has left: it is cancelled, or its build runs (and the store knows)."""
        item.state, item.why, item.stuck = "left", None, False
        item.build, item.left_ms = build, now_ms()


def now_ms() -> int:
    return int(time.time() * 1000)
