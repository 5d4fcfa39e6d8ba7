"""Options that several commands have, with one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path | None, typer.Option(envvar="IEC4_RUN", help="The run directory.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, results only.")]
Json = Annotated[bool, typer.Option("--json", help="Results as one JSON document.")]
