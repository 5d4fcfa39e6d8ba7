"""Compare the skips of a JUnit file with a committed list: a new one fails.

    python3 .ci/skips.py JUNIT EXPECTED

A line of the list is ``tests/room/test_file.py::test_name  reason``; parameters of a test do not
count, and only the name is compared. A file in which no test passed fails too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def skips_in(junit: Path) -> tuple[dict[str, str], int]:
    """``({test: reason}, how many passed)``; expected failures are no skips."""
    skips: dict[str, str] = {}
    passed = 0
    for case in ElementTree.parse(junit).iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("type") == "pytest.skip":
            name = case.get("name", "").split("[")[0]
            test = f"{case.get('file')}::{name}" if case.get("file") else name  # a whole module
            skips[test] = " ".join(skipped.get("message", "").split())
        elif skipped is None and case.find("failure") is None and case.find("error") is None:
            passed += 1
    return skips, passed


def expected_in(text: str) -> set[str]:
    """The tests that a list names; ``#`` begins a comment line."""
    lines = (line.strip() for line in text.splitlines())
    return {line.split(maxsplit=1)[0] for line in lines if line and not line.startswith("#")}


def main(junit: Path, expected: Path) -> int:
    """Print what skipped; returns 1 for a new skip or when nothing passed."""
    if not junit.exists():
        print(f"skips: {junit} is missing: the tests did not run to their end")
        return 1
    skips, passed = skips_in(junit)
    known = expected_in(expected.read_text())
    for test, reason in sorted(skips.items()):
        print(f"{'known' if test in known else 'NEW':<6} {test}  {reason}")
    new = sorted(skips.keys() - known)
    if new:
        print(
            f"skips: {len(new)} new. Provide what they want or, where CI cannot, add to {expected}:"
        )
        for test in new:
            print(f"    {test}  {skips[test]}")
    if not passed:
        print("skips: no test passed")
    return 1 if new or not passed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
