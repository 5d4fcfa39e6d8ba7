"""What every job must have: a time-out, an agent's label, archiving, a description, rotation of
old builds, and no plugin but the pinned ones.

For a pipeline job the first three stand in its Jenkinsfile, so they are looked for there.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from jobs.jenkinsfile import JenkinsfileError, Statement, parse
from lab.jenkins.drift_rules import MANAGED

ROOT = Path(__file__).resolve().parent.parent
#: The pinned plugins, ``NAME:VERSION`` a line.
PLUGINS = ROOT / "lab" / "jenkins" / "plugins.txt"

#: Whose classes a job may have: package → plugin, "" for Jenkins' core. Job Builder names the
#: plugin of some elements only; an element of a plugin that is not there vanishes at Jenkins'
#: next save without a word.
PACKAGES = {
    "hudson.model": "",
    "hudson.plugins.build_timeout": "build-timeout",
    "hudson.plugins.buildblocker": "build-blocker-plugin",
    "hudson.plugins.descriptionsetter": "description-setter",
    "hudson.plugins.git": "git",
    "hudson.plugins.robot": "robot",
    "hudson.plugins.throttleconcurrents": "throttle-concurrents",
    "hudson.plugins.timestamper": "timestamper",
    "hudson.plugins.ws_cleanup": "ws-cleanup",
    "hudson.scm": "",
    "hudson.tasks": "",
    "hudson.tasks.junit": "junit",
    "hudson.triggers": "",
    "java.util": "",
    "jenkins.model": "",
    "org.jenkinsci.plugins.credentialsbinding": "credentials-binding",
    "org.jenkinsci.plugins.workflow.cps": "workflow-cps",
    "org.jenkinsci.plugins.workflow.job": "workflow-job",
}
#: Whose steps and options a Jenkinsfile may have.
STEPS = {
    "archiveArtifacts": "workflow-basic-steps",
    "build": "pipeline-build-step",
    "catchError": "workflow-basic-steps",
    "disableConcurrentBuilds": "workflow-job",
    "junit": "junit",
    "sh": "workflow-durable-task-step",
    "throttle": "throttle-concurrents",
    "timeout": "workflow-basic-steps",
    "timestamps": "timestamper",
}
#: Blocks of the declarative language itself.
_STRUCTURE = frozenset(
    (
        "pipeline", "agent", "options", "environment", "stages", "stage", "when", "steps",
        "post", "always", "cleanup", "aborted", "failure", "success", "unstable",
    )
)  # fmt: skip
#: Of these, what holds steps, or options, which are steps by another name.
_WITH_STEPS = frozenset(
    ("steps", "options", "always", "cleanup", "aborted", "failure", "success", "unstable")
)
#: Steps that may take as long as what they wait for.
_WAITING = ("sh", "build")
_CLASS = re.compile(r"[a-z_]+(?:\.[a-z_]+)+(?=\.[A-Z])")


def problems(xml: str, checkout: Path = ROOT, plugins: Path = PLUGINS) -> list[str]:
    """What is wrong with a rendered job, as sentences; empty when nothing is.

    ``checkout``: where the job's ``scriptPath`` is looked up. ``plugins``: the pinned ones.
    """
    job = ElementTree.fromstring(xml)  # noqa: S314  our own rendering
    there = _pinned(plugins)
    found = _plugin_problems(job, there)
    if not (job.findtext("description") or "").replace(MANAGED, "").strip():
        found.append("it has no description")
    if job.find("properties/jenkins.model.BuildDiscarderProperty") is None:
        found.append("old builds are never removed")
    if job.tag == "project":
        return found + _freestyle_problems(job)
    script = job.findtext("definition/scriptPath")
    if script is None:
        return [*found, "it is no pipeline from a repository"]
    try:
        pipeline = parse((checkout / script).read_text(encoding="utf-8"))
    except (OSError, JenkinsfileError) as error:
        return [*found, f"{script}: {error}"]
    return [*found, *(f"{script}: {says}" for says in pipeline_problems(pipeline, there))]


def _pinned(file: Path) -> frozenset[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return frozenset(line.split(":")[0] for line in lines if line and not line.startswith("#"))


def _plugin_problems(job: ElementTree.Element, there: frozenset[str]) -> list[str]:
    named = {element.get("plugin", "").split("@")[0] for element in job.iter()} - {""}
    classes = {name for element in job.iter() for name in (element.tag, element.get("class", ""))}
    found = []
    for name in classes:
        package = _CLASS.match(name.replace("__", "_"))
        if package is None:
            continue  # a field, or a plain type
        plugin = _plugin_of(package[0])
        if plugin is None:
            found.append(f"nobody knows whose class {name} is")
        elif plugin:
            named.add(plugin)
    return sorted(found) + [
        f"needs the plugin {p}, which is not pinned" for p in sorted(named - there)
    ]


def _plugin_of(package: str) -> str | None:
    """The plugin of the longest package that is known; None for a stranger's."""
    while package not in PACKAGES:
        package, dot, _ = package.rpartition(".")
        if not dot:
            return None
    return PACKAGES[package]


