"""The rendered jobs, whole, against golden files; and what every job must have.

After a change of the definitions that is meant: ``./iec4 jobs render --output tests/jobs/golden``
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.guarded_xml import parse as parse_job
from jobs.lint import PACKAGES, PLUGINS, STEPS, problems
from jobs.render import SITE, render
from lab.jenkins.drift import compare
from lab.jenkins.embedded.saving import saved
from tests.jobs.command_line import parsed

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
UI_PARAMETERS = {"SUBMISSION_ID", "BLUEPRINT", "LAYER", "VERSION", "LAB", "OPTIONAL", "UI_IP"}


def parameters(xml: str) -> set[str]:
    names = ElementTree.fromstring(xml).findall(
        "properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions/*/name"
    )
    return {str(name.text) for name in names}


def commands(xml: str) -> str:
    """The scripts of a freestyle job."""
    found = ElementTree.fromstring(xml).iterfind("builders/hudson.tasks.Shell/command")
    return "\n".join(command.text or "" for command in found)


@pytest.fixture(scope="module")
def jobs() -> dict[str, str]:
    return render()


def test_the_jobs_are_the_golden_ones(jobs):
    golden = {path.stem: path.read_text() for path in GOLDEN.glob("*.xml")}
    assert jobs == golden


def test_names_are_those_of_the_akraino_jobs(jobs):
    """ci-management's: WHAT-[LAB-]daily-STREAM; what people start has no rhythm in its name."""
    assert list(jobs) == sorted(jobs)
    names = re.compile(r"iec4-[a-z0-9-]+-daily-[a-z0-9.]+|iec4-submission-[a-z0-9.]+")
    assert [name for name in jobs if not names.fullmatch(name)] == []


def test_every_job_has_what_it_must_have(jobs):
    assert {name: problems(xml) for name, xml in jobs.items()} == {name: [] for name in jobs}


@pytest.mark.parametrize("name", ["Jenkinsfile", "jobs/lab.Jenkinsfile"])
def test_parameters_stand_in_the_definition_and_reach_the_jenkinsfile(jobs, name):
    """A pipeline's own parameters are not there before its first run."""
    jenkinsfile = (ROOT / name).read_text()
    assert not re.search(r"^\s*parameters\b", jenkinsfile, re.MULTILINE)
    own = [xml for xml in jobs.values() if f"<scriptPath>{name}</scriptPath>" in xml]
    assert own
    for xml in own:
        own_variables = set(re.findall(r"^ +(\w+) = ", jenkinsfile, re.MULTILINE))
        used = set(re.findall(r"params\.(\w+)", jenkinsfile))
        used |= set(re.findall(r"\"\$(\w+)\"", jenkinsfile)) - own_variables
        assert used == parameters(xml)


def test_every_parameter_is_used(jobs):
    for xml in jobs.values():
        for name in parameters(xml) if "<project>" in xml else ():
            used = f"${name}" in commands(xml) or name in UI_PARAMETERS
            assert used, (name, xml)


def test_the_validation_uis_parameters_are_all_there(jobs):
    """Those that its JenkinsExecutorClient sends; Jenkins drops others without a word."""
    assert parameters(jobs["iec4-bluval-daily-master"]) == UI_PARAMETERS
    assert "./iec4 jobs akraino" in commands(jobs["iec4-bluval-daily-master"])


def test_what_is_published_lies_in_run_directories(jobs):
    """And is not found through the link results/latest a second time."""
    for xml in jobs.values():
        for tag in ("testResults", "artifacts", "outputFileName"):
            for found in re.findall(f"<{tag}>(.*)</{tag}>", xml):
                assert found.removeprefix("results/").startswith("jenkins-*/")


def test_no_secret_is_a_parameter_or_an_argument(jobs):
    for xml in jobs.values():
        assert "PasswordParameterDefinition" not in xml
        bound = ElementTree.fromstring(xml).findall(".//bindings/*/variable")
        for variable in bound:
            assert not re.search(rf"(?<!file:)\${variable.text}\b", commands(xml))


def test_jenkins_loses_nothing_of_a_job(jobs):
    """Saved by the embedded Jenkins, which is held to recordings of a real one."""
    plugins = dict(
        line.split(":") for line in PLUGINS.read_text().splitlines() if not line.startswith("#")
    )
    for name, xml in jobs.items():
        drift = compare(xml, saved(parse_job(xml.encode()), plugins))
        assert [d for d in drift.differences if d.matters] == [], name


def with_site(tmp_path, old, new):
    """The jobs of the site's file, changed."""
    text = SITE.read_text()
    assert text.count(old) == 1
    site = tmp_path / "site.yaml"
    site.write_text(text.replace(old, new))
    return render(site=site)


