"""The command line. Commands are thin: they read arguments and call the story's functions.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from blueprints.errors import ConfigError, nearest
from lab.interruption import interruptible
from pipeline import jobs_cli, lab_cli, load_cli, release_cli, report_cli, tars_cli
from pipeline.options import (
    DEFAULT_BLUEPRINT,
    DEFAULT_SET,
    BlueprintName,
    DryRun,
    Json,
    Lab,
    MaturityName,
    Quiet,
    Run,
    SetName,
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
app.add_typer(lab_cli.app, name="lab")
app.add_typer(jobs_cli.app, name="jobs")
app.add_typer(report_cli.app, name="report")
app.add_typer(load_cli.app, name="load")
app.add_typer(release_cli.app)
app.add_typer(tars_cli.app, name="tars")

Only = Annotated[list[str] | None, typer.Option(help="Criterion ids, separated by commas.")]
Layer = Annotated[list[str] | None, typer.Option(help="Layers, separated by commas.")]
FailedFrom = Annotated[
    Path | None, typer.Option(help="Judge again what had no PASS or SKIP in that run.")
]
Disruptive = Annotated[
    bool, typer.Option("--disruptive", help="Allow criteria with impact on a lab not ours.")
]
BENCHES = ("run", "report", "rpc", "classroom", "k8s", "cvb", "parsers")
#: Those that can measure longer than a bench may take.
SOAKING = ("rpc", "parsers")
#: Those that can show in a minute that they work.
QUICK = ("classroom",)


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit code. Usage errors are one line on stderr."""
    from typer.exceptions import Exit, TyperException

    try:
        with interruptible():
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
    chosen_set: SetName = DEFAULT_SET,
    failed_from: FailedFrom = None,
    maturity: MaturityName = "incubation",
    disruptive: Disruptive = False,
    run: Run = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with an interrupted run.")] = None,
    build: Annotated[
        bool, typer.Option("--build", help="First build the cluster's programs (lab build).")
    ] = False,
    shuffle: Annotated[
        int | None, typer.Option(min=0, metavar="SEED", help="Judge in an order of chance.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """The main job: lab, deploy, validate, perf, report.

    Example: ./iec4 run --layer paas,saas --maturity incubation
    """
    from pipeline import building, commands, story

    if build:
        building.build_for(lab or "embedded")
    request = story.Request(
        lab=lab or "embedded",
        blueprint=blueprint,
        only=(*_words(only), *commands.not_met_in(failed_from)),
        layers=_words(layer),
        maturity=maturity_of(maturity),
        disruptive=disruptive,
        run=run,
        asked=commands.asked(),
        chosen_set=chosen_set,
        shuffle=shuffle,
    )
    return commands.run(request, resume=resume, quiet=quiet or as_json, as_json=as_json)


@app.command()
def soak(
    runs: Annotated[int, typer.Argument(min=2, metavar="N", help="How many runs.")],
    chosen_set: SetName = DEFAULT_SET,
    only: Only = None,
    blueprint: BlueprintName = DEFAULT_BLUEPRINT,
    maturity: MaturityName = "incubation",
    together: Annotated[int, typer.Option(min=1, max=4, help="Labs at once.")] = 1,
    steal_cpu: Annotated[
        bool, typer.Option("--steal-cpu", help="Take the processors away by fits and starts.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the orders and of the theft.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run N times on embedded labs; no verdict may change.

    Example: ./iec4 soak 50 --set fast --together 2 --steal-cpu
    """
    from pipeline import soak as soaking

    question = soaking.Question(
        runs=runs, chosen_set=chosen_set, only=_words(only), blueprint=blueprint,
        maturity=maturity_of(maturity), together=together, steal_cpu=steal_cpu, seed=seed,
    )  # fmt: skip
    return soaking.soak(question, quiet=quiet or as_json, as_json=as_json)


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
    """Deploy systems onto the hosts; plan what is judged.

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
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Try each fault on criteria that chance picks.")
    ] = False,
    sample: Annotated[
        int, typer.Option(min=1, help="With --matrix: so many in and out of each blast radius.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="With --matrix: which ones.")] = 0,
    lab: Annotated[str, typer.Option(help="embedded or deep: one is made for it.")] = "embedded",
    blueprint: BlueprintName = DEFAULT_BLUEPRINT,
    run: Run = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with what was interrupted.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Prove criteria: PASS, with a fault FAIL, then PASS, while nothing else changes.

    Example: ./iec4 prove PAAS-03
    """
    from pipeline import prove as proving

    layers = _words(layer)
    asked = bool(only or layers or everything or matrix)
    if resume is not None:
        if asked:
            raise ConfigError("--resume goes on with what was asked then; leave the rest away")
        return proving.resume(resume, quiet=quiet, as_json=as_json)
    if not asked:
        raise ConfigError("nothing to prove; give criterion ids, --layer LAYER, --all or --matrix")
    question = proving.Question(
        blueprint, lab, _words(only), layers, sample=sample if matrix else None, seed=seed
    )
    return proving.prove(question, run=run, quiet=quiet, as_json=as_json)


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
    name: Annotated[
        str, typer.Argument(help="What to measure: run, report, rpc, classroom, k8s, cvb, parsers.")
    ] = "run",
    as_json: Json = False,
    write: Annotated[bool, typer.Option("--write", help="Update docs/performance.md.")] = False,
    soak: Annotated[
        bool, typer.Option("--soak", help="Measure for longer (rpc, parsers).")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few students, short windows (classroom).")
    ] = False,
) -> int:
    """Measure the suite itself.

    Example: ./iec4 bench run --json
    """
    if name not in BENCHES:
        raise ConfigError(f"unknown bench {name!r}; {nearest(name, BENCHES)}")
    from importlib import import_module

    if soak and name not in SOAKING:
        raise ConfigError(f"bench {name} has no --soak; it is for {', '.join(SOAKING)}")
    if quick and name not in QUICK:
        raise ConfigError(f"bench {name} has no --quick; it is for {', '.join(QUICK)}")
    chosen = {"soak": True} if soak else {"quick": True} if quick else {}
    code: int = import_module(f"benchmarks.{name}").main(json=as_json, write=write, **chosen)
    return code
