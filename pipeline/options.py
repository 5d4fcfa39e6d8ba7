"""Options that several commands have, with one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from blueprints.errors import ConfigError, nearest

DEFAULT_BLUEPRINT = "iec-type4"
DEFAULT_SET = "full"

Lab = Annotated[str | None, typer.Option(help="A lab's name, or its inventory file.")]
BlueprintName = Annotated[str, typer.Option("--blueprint", help="A blueprint's name or file.")]
Run = Annotated[Path | None, typer.Option(envvar="IEC4_RUN", help="The run directory.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, results only.")]
Json = Annotated[bool, typer.Option("--json", help="Results as one JSON document.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]
Ca = Annotated[
    Path | None,
    typer.Option("--ca", envvar="IEC4_CA", help="Who vouches for Nexus and the UI; PEM."),
]
SetName = Annotated[str, typer.Option("--set", help="A set of criteria: fast, or full.")]
MaturityName = Annotated[str, typer.Option("--maturity", help="incubation or mature.")]


def maturity_of(text: str) -> Literal["incubation", "mature"]:
    """The maturity of that name; raises `ConfigError`."""
    if text not in ("incubation", "mature"):
        raise ConfigError(f"unknown maturity {text!r}; {nearest(text, ['incubation', 'mature'])}")
    return cast("Literal['incubation', 'mature']", text)