def test_one_more_lab_is_one_entry(jobs, tmp_path):
    more = with_site(tmp_path, "      - inwinstack\n", "      - inwinstack\n      - rack-7\n")
    of_one = {name for name in jobs if "-inwinstack-" in name}
    assert set(more) - set(jobs) == {n.replace("inwinstack", "rack-7") for n in of_one}
    assert {name: xml for name, xml in more.items() if name in jobs} == jobs
    for name, xml in more.items():
        if "-rack-7-" in name:
            assert "inwinstack" not in xml
            assert problems(xml) == []


def test_one_more_layer_is_one_entry(jobs, tmp_path):
    more = with_site(tmp_path, "    layer:\n", "    layer:\n      - e2e\n")
    assert set(more) - set(jobs) == {"iec4-validate-e2e-inwinstack-daily-master"}
    assert "--layer e2e" in commands(more["iec4-validate-e2e-inwinstack-daily-master"])


BRANCH = "*//hudson.plugins.git.BranchSpec/name"


def test_the_branch_is_the_sites_and_a_stream_may_have_its_own(tmp_path):
    for name, xml in with_site(tmp_path, "    branch: master\n", "    branch: main\n").items():
        assert [spec.text for spec in ElementTree.fromstring(xml).iterfind(BRANCH)] == ["main"], (
            name
        )

    old = "    stream:\n      - master\n"
    more = with_site(tmp_path, old, old + "      - stable: {branch: stable-1.0}\n")
    one = ElementTree.fromstring(more["iec4-perf-inwinstack-daily-stable"])
    assert one.findtext(BRANCH) == "stable-1.0"


def test_every_layer_that_has_criteria_has_its_job(jobs):
    """Robot judges a part of each: its publisher fails a build without any output of Robot.

    What crosses the layers is judged by the pipeline, which has all of them.
    """
    criteria = [c for c in model.load("iec-type4").criteria if c.layer != "e2e"]
    layers = {c.layer for c in criteria}
    wanted = {f"iec4-validate-{layer}-inwinstack-daily-master" for layer in layers}
    assert {name for name in jobs if re.match("iec4-validate-[a-z0-9]+-inwin", name)} == wanted
    assert {c.layer for c in criteria if c.runner == "robot"} == layers


LEAF = re.compile(r"iec4-(?!pipeline).*-inwinstack-.*")


def test_jobs_of_one_lab_keep_each_other_out_and_no_others(jobs, tmp_path):
    more = with_site(tmp_path, "      - inwinstack\n", "      - inwinstack\n      - inwin\n")
    for name, xml in more.items():
        job = ElementTree.fromstring(xml)
        blocking = job.findtext(".//hudson.plugins.buildblocker.BuildBlockerProperty/blockingJobs")
        category = job.findtext(
            ".//hudson.plugins.throttleconcurrents.ThrottleJobProperty/categories/string"
        )
        if LEAF.fullmatch(name):
            assert category == "iec4-inwinstack"
            blocks = {other for other in more if re.fullmatch(blocking, other)}
            assert blocks == {other for other in more if LEAF.fullmatch(other)}
        elif "inwin" not in name or "pipeline" in name:
            # A lab's pipeline waits for its own children: were it kept out, both waited forever.
            assert (blocking, category) == (None, None)


def test_a_labs_pipeline_triggers_its_own_children(jobs):
    xml = jobs["iec4-pipeline-inwinstack-daily-master"]
    defaults = {
        p.findtext("name"): p.findtext("defaultValue")
        for p in ElementTree.fromstring(xml).iterfind(".//parameterDefinitions/*")
    }
    assert defaults["DEPLOY_JOB"] in jobs
    assert defaults["DESTROY_JOB"] in jobs
    assert defaults["CATEGORY"] == "iec4-inwinstack"
    choices = [s.text for s in ElementTree.fromstring(xml).iterfind(".//choices//string")]
    assert choices[-2:] == ["no", "yes"], "nothing is destroyed unless asked"


def test_every_command_of_a_job_is_one_that_the_command_line_knows(jobs, monkeypatch):
    """Parsed by the command line itself, down to each option; nothing is run."""
    for name in {*UI_PARAMETERS, "IEC4_RUN"}:  # what a build has in its environment
        monkeypatch.setenv(name, "7")
    for name, xml in jobs.items():
        if "<project>" not in xml:
            continue
        lines = [line for line in logical_lines(commands(xml)) if line.startswith("./iec4")]
        assert lines, name
        for line in lines:
            words = shlex.split(line.partition(" >")[0])[1:]
            assert parsed(words) == [], line


def logical_lines(script: str) -> list[str]:
    return [line.strip() for line in script.replace("\\\n", " ").splitlines()]


