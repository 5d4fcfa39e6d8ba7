"""The system's Chromium, which no package of ours brings."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.errors import ToolMissing

#: Of Debian, as root.
INSTALLED_BY = "apt-get install --no-install-recommends chromium"


def chromium() -> Path:
    """The command chromium; raises `ToolMissing` with the line that installs it."""
    found = shutil.which("chromium")
    if found is None:
        raise ToolMissing(
            "there is no Chromium on this machine",
            expected="the command chromium",
            advice=INSTALLED_BY,
        )
    return Path(found)
