"""What the pages say can be done can be done: links lead somewhere, commands and options exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from benchmarks.checkout import ROOT
from pipeline.cli import app

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
#: Words of a command line up to what ends it in prose or code.
COMMAND = re.compile(r"\./iec4 ([^`#&\n(),;→│]+)")


def commands_in(text: str) -> list[list[str]]:
    """Each ``./iec4 …`` as words; ``a|b`` stands for the same line with each of them."""
    found: list[list[str]] = []
    for line in COMMAND.findall(text):
        words = line.replace("[", " ").replace("]", " ").split()
        found += [[one, *words[1:]] for one in words[0].split("|")]
    return found


def unknown_in(words: list[str]) -> str | None:
    """The first word that is neither a command nor an option of it."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if hasattr(command, "unless_named") and word not in command.commands:
            command = command.commands[command.unless_named]
        if word.startswith("-"):
            options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
            if word.split("=")[0] not in options | {"--help", "-h"}:
                return word
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    unknown = {
        " ".join(words): word
        for words in commands_in(page.read_text())
        if (word := unknown_in(words)) is not None
    }
    assert unknown == {}


def test_the_two_commands_come_first_in_the_readme_and_in_ci() -> None:
    first = commands_in((ROOT / "README.md").read_text())[:2]
    assert [words[0] for words in first] == ["run", "test"]
    ci = (ROOT / ".ci" / "run").read_text()
    # There "judge" is "./iec4 run", and once more what it did not meet.
    begun = re.findall(r"^(\./iec4 test|judge)\b(?!\()", ci, re.MULTILINE)
    assert begun[:2] == ["./iec4 test", "judge"]


def test_an_unknown_command_or_option_would_be_found() -> None:
    assert unknown_in(["lab", "inject", "x"]) == "inject"
    assert unknown_in(["run", "--lab", "x", "--fast"]) == "--fast"
    assert unknown_in(["lab", "fault", "inject", "x"]) is None
    assert unknown_in(["report", "--run", "x"]) is None
    assert unknown_in(["report", "x", "--fast"]) == "--fast"
