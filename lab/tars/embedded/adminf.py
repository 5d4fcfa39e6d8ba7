"""AdminF.notify: what a node tells a server at the endpoint ``local`` of its configuration."""

from __future__ import annotations

from lab.tars.embedded.interfaces import ADMIN, NOTIFY, Notification
from lab.tars.embedded.link import Link

#: A command may make the server fetch a file, which has 3 s for that.
_TIMEOUT_S = 5.0


async def told(address: tuple[str, int], command: str) -> str:
    """A server's answer to a command; raises `OSError`, `TarsError`."""
    answer = await Link.ask(address, ADMIN, NOTIFY, Notification(command), timeout=_TIMEOUT_S)
    return answer.text
