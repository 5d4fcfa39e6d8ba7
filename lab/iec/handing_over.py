"""How a cluster's kubeconfig gets from its control plane's host to where the suite finds it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blueprints.errors import ConfigError
from lab.errors import LabError
from lab.iec.client import SECRET, SYSTEM
from lab.recipe import Step
from lab.session import Lab


def kubeconfig_place(lab: Lab) -> Path:
    """Where the inventory says that it lies, on this machine. Raises `ConfigError`."""
    kind, _, path = lab.inventory.systems[SYSTEM].secrets.get(SECRET, "").partition(":")
    if kind != "file":
        raise ConfigError(
            f"systems.{SYSTEM}.secrets.{SECRET}: file:PATH, where the cluster's kubeconfig is to "
            "be written, on this machine"
        )
    return Path(path).expanduser()


@dataclass(frozen=True)
class FetchKubeconfig(Step):
    """Bring the administrator's kubeconfig to ``place``, where only this account may read it.

    ``remote``: where it lies on the host; with ``sudo`` root alone may read it there.
    """

    remote: str
    place: Path
    sudo: bool = False

    def execute(self, lab: Lab) -> str:
        text = lab.host(self.host).run(["cat", self.remote], sudo=self.sudo).check().text
        unfinished = self.place.with_name(f"{self.place.name}.{os.getpid()}.new")
        try:
            if self.place.is_file() and self.place.read_text() == text:
                return "unchanged"
            self.place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.touch(mode=0o600)
            unfinished.write_text(text)
            unfinished.rename(self.place)
        except OSError as error:
            raise LabError(f"{self.place} cannot be written", found=error.strerror) from error
        finally:
            with suppress(OSError):  # it has its name by now, or was never there
                unfinished.unlink()
        return "done"

    def describe(self) -> str:
        return f"fetch {self.remote} to {self.place} (mode 600)"
