"""Which jobs a lab's Jenkins is to have, and where criteria find them."""

from pathlib import Path

import pytest

from blueprints import model
from blueprints.errors import ConfigError
from jobs.render import SITE
from lab import inventory as inventories
from lab.jenkins.defined import definitions
from pipeline import lab_jobs
from pipeline.rundir import RunDirectory

LAB = "name: mine\nkind: real\nprofile: lab\nhosts: {}\nsystems: {jenkins: {adopted: true%s}}\n"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(
        tmp_path / "run", blueprint=model.load(model.DEFAULT), lab="mine", profile="lab",
        maturity="incubation", planned=[], asked={},
    )  # fmt: skip


def _inventory(tmp_path: Path, site: Path | None) -> inventories.Inventory:
    file = tmp_path / "mine.yaml"
    file.write_text(LAB % (f", site: {site}" if site else ""))
    return inventories.load(str(file))


def test_the_jobs_of_the_site_that_the_inventory_names(run: RunDirectory, tmp_path: Path):
    site = tmp_path / "my-site.yaml"
    site.write_text(SITE.read_text().replace("- inwinstack", "- here"))

    lab_jobs.keep(run, _inventory(tmp_path, site))

    kept = definitions(run.path)
    assert "<project>" in kept["iec4-perf-here-daily-master"]
    assert "iec4-perf-inwinstack-daily-master" not in kept


def test_none_where_nobody_said(run: RunDirectory, tmp_path: Path):
    lab_jobs.keep(run, _inventory(tmp_path, None))

    assert definitions(run.path) == {}


def test_a_site_that_is_not_there_is_told_before_anything_starts(tmp_path: Path):
    missing = _inventory(tmp_path, tmp_path / "my-site.yaml").missing()

    assert [what for what in missing if what.startswith("systems.jenkins.site:")]


def test_only_a_jenkins_has_jobs(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(LAB.replace("jenkins", "tars") % ", site: /srv/site.yaml")

    with pytest.raises(ConfigError, match="only a Jenkins has jobs"):
        inventories.load(str(file))
