"""Reports of conformance runs are read as sonobuoy and hydrophone leave them."""

import io
import tarfile
from pathlib import Path

import pytest

from blueprints import conformance as rule
from lab.errors import LabError
from lab.iec import conformance
from lab.iec.kubeconfig import Access

JUNIT = b"""<testsuites tests="4"><testsuite name="Kubernetes e2e suite">
<testcase name="[SynchronizedBeforeSuite]" status="passed"/>
<testcase name="[It] [sig-node] Pods should be updated [NodeConformance] [Conformance]"/>
<testcase name="[It] [sig-network] DNS should work [Conformance]"><skipped/></testcase>
<testcase name="[It] [sig-apps] Job should run"/>
</testsuite></testsuites>"""
IN_SONOBUOY = "plugins/e2e/results/global/junit_01.xml"


def archive(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in (*names, "plugins/systemd-logs/results/node-1.json"):
            member = tarfile.TarInfo(name)
            member.size = len(JUNIT)
            tar.addfile(member, io.BytesIO(JUNIT))
    return path


def test_sonobuoy_s_archive(tmp_path: Path) -> None:
    assert (
        conformance.read(archive(tmp_path / "202611250300_sonobuoy.tar.gz", IN_SONOBUOY)) == JUNIT
    )


def test_hydrophone_s_directory_and_a_file_by_itself(tmp_path: Path) -> None:
    (tmp_path / "junit_01.xml").write_bytes(JUNIT)
    (tmp_path / "e2e.log").write_text("Ran 424 of 7144 Specs")
    assert conformance.read(tmp_path) == JUNIT
    assert conformance.read(tmp_path / "junit_01.xml") == JUNIT


@pytest.mark.parametrize("names", [(), (IN_SONOBUOY, IN_SONOBUOY.replace("1", "2"))])
def test_an_archive_with_no_or_two_reports_is_refused(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    with pytest.raises(LabError, match=f"{len(names)} JUnit files"):
        conformance.read(archive(tmp_path / "sonobuoy.tar.gz", *names))


@pytest.mark.parametrize("name", ["away.tar.gz", "away.xml", "cut.tar.gz"])
def test_what_cannot_be_read_is_told_with_what_was_expected(tmp_path: Path, name: str) -> None:
    whole = archive(tmp_path / "whole.tar.gz", IN_SONOBUOY).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LabError, match="sonobuoy's archive"):
        conformance.read(tmp_path / name)


def test_only_conformance_tests_that_ran_are_counted() -> None:
    assert rule.names_of_those_that_ran(JUNIT) == {
        "[sig-node] Pods should be updated [NodeConformance] [Conformance]"
    }


def test_a_cluster_of_another_version_is_not_tested(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="another version than the cluster"):
        conformance.run(["x"], Access("https://127.0.0.1:1"), tmp_path, version="v1.19.0")
    assert not list(tmp_path.iterdir())