def _freestyle_problems(job: ElementTree.Element) -> list[str]:
    found = []
    if not job.findtext("assignedNode") or job.findtext("canRoam") == "true":
        found.append("no agent label")
    wrapper = "buildWrappers/hudson.plugins.build__timeout.BuildTimeoutWrapper/strategy"
    if not job.findtext(f"{wrapper}/timeoutMinutes"):
        found.append("no time-out")
    archiver = job.find("publishers/hudson.tasks.ArtifactArchiver")
    if archiver is None or archiver.findtext("onlyIfSuccessful") == "true":
        found.append("archiving does not happen in every outcome")
    if not job.findall("builders/hudson.tasks.Shell"):
        found.append("it does nothing")
    return found


def pipeline_problems(pipeline: Statement, plugins: frozenset[str] | None = None) -> list[str]:
    """What is wrong with a pipeline's shape, as sentences. ``plugins``: the pinned ones."""
    paths = list(pipeline.walk())
    on_agents = [path[-1] for path in paths if path[-1].block("agent") is not None]
    found = [] if on_agents else ["no agent label"]
    options = pipeline.block("options")
    found += [
        f"no option {name}"
        for name in ("timestamps", "disableConcurrentBuilds")
        if options is None or options.step(name) is None
    ]
    for block in on_agents:
        found += _agent_problems(block)
    for *around, statement in paths:
        line, name = f"line {statement.line}", statement.name
        if name in _WAITING and not _bounded(around):
            found.append(f"{line}: {name} without a time-out")
        if name == "sh" and not any(block is one for block in around for one in on_agents):
            found.append(f"{line}: sh without an agent")
        if name == "sh" and statement.quoted is None:
            found.append(f"{line}: sh takes a text in single quotes, and values as variables in it")
        if name == "script" or statement.logic:
            found.append(f"{line}: {name} is logic, which belongs in a command")
    return found + _step_problems(paths, _pinned(PLUGINS) if plugins is None else plugins)


def _agent_problems(block: Statement) -> list[str]:
    """Of what runs on an agent: the pipeline, or a stage with an agent of its own."""
    agent, always = block.block("agent"), block.block("post", "always")
    found = []
    if agent is None or agent.step("label") is None:
        found.append("no agent label")
    return found + [
        f"{name} does not happen in every outcome"
        for name in ("archiveArtifacts", "junit")
        if always is None or always.step(name) is None
    ]


def _step_problems(paths: list[tuple[Statement, ...]], there: frozenset[str]) -> list[str]:
    """Steps and options of plugins that are not there, or that nobody knows."""
    found = []
    for *around, statement in paths:
        name, inside = statement.name, around[-1].name if around else ""
        is_called = inside in STEPS or inside in _WITH_STEPS
        if statement.logic or (name in _STRUCTURE and not is_called):
            continue
        if not is_called and statement.body is None:
            continue  # what a section holds: a label, a condition, a variable
        if name not in STEPS:
            found.append(f"line {statement.line}: nobody knows whose step {name} is")
        elif STEPS[name] not in there:
            found.append(f"{name} needs the plugin {STEPS[name]}, which is not pinned")
    return found


def _bounded(around: list[Statement]) -> bool:
    """Whether a step lies in a ``timeout`` step, or in a stage with that option.

    An option of the whole pipeline does not count: it would end its ``post`` part too.
    """
    return any(
        block.name == "timeout"
        or (block.name == "stage" and (o := block.block("options")) and o.step("timeout"))
        for block in around
    )
