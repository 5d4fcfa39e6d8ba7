"""``./iec4 report``: the reports of one run, and what several runs say together."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.options import Json, Quiet


class _WriteUnlessNamed(TyperGroup):
    """A group that takes ``report RUN`` for ``report write RUN``."""

    unless_named = "write"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        named = first in self.commands or first in ctx.help_option_names
        if not named and (Path(first).exists() or not get_close_matches(first, self.commands)):
            args = [self.unless_named, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_WriteUnlessNamed,
    help="The reports of a run; comparisons, traces and trends of several. "
    "Example: ./iec4 report results/latest",
)

HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="A page as well.")]


@app.command()
def write(
    run: Annotated[
        Path | None, typer.Argument(help="A run directory; the latest unless given.")
    ] = None,
    run_option: Annotated[
        Path | None, typer.Option("--run", envvar="IEC4_RUN", help="The same.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Write table, JUnit, Allure HTML of a run: what report does unless told otherwise.

    Example: ./iec4 report write results/latest
    """
    from pipeline import commands

    return commands.report(run or run_option, quiet=quiet, as_json=as_json)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="The earlier run, or its archive.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="The later run, or its archive.")],
    band: Annotated[
        float | None, typer.Option(min=0, metavar="PERCENT", help="Half a band's width.")
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR|RUN", help="Earlier runs, whose spread gives the bands."),
    ] = None,
    html: HtmlFile = None,
    as_json: Json = False,
) -> int:
    """Say what got worse from run A to run B; exits 1 when something did.

    Example: ./iec4 report compare results/monday results/tuesday --history results
    """
    from pipeline import reporting

    return reporting.compare(
        before, after, history=history or [], percent=band, html=html, as_json=as_json
    )


@app.command()
def matrix(
    run: Annotated[Path, typer.Argument(help="A run directory, or its archive.")],
    html: HtmlFile = None,
    as_json: Json = False,
) -> int:
    """Trace each requirement to criterion, test, verdict and evidence.

    Example: ./iec4 report matrix results/latest --html matrix.html
    """
    from pipeline import reporting

    return reporting.matrix(run, html=html, as_json=as_json)


@app.command()
def trend(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="DIR|RUN...", help="Runs, archives, directories of them."),
    ],
    html: HtmlFile = None,
    as_json: Json = False,
) -> int:
    """Show how verdicts and figures went over many runs; --html has plots.

    Example: ./iec4 report trend results --html trend.html
    """
    from pipeline import reporting

    return reporting.trend(runs, html=html, as_json=as_json)
