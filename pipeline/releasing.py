"""What ``gate`` does below its arguments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.model import Maturity
from blueprints.release_rules import release_rules
from blueprints.security import security_rules
from lab import inventory as inventories
from lab import secrets
from lab.secrets import redactor
from reports.results import RunResults, read_results
from submission import exceptions, gate_page
from submission.gate import Gate, Rules, evaluate


def gate(
    runs: Sequence[Path],
    *,
    maturity: Maturity,
    blueprint: str | None,
    exceptions_file: Path | None,
    release: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Judge a release; print what blocks it, write the page, return the exit code."""
    results = [read_results(run.resolve()) for run in runs]
    chosen = model.load(blueprint or blueprint_of(results[0]))
    rules = Rules(release_rules(), security_rules(), exceptions.load(chosen.name, exceptions_file))
    found = _redacted(evaluate(chosen, results, maturity, rules, _day(release)))
    pages = gate_page.write(found, output or found.runs[-1].directory)
    if as_json:
        print(gate_page.as_json(found))
    else:
        print(gate_page.as_text(found), end="")
        print(f"The page: {pages[1]}")
    return found.exit_code.value


def _redacted(found: Gate) -> Gate:
    """The page quotes what scanners wrote; no secret of a lab gets onto it."""
    for run in found.runs:
        learn_secrets_of(run)
    lines = tuple(
        replace(line, subject=redactor.text(line.subject), says=redactor.text(line.says))
        for line in found.lines
    )
    return replace(found, lines=lines)


def learn_secrets_of(run: RunResults, lab: str | None = None) -> None:
    """Have a lab's secrets redacted and looked for, as far as its inventory can be had here.

    ``lab``: another inventory than the one that the run was made with.
    """
    noted = json.loads((run.directory / "run.json").read_bytes()).get("inventory")
    with suppress(ConfigError):
        secrets.learn(inventories.load(lab or str(noted or run.lab)))


def blueprint_of(run: RunResults) -> str:
    """The blueprint's file where a run was made with one of its own, else its name."""
    return str(run.asked.get("blueprint") or run.blueprint)


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no day; it reads like 2026-12-01") from None
