"""The rooms are those that CONTRIBUTING.md describes, and nothing in them names a machine."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bootstrap
from benchmarks.checkout import ROOT
from pipeline.selftest import shell_scripts

#: What commands leave in a checkout, beside hidden directories.
MADE = {"results", "node_modules", "__pycache__"}


def own_files() -> list[Path]:
    """Every file of the checkout that no command made."""
    tops = [path for path in ROOT.iterdir() if path.name[0] != "." or path.name == ".ci"]
    return [
        path
        for top in tops
        for path in (top, *top.rglob("*"))
        if path.is_file() and not MADE.intersection(path.relative_to(ROOT).parts)
    ]


def rooms() -> set[str]:
    """The first column of CONTRIBUTING.md's table."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)/`", row)}


def test_the_rooms_are_those_of_the_table() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    namespaces = {"robot", "tests", "validation"}
    assert found | namespaces == rooms()


def test_robot_s_directory_hides_no_package() -> None:
    assert not (ROOT / "robot" / "__init__.py").exists()


def test_contracts_cover_every_room() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    roots = set(config["importlinter"]["root_packages"].split())
    assert roots == rooms() - {"robot", "tests"} | {"iec4_keywords"}


def test_no_file_names_a_machine_s_directories() -> None:
    elsewhere = re.compile(r"(?<![\w.])/(?:work|root)/")
    named = []
    for path in own_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # recorded bytes
        named += [f"{path.relative_to(ROOT)}: {found}" for found in elsewhere.findall(text)]
    assert named == []


def test_npm_locks_name_no_registry() -> None:
    locks = [path for path in own_files() if path.name == "package-lock.json"]
    assert locks
    assert [path for path in locks if '"resolved"' in path.read_text()] == []


def test_shell_scripts_are_found_and_may_run() -> None:
    found = {path.relative_to(ROOT) for path in shell_scripts(ROOT)}
    assert {Path("iec4"), Path(".ci/run")} <= found
    top = (ROOT / "iec4", ROOT / ".ci" / "run")
    assert [path for path in top if not path.stat().st_mode & 0o111] == []


def lock_entries() -> dict[str, str]:
    """``{canonical name: the entry's text}`` of requirements.lock."""
    lock = (ROOT / "requirements.lock").read_text()
    return {
        canonicalize_name(name): bootstrap.requirement_of(name, lock)
        for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)
    }


def test_the_lock_serves_what_pyproject_wants() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    entries = lock_entries()
    unmet = []
    for requirement in map(Requirement, wanted):
        entry = entries.get(canonicalize_name(requirement.name), "")
        pinned = re.search(r"==([\w.]+)", entry)
        if pinned is None or not requirement.specifier.contains(pinned[1]):
            unmet.append(f"{requirement}: locked {pinned and pinned[1]}")
    assert unmet == [], "renew the lock with tox -e lock"


def test_every_locked_package_has_hashes_and_no_index() -> None:
    without = [n for n, entry in lock_entries().items() if "--hash=sha256:" not in entry]
    assert without == []
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^--?[a-z]", lock, re.MULTILINE)
