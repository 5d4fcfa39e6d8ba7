"""How teacher's and student's machines get what they need, in any kind of lab.

The pages travel; Chromium comes from the machine's own packages, where the inventory allows
sudo. Nothing runs there until a criterion starts a browser (`lab.classroom.started_chromium`).
"""

from __future__ import annotations

from blueprints.errors import ConfigError
from lab import service
from lab.classroom import client_pages
from lab.classroom.started_chromium import DIRECTORY, HAS_CHROMIUM, PAGES, SERVICE
from lab.recipe import Command, Install, Recipe, Step
from lab.session import Lab

#: The system's name in inventories.
SYSTEM = "clients"
ROLES = ("teacher", "student")
#: For a browser to arrive from the distribution's servers (s).
_INSTALL_S = 600.0


def recipe(lab: Lab) -> Recipe:
    """The recipe, the same for every kind of lab; raises `ConfigError` without such hosts."""
    if not machines(lab):
        raise ConfigError(f"lab {lab.inventory.name} has no host with a role of {', '.join(ROLES)}")
    return Clients()


def machines(lab: Lab) -> list[str]:
    """The hosts with a client's role, each once."""
    return list(dict.fromkeys(name for role in ROLES for name in lab.inventory.with_role(role)))


class Clients(Recipe):
    """The client pages on every machine of a teacher or student, and a browser where it may."""

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        steps: list[Step] = []
        for host in machines(lab):
            steps.append(Install("bring the client pages", host, PAGES, client_pages.packed))
            if lab.inventory.hosts[host].sudo:
                install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
                steps.append(
                    Command(
                        "install Chromium",
                        host,
                        ["env", "DEBIAN_FRONTEND=noninteractive", *install],
                        unless=HAS_CHROMIUM,
                        timeout=_INSTALL_S,
                        sudo=True,
                    )
                )
        return steps

    def removal(self, lab: Lab) -> list[Step]:
        """Pages and profiles; Chromium stays, as somebody else may use it."""
        return [
            step
            for host in machines(lab)
            for step in (
                service.stop(host, SERVICE),
                Command("remove the client pages", host, ["rm", "-rf", DIRECTORY]),
            )
        ]
