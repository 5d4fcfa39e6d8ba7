"""What this machine lacks of Debian's packages, and the line that installs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping


def lacking(commands: Mapping[str, str], *, path: str) -> set[str]:
    """The packages (command → the package that has it) of the commands that ``path`` lacks."""
    return {
        package for command, package in commands.items() if not shutil.which(command, path=path)
    }


def install_line(packages: Iterable[str]) -> str:
    return f"apt-get install --no-install-recommends {' '.join(sorted(packages))}"


def told(packages: Iterable[str]) -> str:
    """The packages by name, and the line that installs them."""
    names = sorted(packages)
    return f"{', '.join(names)}: {install_line(names)}"