def test_the_scripts_of_jobs_are_sound(jobs, tmp_path):
    """As ShellCheck, which we did not write, sees them."""
    for name, xml in jobs.items():
        if "<project>" in xml:
            (tmp_path / f"{name}.sh").write_text(commands(xml))
    done = subprocess.run(
        [Path(sys.executable).parent / "shellcheck", *map(str, tmp_path.glob("*.sh"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""


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
        ("https://nexus.akraino.org", "https://nexus.example"),
        ("inventories: /srv/iec4/labs", "inventories: /etc/labs"),
        ("jenkins-token: iec4-jenkins-token", "jenkins-token: other-token"),
    ):
        assert old in text
        text = text.replace(old, new)
    site.write_text(text)
    jobs = render(site=site)
    for name, xml in jobs.items():
        assert "<url>ssh://review.example/iec4</url>" in xml
        assert "<credentialsId>gerrit-key</credentialsId>" in xml
        assert "<numToKeep>5</numToKeep>" in xml
        assert ">rack-7</" in xml
        assert not re.search(r"git\.example\.org|nexus\.akraino|/srv/iec4/labs", xml), name
    daily = jobs["iec4-validate-daily-master"]
    assert "<spec>H 22 * * 6</spec>" in daily
    assert "/etc/labs/inwinstack.yaml" in jobs["iec4-deploy-inwinstack-daily-master"]
    assert "<credentialsId>other-token</" in jobs["iec4-drift-daily-master"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- defaults:\n    name: global\n", "Missing parameter: 'build-node'"),
        ("- defaults: [", r"site.yaml:2:1: not valid YAML"),
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


def test_the_lint_finds_what_a_pipeline_lacks(jobs, tmp_path):
    xml = jobs["iec4-validate-daily-master"]
    discarder = re.search(r"<jenkins.model.BuildDiscarderProperty>.*?</jenkins.*?>\n", xml, re.S)
    assert discarder is not None
    assert problems(xml.replace(discarder[0], "")) == ["old builds are never removed"]
    described = re.sub(r"<description>Validates[^&]*", "<description>", xml)
    assert problems(described) == ["it has no description"]
    assert "No such file" in problems(xml, tmp_path)[0]
    (tmp_path / "Jenkinsfile").write_text("pipeline {\n")
    assert problems(xml, tmp_path) == ["Jenkinsfile: line 1: this is no Groovy, or not closed"]
    inline = changed(changed(xml, "<scriptPath>", "<script>"), "</scriptPath>", "</script>")
    assert problems(inline) == ["it is no pipeline from a repository"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<assignedNode>iec4</assignedNode>", "", "no agent label"),
        ("<timeoutMinutes>60</timeoutMinutes>", "", "no time-out"),
        ("<onlyIfSuccessful>false<", "<onlyIfSuccessful>true<", "archiving does not happen"),
        ("<artifacts>", "<artifacts><x.y.Z/>", "nobody knows whose class x.y.Z is"),
        (
            "<publishers>",
            "<publishers><a plugin='xvfb@1'/>",
            "the plugin xvfb, which is not pinned",
        ),
    ],
)
def test_the_lint_finds_what_a_freestyle_job_lacks(jobs, old, new, says):
    xml = jobs["iec4-perf-inwinstack-daily-master"]
    (found,) = problems(changed(xml, old, new))
    assert says in found


def test_the_lint_finds_plugins_that_are_not_pinned(jobs, tmp_path):
    pinned = tmp_path / "plugins.txt"
    pinned.write_text(
        "".join(
            line
            for line in PLUGINS.read_text().splitlines(keepends=True)
            if not line.startswith(("robot:", "throttle-concurrents:"))
        )
    )
    one = jobs["iec4-validate-os-inwinstack-daily-master"]
    assert problems(one, plugins=pinned) == [
        "needs the plugin robot, which is not pinned",
        "needs the plugin throttle-concurrents, which is not pinned",
    ]
    whole = jobs["iec4-pipeline-inwinstack-daily-master"]
    assert "throttle needs the plugin throttle-concurrents" in problems(whole, plugins=pinned)[0]


def test_the_page_for_administrators_names_what_the_jobs_need(jobs):
    page = (ROOT / "docs" / "jenkins.md").read_text()
    pinned = dict(
        line.split(":") for line in PLUGINS.read_text().splitlines() if not line.startswith("#")
    )
    for plugin in {*PACKAGES.values(), *STEPS.values()} - {""}:
        assert f"`{plugin}`" in page
        assert pinned[plugin] in page
    for xml in jobs.values():
        for credential in re.findall(r"<credentialsId>(.+?)</credentialsId>", xml):
            assert f"| `{credential}` |" in page
        for label in re.findall(r"<assignedNode>(.+?)</assignedNode>", xml):
            assert f"the label `{label}`" in page
