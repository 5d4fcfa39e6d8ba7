"""``./iec4 lab``: the lab up, down, looked at and tried, and its faults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.options import (
    DEFAULT_BLUEPRINT,
    BlueprintName,
    Json,
    Lab,
    MaturityName,
    Run,
    maturity_of,
)

app = typer.Typer(
    no_args_is_help=True, help="The lab: up, status, down, check, build, scans, faults."
)
fault_app = typer.Typer(no_args_is_help=True, help="Faults of a lab that the suite made.")
app.add_typer(fault_app, name="fault")


@app.command("up")
def lab_up(lab: Lab = None) -> int:
    """Start the embedded lab's hosts, or the deep one's. Example: ./iec4 lab up --lab deep"""
    from pipeline import labs

    return labs.up(lab)


@app.command("status")
def lab_status(lab: Lab = None, as_json: Json = False) -> int:
    """Show the hosts of a lab that is up. Example: ./iec4 lab status"""
    from pipeline import labs

    return labs.status(lab, as_json=as_json)


@app.command("down")
def lab_down(lab: Lab = None) -> int:
    """End a lab that is up, all of it. Example: ./iec4 lab down"""
    from pipeline import labs

    return labs.down(lab)


@app.command("check")
def lab_check(lab: Lab = None, as_json: Json = False) -> int:
    """Try every host and endpoint. Example: ./iec4 lab check --lab my-lab.yaml"""
    from pipeline import labs

    return labs.check(lab, as_json=as_json)


@app.command("build")
def lab_build(
    deep: Annotated[bool, typer.Option("--deep", help="Also what the deep lab needs.")] = False,
    keep_go_caches: Annotated[
        bool, typer.Option("--keep-go-caches", help="Some GiB, for another build.")
    ] = False,
) -> int:
    """Build the cluster's programs, once a machine. Example: ./iec4 lab build --deep"""
    from pipeline.building import build

    return build(deep=deep, keep_go_caches=keep_go_caches)


@app.command("scans")
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
    from pipeline import labs

    return labs.fault_list()


@fault_app.command("inject")
def fault_inject(name: str, lab: Lab = None) -> int:
    """Inject a fault. Example: ./iec4 lab fault inject tars.lookup-empty"""
    from pipeline import labs

    return labs.fault_set(name, lab, inject=True)


@fault_app.command("clear")
def fault_clear(
    name: Annotated[str, typer.Argument(help="A fault; all unless given.")] = "", lab: Lab = None
) -> int:
    """Clear a fault, or all. Example: ./iec4 lab fault clear"""
    from pipeline import labs

    return labs.fault_set(name, lab, inject=False)
