"""What the command lines of master and node have in common."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path


def parser(module: str, about: str | None) -> argparse.ArgumentParser:
    """A parser with ``--home`` and ``--registry``."""
    made = argparse.ArgumentParser(prog=module, description=about)
    made.add_argument("--home", type=Path, required=True, help="the account's home directory")
    made.add_argument("--registry", type=address, required=True, metavar="HOST:PORT")
    return made


def address(text: str) -> tuple[str, int]:
    """``HOST:PORT`` as a pair."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
