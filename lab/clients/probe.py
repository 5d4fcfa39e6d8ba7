"""The clients' preflight: do the pages lie on their machines?"""

from __future__ import annotations

from lab.classroom.started_chromium import PAGES
from lab.clients.recipe import machines
from lab.errors import SystemDown
from lab.session import Lab


def probe(lab: Lab) -> None:
    """Raises `SystemDown` when a machine has no pages, and what its host raises."""
    for name in machines(lab):
        if not lab.host(name).run(["test", "-f", f"{PAGES}/participant.js"]).ok:
            raise SystemDown(
                f"{name} has no client pages",
                expected=f"~/{PAGES}",
                advice="deploy the system clients",
            )
