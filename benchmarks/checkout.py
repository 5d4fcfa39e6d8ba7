"""A fresh checkout to try things in: what a clone would hold, and none of what was made since."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What commands make in a checkout; .gitignore lists the same.
_MADE = (
    ".git", ".iec4", "results", ".tox", "__pycache__", "*.egg-info", ".hypothesis", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", ".import_linter_cache", "node_modules",
)  # fmt: skip


def copy_checkout(target: Path) -> Path:
    """Copy this checkout, with changes that are not committed yet, to ``target``; returns it."""
    return Path(shutil.copytree(ROOT, target, symlinks=True, ignore=shutil.ignore_patterns(*_MADE)))
