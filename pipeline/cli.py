"""The command line. Commands are thin: they read arguments and call the story's functions.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from blueprints.errors import ConfigError, nearest
from pipeline import jobs_cli, report_cli
from pipeline.options import (
    DEFAULT_BLUEPRINT,
    DryRun,
    Json,
    MaturityName,
    Quiet,
    Run,
    maturity_of,
)

app = typer.Typer(
    name="iec4",
    help="Validate an IEC Type 4 lab and its release. First time: ./iec4 run",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
lab_app = typer.Typer(no_args_is_help=True, help="The lab: up, status, down, check, scans, faults.")
fault_app = typer.Typer(no_args_is_help=True, help="Faults of a lab that the suite made.")
app.add_typer(lab_app, name="lab")
lab_app.add_typer(fault_app, name="fault")
app.add_typer(jobs_cli.app, name="jobs")
criteria_app = typer.Typer(no_args_is_help=True, help="Criteria of other blueprints.")
app.add_typer(criteria_app, name="criteria")
app.add_typer(report_cli.app, name="report")

Lab = Annotated[str | None, typer.Option(help="A lab's name, or its inventory file.")]
BlueprintName = Annotated[str, typer.Option("--blueprint", help="A blueprint's name or file.")]
Only = Annotated[list[str] | None, typer.Option(help="Criterion ids, separated by commas.")]
Layer = Annotated[list[str] | None, typer.Option(help="Layers, separated by commas.")]
FailedFrom = Annotated[
    Path | None, typer.Option(help="Judge again what had no PASS or SKIP in that run.")
]
Disruptive = Annotated[
    bool, typer.Option("--disruptive", help="Allow criteria with impact on a lab not ours.")
]
BENCHES = ("run", "report")


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit code. Usage errors are one line on stderr."""
    from typer.exceptions import Exit, TyperException

    try:
        result = app(arguments, prog_name="./iec4", standalone_mode=False)
    except Exit as ended:
        return ended.exit_code
    except (TyperException, ConfigError) as error:
        return _usage_error(error, arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from lab.errors import LabError
        from lab.secrets import redactor

        if not isinstance(error, LabError):
            raise
        print(f"iec4: {redactor.text(str(error))}", file=sys.stderr)
        return 3
    return result if isinstance(result, int) else 0


def _usage_error(error: Exception, arguments: list[str]) -> int:
    text = " ".join(str(getattr(error, "format_message", lambda: error)()).split())
    if text.startswith("No such command"):
        wrong = text.split("'")[1]
        text = f"unknown command {wrong!r}; {nearest(wrong, _commands(arguments, wrong))}"
    if text:
        print(f"iec4: {text}", file=sys.stderr)
    return 2


def _commands(arguments: list[str], wrong: str) -> list[str]:
    """The commands of the group in which ``wrong`` was looked for."""
    group: Any = typer.main.get_command(app)
    for word in arguments[: arguments.index(wrong)] if wrong in arguments else []:
        group = getattr(group, "commands", {}).get(word, group)
    return list(getattr(group, "commands", {}))


def _words(values: list[str] | None) -> tuple[str, ...]:
    return tuple(word for value in values or [] for word in value.split(",") if word)


@app.command("run")
def run_command(
    lab: Lab = None,
    blueprint: BlueprintName = DEFAULT_BLUEPRINT,
    only: Only = None,
    layer: Layer = None,
    failed_from: FailedFrom = None,
    maturity: MaturityName = "incubation",
    disruptive: Disruptive = False,
    run: Run = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with an interrupted run.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """The main job: lab, deploy, validate, perf, report.

    Example: ./iec4 run --layer paas,saas --maturity incubation
    """
    from pipeline import commands, story

    request = story.Request(
        lab=lab or "embedded",
        blueprint=blueprint,
        only=(*_words(only), *commands.not_met_in(failed_from)),
        layers=_words(layer),
        maturity=maturity_of(maturity),
        disruptive=disruptive,
        run=run,
        asked=commands.asked(),
    )
    return commands.run(request, resume=resume, quiet=quiet or as_json, as_json=as_json)


def _stage(name: str, **options: Any) -> int:
    from pipeline import commands

    return commands.stage(name, **options)


@app.command()
def deploy(
    lab: Lab = None,
    run: Run = None,
    blueprint: BlueprintName = DEFAULT_BLUEPRINT,
    only: Only = None,
    layer: Layer = None,
    maturity: MaturityName = "incubation",
    remove: Annotated[bool, typer.Option("--remove", help="Take it away again.")] = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> int:
    """Deploy the systems onto the lab's hosts; plan what the run's later stages judge.

    Example: ./iec4 deploy --lab my-lab.yaml --dry-run
    """
    return _stage(
        "deploy", lab=lab, run=run, blueprint=blueprint, only=_words(only), layers=_words(layer),
        maturity=maturity_of(maturity), remove=remove, dry_run=dry_run, quiet=quiet,
    )  # fmt: skip


@app.command()
def validate(
    lab: Lab = None,
    run: Run = None,
    blueprint: BlueprintName = DEFAULT_BLUEPRINT,
    only: Only = None,
    layer: Layer = None,
    maturity: MaturityName = "incubation",
    disruptive: Disruptive = False,
    quiet: Quiet = False,
) -> int:
    """Judge the criteria by pytest and Robot.

    Example: ./iec4 validate --run results/mine --layer os
    """
    return _stage(
        "validate", lab=lab, run=run, blueprint=blueprint, only=_words(only), layers=_words(layer),
        maturity=maturity_of(maturity), disruptive=disruptive, quiet=quiet,
    )  # fmt: skip


@app.command()
def perf(
    lab: Lab = None, run: Run = None, blueprint: BlueprintName = DEFAULT_BLUEPRINT,
    only: Only = None, maturity: MaturityName = "incubation", quiet: Quiet = False,
) -> int:  # fmt: skip
    """Measure RPC latency and classroom concurrency by Locust.

    Example: ./iec4 perf --run results/mine --only PAAS-20
    """
    return _stage(
        "perf", lab=lab, run=run, blueprint=blueprint, only=_words(only),
        maturity=maturity_of(maturity), quiet=quiet,
    )  # fmt: skip


@app.command()
def prove(
    only: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Criterion ids.")
    ] = None,
    layer: Layer = None,
    everything: Annotated[bool, typer.Option("--all", help="Every criterion.")] = False,
    blueprint: BlueprintName = DEFAULT_BLUEPRINT,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Prove that criteria can fail: clean PASS, fault FAIL, cleared PASS.

    Example: ./iec4 prove PAAS-03
    """
    from pipeline import prove as proving

    layers = _words(layer)
    if not (only or layers or everything):
        raise ConfigError("nothing to prove; give criterion ids, --layer LAYER or --all")
    return proving.prove(
        blueprint=blueprint, only=_words(only), layers=layers, quiet=quiet, as_json=as_json
    )


@app.command()
def explain(identifier: Annotated[str, typer.Argument(metavar="ID")],
            blueprint: BlueprintName = DEFAULT_BLUEPRINT) -> int:  # fmt: skip
    """Say what a criterion means, needs and proves.

    Example: ./iec4 explain PAAS-07
    """
    from pipeline import commands

    return commands.explain(identifier, blueprint)


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def test(context: typer.Context) -> int:
    """Run the suite's own tests; arguments go to pytest.

    Example: ./iec4 test tests/tars -k frames
    """
    from pipeline.selftest import run_tests

    return run_tests(context.args)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="What to measure: run, report.")] = "run",
    as_json: Json = False,
    write: Annotated[bool, typer.Option("--write", help="Update docs/performance.md.")] = False,
) -> int:
    """Measure the suite itself.

    Example: ./iec4 bench run --json
    """
    if name not in BENCHES:
        raise ConfigError(f"unknown bench {name!r}; {nearest(name, BENCHES)}")
    from importlib import import_module

    code: int = import_module(f"benchmarks.{name}").main(json=as_json, write=write)
    return code


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
    dry_run: DryRun = False,
) -> int:
    """Bundle, sign and upload a run's results for Akraino.

    Example: ./iec4 submit results/latest --key file:release.pem --nexus https://nexus.example.org
    """
    from pipeline import submitting

    return submitting.submit(
        submitting.Request(
            run, version, silo, lab, blueprint, sandbox, key, nexus, credentials, ui,
            submission_id, dry_run,
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


@lab_app.command("up")
def lab_up() -> int:
    """Start the embedded lab's hosts. Example: ./iec4 lab up"""
    from pipeline import commands

    return commands.lab_up()


@lab_app.command("status")
def lab_status(as_json: Json = False) -> int:
    """Show the embedded lab's hosts. Example: ./iec4 lab status"""
    from pipeline import commands

    return commands.lab_status(as_json=as_json)


@lab_app.command("down")
def lab_down() -> int:
    """End the embedded lab, all of it. Example: ./iec4 lab down"""
    from pipeline import commands

    return commands.lab_down()


@lab_app.command("check")
def lab_check(lab: Lab = None, as_json: Json = False) -> int:
    """Try every host and endpoint. Example: ./iec4 lab check --lab my-lab.yaml"""
    from pipeline import commands

    return commands.lab_check(lab, as_json=as_json)


@lab_app.command("scans")
def lab_scans(
    outputs: Annotated[Path, typer.Argument(help="LAYER/TEST/ with a scanner's files below it.")],
    run: Run = None,
    blueprint: BlueprintName = DEFAULT_BLUEPRINT,
    maturity: MaturityName = "incubation",
) -> int:
    """Judge what Lynis, Vuls, kube-hunter and conformance said; take it into a run.

    Example: ./iec4 lab scans my-scans --run results/latest
    """
    from pipeline.scans import take_in

    return take_in(outputs, run, blueprint=blueprint, maturity=maturity_of(maturity))


@fault_app.command("list")
def fault_list() -> int:
    """List the faults. Example: ./iec4 lab fault list"""
    from pipeline import commands

    return commands.fault_list()


@fault_app.command("inject")
def fault_inject(name: str, lab: Lab = None) -> int:
    """Inject a fault. Example: ./iec4 lab fault inject tars.lookup-empty"""
    from pipeline import commands

    return commands.fault_set(name, lab, inject=True)


@fault_app.command("clear")
def fault_clear(
    name: Annotated[str, typer.Argument(help="A fault; all unless given.")] = "", lab: Lab = None
) -> int:
    """Clear a fault, or all. Example: ./iec4 lab fault clear"""
    from pipeline import commands

    return commands.fault_set(name, lab, inject=False)
