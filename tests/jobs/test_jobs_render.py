"""The rendered jobs, whole, against golden files; and what every job must have.

After a change of the definitions that is meant: ``./iec4 jobs render --output tests/jobs/golden``
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from blueprints.errors import ConfigError
from jobs.lint import problems
from jobs.render import SITE, render

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def jobs() -> dict[str, str]:
    return render()


def test_the_jobs_are_the_golden_ones(jobs):
    golden = {path.stem: path.read_text() for path in GOLDEN.glob("*.xml")}
    assert jobs == golden


def test_names_are_those_of_the_akraino_jobs(jobs):
    assert list(jobs) == sorted(jobs)
    assert all(re.fullmatch(r"iec4-[a-z0-9-]+-daily-[a-z0-9.]+", name) for name in jobs)


def test_every_job_has_a_time_out_a_label_and_archiving(jobs):
    assert {name: problems(xml) for name, xml in jobs.items()} == {name: [] for name in jobs}


def test_parameters_stand_in_the_definition_and_reach_the_jenkinsfile(jobs):
    """A pipeline's own parameters are not there before its first run."""
    jenkinsfile = (Path(__file__).parents[2] / "Jenkinsfile").read_text()
    assert not re.search(r"^\s*parameters\b", jenkinsfile, re.MULTILINE)
    for xml in jobs.values():
        definitions = ElementTree.fromstring(xml).findall(
            "properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions/*/name"
        )
        declared = {name.text for name in definitions}
        assert set(re.findall(r"params\.(\w+)", jenkinsfile)) == declared


def test_a_machines_own_configuration_changes_nothing(jobs, tmp_path, monkeypatch):
    configuration = tmp_path / ".config" / "jenkins_jobs"
    configuration.mkdir(parents=True)
    (configuration / "jenkins_jobs.ini").write_text("[job_builder]\nexclude=nothing\nrecursive=x\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JJB_CONF", str(configuration / "jenkins_jobs.ini"))
    monkeypatch.setenv("JJB_LOG_LEVEL", "loud")
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    assert render() == jobs
    assert set(tmp_path.rglob("*")) == before


def test_the_output_directory_gets_a_file_a_job(jobs, tmp_path):
    render(tmp_path / "new" / "place")
    written = {path.name: path.read_text() for path in (tmp_path / "new" / "place").iterdir()}
    assert written == {f"{name}.xml": xml for name, xml in jobs.items()}


def test_a_site_gives_repository_credentials_label_and_schedule(tmp_path):
    site = tmp_path / "site.yaml"
    text = SITE.read_text()
    for old, new in (
        ("https://git.example.org/iec4.git", "ssh://review.example/iec4"),
        ('git-credentials: ""', "git-credentials: gerrit-key"),
        ("build-node: iec4", "build-node: rack-7"),
        ("H 2 * * *", "H 22 * * 6"),
        ("keep-runs: 30", "keep-runs: 5"),
    ):
        assert old in text
        text = text.replace(old, new)
    site.write_text(text)
    (xml,) = render(site=site).values()
    for element, value in (
        ("url", "ssh://review.example/iec4"),
        ("credentialsId", "gerrit-key"),
        ("defaultValue", "rack-7"),
        ("spec", "H 22 * * 6"),
        ("numToKeep", "5"),
    ):
        assert f"<{element}>{value}</{element}>" in xml
    assert "git.example.org" not in xml


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- defaults:\n    name: global\n", "Missing parameter: 'build-node'"),
        ("- defaults: [", r"site.yaml:1:14: not valid YAML"),
        ("", "Missing parameter"),
    ],
)
def test_a_site_that_does_not_fit_is_one_line_with_the_place(tmp_path, text, says):
    site = tmp_path / "site.yaml"
    site.write_text(text)
    with pytest.raises(ConfigError, match=says) as failed:
        render(site=site)
    assert "\n" not in str(failed.value)


def test_a_site_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="is no file"):
        render(site=tmp_path / "site.yaml")


def changed(xml: str, old: str, new: str) -> str:
    assert old in xml
    return xml.replace(old, new)


def test_the_lint_finds_what_it_is_for(jobs, tmp_path):
    (xml,) = jobs.values()
    discarder = re.search(r"<jenkins.model.BuildDiscarderProperty>.*?</jenkins.*?>\n", xml, re.S)
    assert discarder is not None
    assert problems(xml.replace(discarder[0], "")) == ["old builds are never removed"]
    throttled = changed(xml, "<properties>", '<properties><x plugin="throttle-concurrents"/>')
    assert problems(throttled) == ["needs the plugin throttle-concurrents, which is not asked for"]
    assert "No such file" in problems(xml, tmp_path)[0]
    (tmp_path / "Jenkinsfile").write_text("pipeline {\n")
    assert problems(xml, tmp_path) == ["Jenkinsfile: line 1: this block is not closed"]
    inline = changed(changed(xml, "<scriptPath>", "<script>"), "</scriptPath>", "</script>")
    assert problems(inline) == ["it is no pipeline from a repository"]
