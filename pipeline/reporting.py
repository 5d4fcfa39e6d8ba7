"""What the commands about several runs do: compare, matrix, trend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from blueprints.errors import ConfigError
from reports.compare import compare as comparison_of
from reports.files import write_whole
from reports.results import RunResults, read_results
from reports.runs import read_runs


def read(path: Path) -> RunResults:
    """The results in a run directory, in an archive of one, or in a bundle."""
    if path.is_file():
        from submission.bundle_results import is_bundle, read_bundle

        if is_bundle(path):
            return read_bundle(path)
    return read_results(path)


def compare(
    before: Path,
    after: Path,
    *,
    history: Sequence[Path],
    percent: float | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Print the comparison; returns 1 when something got worse."""
    from reports import compare_page

    earlier = read_runs(history, read).runs if history else ()
    found = comparison_of(read(before), read(after), history=earlier, percent=percent)
    if html is not None:
        _write(html, compare_page.as_html(found))
    print(compare_page.as_json(found) if as_json else compare_page.as_text(found).rstrip("\n"))
    return 1 if found.worse else 0


def matrix(run: Path, *, html: Path | None, as_json: bool) -> int:
    """Print the matrix of a run."""
    from reports import matrix_page
    from reports.matrix import matrix as matrix_of

    found = matrix_of(read_results(run.resolve()))
    if html is not None:
        _write(html, matrix_page.as_html(found, html.resolve().parent))
    print(matrix_page.as_json(found) if as_json else matrix_page.as_text(found).rstrip("\n"))
    return 0


def trend(paths: Sequence[Path], *, html: Path | None, as_json: bool) -> int:
    """Print the trend over many runs."""
    from reports import trend_page
    from reports.trend import trend as trend_of

    found = trend_of(read_runs(paths, read))
    if html is not None:
        _write(html, trend_page.as_html(found))
    print(trend_page.as_json(found) if as_json else trend_page.as_text(found).rstrip("\n"))
    return 0


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
