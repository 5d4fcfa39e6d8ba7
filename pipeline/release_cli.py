"""``./iec4 gate|submit|verify|criteria``: from runs to a release, and blueprints from upstream."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.options import Ca, DryRun, Json, MaturityName, maturity_of

app = typer.Typer()
criteria_app = typer.Typer(no_args_is_help=True, help="Criteria of other blueprints.")
app.add_typer(criteria_app, name="criteria")


@app.command()
def gate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    maturity: MaturityName = "incubation",
    blueprint: Annotated[
        str | None, typer.Option("--blueprint", help="The runs' own unless given.")
    ] = None,
    exceptions: Annotated[
        Path | None, typer.Option(help="Another file than blueprints/exceptions/BLUEPRINT.yaml.")
    ] = None,
    release: Annotated[
        str | None, typer.Option(metavar="DAY", help="The day of the release; today unless given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where the page goes; the newest run unless given.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Say what blocks a release, on the evidence of runs in two labs.

    Example: ./iec4 gate results/lab-a results/lab-b --maturity incubation
    """
    from pipeline import releasing

    return releasing.gate(
        runs, maturity=maturity_of(maturity), blueprint=blueprint, exceptions_file=exceptions,
        release=release, output=output, as_json=as_json,
    )  # fmt: skip


@app.command()
def submit(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    version: Annotated[str, typer.Option(help="The blueprint's version.")] = "master",
    silo: Annotated[
        str | None, typer.Option(help="The lab's name on Nexus; the run's lab unless given.")
    ] = None,
    lab: Annotated[
        str | None, typer.Option(help="The run's inventory, whose secrets must not be sent.")
    ] = None,
    blueprint: Annotated[
        str | None, typer.Option("--blueprint", help="The run's own unless given.")
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="To a silo snd-...: embedded labs, parts of a run.")
    ] = False,
    key: Annotated[
        str | None, typer.Option(metavar="REF", help="Signing key (Ed25519), env:NAME, file:PATH.")
    ] = None,
    nexus: Annotated[
        str | None, typer.Option(metavar="URL", help="Where to; nothing is sent without it.")
    ] = None,
    credentials: Annotated[
        str | None, typer.Option(metavar="REF", help="user:password by reference; else netrc.")
    ] = None,
    ui: Annotated[
        str | None, typer.Option(metavar="URL", help="The validation UI to tell.")
    ] = None,
    submission_id: Annotated[
        int | None, typer.Option(envvar="SUBMISSION_ID", help="As the UI gave it to Jenkins.")
    ] = None,
    ca: Ca = None,
    dry_run: DryRun = False,
) -> int:
    """Bundle, sign and upload a run's results for Akraino.

    Example: ./iec4 submit results/latest --key file:release.pem --nexus https://nexus.example.org
    """
    from pipeline import submitting

    return submitting.submit(
        submitting.Request(
            run, version, silo, lab, blueprint, sandbox, key, nexus, credentials, ui,
            submission_id, dry_run, ca,
        )
    )  # fmt: skip


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle, or a run that was submitted.")],
    key: Annotated[Path | None, typer.Option(help="The signer's public key, a PEM file.")] = None,
) -> int:
    """Check a bundle offline: its signature and every file.

    Example: ./iec4 verify results/latest --key release.pub.pem
    """
    from pipeline import submitting

    return submitting.verify_bundle(bundle, key)


@criteria_app.command("import")
def criteria_import(
    file: Annotated[Path, typer.Argument(help="Upstream's bluval-BLUEPRINT.yaml.")],
    tests: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where its Robot suites lie.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The blueprint's file; BLUEPRINT.yaml unless given.")
    ] = None,
) -> int:
    """Make a blueprint of a BluVal layer file.

    Example: ./iec4 criteria import bluval-rec.yaml --tests validation/tests
    """
    from pipeline import criteria

    return criteria.import_bluval(file, tests, output)
