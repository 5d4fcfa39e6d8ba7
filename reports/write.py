"""The report stage: everything that is written of a run, in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reports.allure import AllureFailed, generate
from reports.as_json import as_json
from reports.files import write_whole
from reports.junit import junit_xml
from reports.results import RunResults, read_results
from reports.table import plain
from reports.text import one_line

TABLE, JUNIT, VERDICTS, HTML = "table.txt", "junit.xml", "verdicts.json", "report.html"

#: In this order: what takes long comes last, so that an interruption costs only that.
_WRITERS: dict[str, Callable[[RunResults], bytes]] = {
    TABLE: lambda results: plain(results).encode(errors="replace"),
    JUNIT: junit_xml,
    VERDICTS: lambda results: f"{as_json(results)}\n".encode(),
}


def write_reports(run: Path, *, tools: tuple[Path, Path] | None = None) -> list[str]:
    """Write table, JUnit, JSON and the Allure report into a run directory.

    ``tools``: the Node executable and the ``node_modules`` that holds ``allure``; without
    them there is no HTML.
    Returns a sentence for each thing that went wrong; whatever fails, the rest is written.
    Raises `ConfigError` when ``run`` is no run directory.
    """
    results = read_results(run)
    problems = write_texts(results, run)
    if tools is not None:
        node, node_modules = tools
        try:
            generate(results, run / HTML, node=node, node_modules=node_modules)
        except (AllureFailed, OSError) as error:
            (run / HTML).unlink(missing_ok=True)  # one of an earlier call would be stale
            problems.append(one_line(str(error)))
    return problems


def write_texts(results: RunResults, directory: Path) -> list[str]:
    """Write everything but the Allure report; returns a sentence for each that failed."""
    problems = []
    for name, render in _WRITERS.items():
        try:
            write_whole(directory / name, render(results))
        except Exception as error:  # noqa: BLE001  a defect in one report must not cost the others
            problems.append(one_line(f"{name} was not written: {type(error).__name__}: {error}"))
    return problems
