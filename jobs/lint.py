"""What every job must have: a time-out, an agent's label, archiving, and no unknown plugin.

For a pipeline job the first three stand in its Jenkinsfile, so they are looked for there.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from lab.jenkins.jenkinsfile import Block, JenkinsfileError, parse

ROOT = Path(__file__).resolve().parent.parent

#: The plugins that the jobs may need; elements of any other are dropped by Jenkins at its
#: next save, without a word.
PLUGINS = {"workflow-job", "workflow-cps", "git"}


def problems(xml: str, checkout: Path = ROOT) -> list[str]:
    """What is wrong with a rendered job, as sentences; empty when nothing is.

    ``checkout``: where the job's ``scriptPath`` is looked up.
    """
    job = ElementTree.fromstring(xml)  # noqa: S314  our own rendering
    found = _plugin_problems(job)
    if job.find("properties/jenkins.model.BuildDiscarderProperty") is None:
        found.append("old builds are never removed")
    script = job.findtext("definition/scriptPath")
    if job.tag != "flow-definition" or script is None:
        return [*found, "it is no pipeline from a repository"]
    try:
        pipeline = parse((checkout / script).read_text(encoding="utf-8"))
    except (OSError, JenkinsfileError) as error:
        return [*found, f"{script}: {error}"]
    return [*found, *(f"{script}: {says}" for says in pipeline_problems(pipeline))]


def _plugin_problems(job: ElementTree.Element) -> list[str]:
    named = {element.get("plugin", "").split("@")[0] for element in job.iter()} - {""}
    return [f"needs the plugin {name}, which is not asked for" for name in sorted(named - PLUGINS)]


def pipeline_problems(pipeline: Block) -> list[str]:
    """What is wrong with a pipeline's shape, as sentences."""
    found = []
    agent = pipeline.block("agent")
    if agent is None or not agent.has_step("label"):
        found.append("no agent label")
    options = pipeline.block("options")
    found += [
        f"no option {step}"
        for step in ("timestamps", "disableConcurrentBuilds")
        if options is None or not options.has_step(step)
    ]
    always = pipeline.block("post", "always")
    found += [
        f"{step} does not happen in every outcome"
        for step in ("archiveArtifacts", "junit")
        if always is None or not any(s.startswith(f"{step} ") for s in always.steps)
    ]
    found += [
        f"line {path[-1].line}: sh without a time-out"
        for path in pipeline.walk()
        if any(step.startswith("sh ") for step in path[-1].steps) and not _bounded(path)
    ]
    found += [
        f"line {path[-1].line}: {path[-1].name} is logic, which belongs in a command"
        for path in pipeline.walk()
        if path[-1].name in ("script", "if", "for", "while", "try", "def")
    ]
    return found


def _bounded(path: tuple[Block, ...]) -> bool:
    """Whether a block lies in a ``timeout`` step, or in a stage with that option.

    An option of the whole pipeline does not count: it would end its ``post`` part too.
    """
    return any(
        block.name == "timeout"
        or (block.name == "stage" and (o := block.block("options")) and o.has_step("timeout"))
        for block in path
    )
