"""Runs from outside: read from archives, and harmless whatever is in them."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blueprints.errors import ConfigError
from blueprints.evidence import Verdict
from reports import runfiles
from reports.as_json import document
from reports.results import read_results


@pytest.fixture
def judged(run):
    run.pass_all("PAAS-02", "PAAS-20")
    run.result("PAAS-02", Verdict.FAIL, reason="no endpoint")
    run.result("PAAS-20", measurements=[{"name": "p99", "value": 4100.0, "unit": "us"}])
    return run


def zipped(run, target: Path, below: str = "archive/results/") -> Path:
    """As Jenkins packs artifacts: everything below the directories that it was archived from."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(run.path.rglob("*")):
            name = f"{below}{run.path.name}/{path.relative_to(run.path)}"
            archive.write(path, name)
    return target


@pytest.mark.parametrize("below", ["", "archive/results/"])
def test_an_archive_says_what_its_run_directory_says(judged, tmp_path, below):
    archive = zipped(judged, tmp_path / "run.zip", below)
    assert document(read_results(archive)) == document(read_results(judged.path))
    packed = read_results(archive)
    assert replace(packed, directory=judged.path) == read_results(judged.path)


def test_what_is_no_archive_of_one_run_is_refused(judged, run, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ConfigError, match="neither a run directory nor a zip of one"):
        read_results(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("readme", "no run")
    with pytest.raises(ConfigError, match=r"holds no run\.json"):
        read_results(tmp_path / "none.zip")
    two = zipped(judged, tmp_path / "two.zip")
    with zipfile.ZipFile(two, "a") as archive:
        archive.writestr("archive/results/other/run.json", "{}")
    with pytest.raises(ConfigError, match=r"2 files run\.json"):
        read_results(two)


def member(judged, name: str, content: bytes, *, times: int = 1) -> Path:
    """An archive of the run with one more member, put there ``times`` times."""
    archive = zipped(judged, judged.path.parent / "run.zip", "")
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as packed:
        for _ in range(times):
            packed.writestr(f"{judged.path.name}/allure-results/{name}", content)
    return archive


def test_a_member_whose_name_leads_out_is_nowhere_to_be_found(judged):
    loud = json.dumps({"labels": [{"name": "criterion", "value": "OS-01"}]}).encode()
    before = sorted(judged.path.parent.rglob("*"))
    archive = member(judged, "../../../out-result.json", loud)
    assert document(read_results(archive)) == document(read_results(judged.path))
    assert sorted(judged.path.parent.rglob("*")) == sorted([*before, archive])


def test_an_archive_that_unpacks_to_too_much_is_damage(judged):
    archive = member(judged, "bomb-result.json", b" " * (8 * 1024 * 1024))
    (says,) = read_results(archive).damage
    assert says == "bomb-result.json cannot be read: it unpacks to too much"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_a_name_twice_is_refused(judged):
    with pytest.raises(ConfigError, match=r"'x-result\.json' twice"):
        read_results(member(judged, "x-result.json", b"{}", times=2))


def test_a_damaged_member_is_damage(judged):
    archive = member(judged, "odd-result.json", os.urandom(4096))
    content = bytearray(archive.read_bytes())
    content[content.rindex(b"odd-result.json", 0, content.index(b"PK\x01\x02")) + 600] ^= 0xFF
    archive.write_bytes(content)
    (says,) = read_results(archive).damage
    assert "odd-result.json cannot be read: the archive is damaged" in says


def test_links_and_pipes_in_a_run_are_not_opened(judged, tmp_path):
    results = judged.path / "allure-results"
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"name": "a secret", "labels": []}))
    (results / "link-result.json").symlink_to(secret)
    os.mkfifo(results / "pipe-result.json")
    (results / "dir-result.json").mkdir()
    damage = read_results(judged.path).damage
    assert [says.partition(" ")[0] for says in damage] == [
        "dir-result.json", "link-result.json", "pipe-result.json",
    ]  # fmt: skip
    assert "a secret" not in str(read_results(judged.path))
    shutil.rmtree(results)
    results.symlink_to(tmp_path)
    (says,) = read_results(judged.path).damage
    assert says.startswith("allure-results cannot be read")


def test_a_large_file_is_not_read(judged):
    huge = judged.path / "allure-results" / "huge-result.json"
    with huge.open("wb") as stream:
        stream.truncate(runfiles.FILE_BYTES + 1)
    assert read_results(judged.path).damage == ("huge-result.json cannot be read: "
                                                "it is longer than 16 MiB",)  # fmt: skip


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"a":' * 100_000, '{"start": 0, "stop": 1' + "0" * 4000 + "}", "1" * 5000],
    ids=["deep list", "deep object", "late", "long number"],
)
def test_a_document_that_is_too_much_for_the_parser_is_damage(judged, content):
    (judged.path / "allure-results" / "x-result.json").write_text(content)
    (says,) = read_results(judged.path).damage
    assert "x-result.json" in says
    (judged.path / "run.json").write_text(content)
    with pytest.raises(ConfigError):
        read_results(judged.path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("name", "status", "statusDetails", "start", "stop", "attachments", "labels", "fullName")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_whatever_stands_in_a_result_it_is_read_without_an_accident(run, key, value):
    path = run.result("PAAS-01", **{key: value})
    try:
        document(read_results(run.path))
    finally:
        path.unlink()
