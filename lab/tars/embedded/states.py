"""The states that a Tars platform speaks of, as numbers on the wire and words in TarsWeb.

Sources: AdminReg.tars and NodeDescriptor.tars of TarsFramework; recordings of TarsWeb 3.0.15.
"""

from __future__ import annotations

from enum import IntEnum


class ServerState(IntEnum):
    """What a node says of a server (ServerState in NodeDescriptor.tars)."""

    INACTIVE = 0
    ACTIVATING = 1
    ACTIVE = 2
    DEACTIVATING = 3

    @property
    def stored(self) -> str:
        """As the database and ``get_realtime_state`` spell it."""
        return self.name.lower()

    @property
    def shown(self) -> str:
        """As ``server_state`` spells it."""
        return self.name.capitalize()


class ItemStatus(IntEnum):
    """How far an item of a task is (EMTaskItemStatus); its name goes to ``status_info``."""

    EM_I_NOT_START = 0
    EM_I_PREPARE = 1
    EM_I_RUNNING = 2
    EM_I_SUCCESS = 3
    EM_I_FAILED = 4
    EM_I_CANCEL = 5


#: A task whose items differ, even while some of them still run (EM_T_PARIAL).
PARTIAL = 6


def task_status(items: list[int]) -> int:
    """The status of a task from the statuses of its items, as the real one computes it."""
    return items[0] if len(set(items)) == 1 else PARTIAL
