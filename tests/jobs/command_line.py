"""Command lines of jobs, parsed by the command line itself; nothing is run."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from pipeline.cli import app


def parsed(words: Sequence[str]) -> list[str]:
    """Parse what stands behind ``./iec4``, down to each option; returns what is left over.

    Raises typer's own errors for what the command line does not know.
    """
    command, arguments = typer.main.get_command(app), list(words)
    context = typer.Context(command)
    while hasattr(command, "commands"):
        command.parse_args(context, arguments)
        name, *arguments = [*context._protected_args, *context.args]
        command = command.commands[name]
        context = typer.Context(command, parent=context)
    command.parse_args(context, arguments)
    return list(context.args)
