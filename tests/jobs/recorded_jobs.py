"""The recorded jobs: each as Job Builder rendered it, and as Jenkins had it later."""

from __future__ import annotations

from pathlib import Path

DRIFT = Path(__file__).parents[2] / "fixtures" / "recordings" / "jenkins" / "drift"
NAMES = sorted(path.name for path in DRIFT.iterdir() if path.is_dir())
#: A value that Jenkins lost: junit's keep-long-stdio. All others are as defined.
LOSES_A_VALUE = "fs-publishers"


def text(job: str, state: str) -> str:
    """``state``: rendered, posted, saved or saved-after-run."""
    return (DRIFT / job / f"{state}.xml").read_text(encoding="utf-8")


def states(job: str) -> list[str]:
    """How the job was seen on Jenkins."""
    return sorted({path.stem for path in (DRIFT / job).glob("*.xml")} - {"rendered"})
