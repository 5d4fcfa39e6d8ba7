"""Help and mistakes: one screen, one line."""

import pytest

from tests.pipeline.conftest import Iec4

ALONE = [
    "run",
    "deploy",
    "validate",
    "perf",
    "report",
    "prove",
    "explain",
    "test",
    "bench",
    "gate",
    "submit",
    "verify",
]
COMMANDS = [*ALONE, "lab", "jobs", "criteria", "tars"]


def test_help_fits_one_screen(iec4: Iec4) -> None:
    shown = iec4("--help").stdout
    assert len(shown.splitlines()) <= 26
    for command in COMMANDS:
        assert f"\n  {command} " in shown


@pytest.mark.parametrize(
    "command",
    [[c] for c in ALONE]
    + [["lab", c] for c in ("up", "status", "down", "check", "build", "scans")]
    + [["lab", "fault", c] for c in ("list", "inject", "clear")]
    + [["criteria", "import"]]
    + [["tars", c] for c in ("ping", "call", "query", "decode")]
    + [["report", c] for c in ("write", "compare", "matrix", "trend")]
    + [
        ["jobs", c]
        for c in (
            "render",
            "lint",
            "diff",
            "apply",
            "prune",
            "trigger",
            "watch",
            "fetch",
            "groovy",
            "akraino",
        )
    ],
    ids=" ".join,
)
def test_every_command_shows_an_example(iec4: Iec4, command: list[str]) -> None:
    shown = " ".join(iec4(*command, "--help").stdout.split())
    assert f"Example: ./iec4 {' '.join(command)}" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rnu"], "unknown command 'rnu'; did you mean run?"),
        (["lab", "fualt"], "unknown command 'fualt'; did you mean fault?"),
        (["run", "--lyer", "os"], "--layer"),
        (["run", "--only", "PAAS-99"], "unknown criterion 'PAAS-99'; did you mean PAAS-"),
        (["run", "--layer", "pass"], "unknown layer 'pass'; did you mean paas or saas?"),
        (["run", "--lab", "embeded"], "unknown lab 'embeded'; did you mean embedded?"),
        (["run", "--lab", "no.yaml"], "no.yaml: cannot be read"),
        (["run", "--maturity", "ripe"], "unknown maturity 'ripe'"),
        (["run", "--failed-from", "no-run"], "no-run is no run directory"),
        (["explain", "OS-1"], "unknown criterion 'OS-1'; did you mean OS-"),
        (["prove"], "nothing to prove; give criterion ids, --layer LAYER, --all or --matrix"),
        (["report", "nowhere"], "nowhere is no run directory"),
        (["report", "comapre"], "unknown command 'comapre'; did you mean compare?"),
        (["report", "compare", "a", "b"], "a is no run directory"),
        (["jobs", "diff", "--jenkins", "ci.example"], "Jenkins needs a URL"),
        (["jobs", "trigger", "x", "-p", "A", "--jenkins", "http://x"], "a parameter is NAME=VALUE"),
        (["jobs", "diff", "--files", "a.xml", "b.xml"], "a.xml: cannot be read"),
        (["gate", "nowhere"], "nowhere is no run directory"),
        (["gate", "nowhere", "--release", "soon"], "nowhere is no run directory"),
        (["verify", "nowhere"], "nowhere is no bundle"),
        (["criteria", "import", "rec.yaml"], "rec.yaml is not called bluval-<blueprint>.yaml"),
        (["bench", "rnu"], "unknown bench 'rnu'; did you mean run?"),
        (["bench", "run", "--soak"], "bench run has no --soak; it is for rpc"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_line(iec4: Iec4, arguments: list[str], says: str) -> None:
    done = iec4(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert says in done.stderr


def test_explain_tells_what_a_criterion_means_and_needs(iec4: Iec4) -> None:
    shown = iec4("explain", "paas-12").stdout
    for part in ("A killed service comes back", "tars-agent", "robot", "tars.no-respawn"):
        assert part in shown


def test_a_template_s_missing_values_are_explained(iec4: Iec4) -> None:
    done = iec4("lab", "check", "--lab", "inwinstack")
    assert done.returncode != 0
    assert "hosts.tars-master.host_key" in done.stdout
    assert "ssh-keyscan" in done.stdout
    assert "systems.tars.endpoints.web" in done.stdout


def test_a_run_on_a_template_is_refused_before_anything_starts(iec4: Iec4) -> None:
    done = iec4("run", "--lab", "inwinstack", "--quiet")
    assert done.returncode == 2
    assert "hosts.jenkins-master.address" in done.stderr
    assert "lab check" in done.stderr
