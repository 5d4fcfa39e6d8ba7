"""Everything that is written of a run but the Allure report: what ``bench report`` measures.

Run as ``python -m benchmarks.report_formats RUN TARGET``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reports import matrix_page
from reports.matrix import matrix
from reports.results import read_results
from reports.write import write_texts
from submission.suites import Suite, case_of, write_suite


def main(run: Path, target: Path) -> None:
    """Write table, JUnit, JSON, matrix and the BluVal tree into ``target``, a new directory."""
    target.mkdir()
    results = read_results(run)
    if problems := write_texts(results, target):
        raise SystemExit("\n".join(problems))
    traced = matrix(results)
    (target / "matrix.txt").write_text(matrix_page.as_text(traced))
    (target / "matrix.json").write_text(matrix_page.as_json(traced))
    (target / "matrix.html").write_bytes(matrix_page.as_html(traced, target))
    for layer in results.layers:
        cases = tuple(map(case_of, results.of_layer(layer)))
        write_suite(target / layer, Suite(layer, "iec4", cases), results)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
