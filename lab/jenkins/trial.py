"""A trial: a freestyle job of its own on a node, for one criterion, gone afterwards."""

from __future__ import annotations

import secrets
from types import TracebackType
from xml.sax.saxutils import escape

from lab.errors import LabError
from lab.jenkins.access import job_path
from lab.jenkins.config_xml import parse
from lab.jenkins.defined import configuration
from lab.jenkins.following import Build, Follower
from lab.jenkins.probe import client
from lab.jenkins.triggering import Asked, prepare, trigger
from lab.session import Lab

#: How long a build of such a job may take from its trigger to its end, seconds.
BUILD_S = 60.0
#: How often to look at one, seconds: they are short.
POLL_S = 0.3

_JOB = """<?xml version="1.0" encoding="UTF-8"?>
<project>
  <description>A trial of the iec4 suite; it deletes it itself.</description>
  <keepDependencies>false</keepDependencies>
  <properties>{properties}</properties>
  <scm class="hudson.scm.NullSCM"/>
  <assignedNode>{label}</assignedNode>
  <canRoam>false</canRoam>
  <disabled>false</disabled>
  <blockBuildWhenDownstreamBuilding>false</blockBuildWhenDownstreamBuilding>
  <blockBuildWhenUpstreamBuilding>false</blockBuildWhenUpstreamBuilding>
  <triggers/>
  <concurrentBuild>false</concurrentBuild>
  <builders>
    <hudson.tasks.Shell>
      <command>{command}</command>
    </hudson.tasks.Shell>
  </builders>
  <publishers>{publishers}</publishers>
  <buildWrappers/>
</project>
"""
_PARAMETER = """<hudson.model.ParametersDefinitionProperty><parameterDefinitions>
<hudson.model.StringParameterDefinition><name>{name}</name><defaultValue>unset</defaultValue>
<trim>false</trim></hudson.model.StringParameterDefinition>
</parameterDefinitions></hudson.model.ParametersDefinitionProperty>"""
_ARCHIVER = """<hudson.tasks.ArtifactArchiver><artifacts>{pattern}</artifacts>
<allowEmptyArchive>true</allowEmptyArchive><onlyIfSuccessful>false</onlyIfSuccessful>
<fingerprint>false</fingerprint><defaultExcludes>true</defaultExcludes>
<caseSensitive>true</caseSensitive></hudson.tasks.ArtifactArchiver>"""


class Trial:
    """A job that runs ``command`` by the shell, on nodes with ``label``.

    ``parameter``: the name of a string parameter that it takes; ``archives``: a pattern of
    files that its builds keep. Use as a context manager, or `close` it.
    """

    def __init__(
        self,
        lab: Lab,
        command: str,
        *,
        label: str,
        parameter: str | None = None,
        archives: str | None = None,
    ) -> None:
        self.client = client(lab)
        self.job = f"iec4-trial-{secrets.token_hex(4)}"
        self.output = ""
        self.definition = _JOB.format(
            properties=_PARAMETER.format(name=parameter) if parameter else "",
            label=escape(label),
            command=escape(command),
            publishers=_ARCHIVER.format(pattern=escape(archives)) if archives else "",
        )
        self.client.jobs.create_job(self.job, self.definition)

    def start(self, **values: str) -> Asked:
        """Trigger a build."""
        return trigger(self.client, prepare(self.client, self.job, values))

    def build_of(self, asked: Asked) -> Build:
        """Wait until what was asked for runs."""
        return self._follower().build_of(asked)

    def end_of(self, build: Build) -> str:
        """Follow a build to its end; returns its result, and leaves its log in ``output``."""
        return self._follower().result_of(build)

    def run(self, **values: str) -> tuple[Build, str]:
        """Trigger a build and follow it to its end: ``(build, result)``."""
        build = self.build_of(self.start(**values))
        return build, self.end_of(build)

    def _follower(self) -> Follower:
        self.output = ""
        return Follower(
            self.client, log=self._keep, notice=lambda _: None, timeout=BUILD_S, poll=POLL_S
        )

    def _keep(self, text: str) -> None:
        self.output += text

    def kept(self, path: str) -> str | None:
        """The text at a path of the job's config.xml, as Jenkins keeps it now; None for none.

        Raises `XmlRefused` for what no Jenkins writes.
        """
        found = parse(configuration(self.client, self.job)).find(path)
        return found.text if found else None

    def artifacts(self, build: Build) -> list[str]:
        """The paths of what a build has archived."""
        found = self.client.json(build.path, tree="artifacts[relativePath]")["artifacts"]
        return [artifact["relativePath"] for artifact in found]

    def has_ended(self, build: Build) -> bool:
        return not self.client.json(build.path, tree="building")["building"]

    def stop(self, build: Build) -> None:
        self.client.post(f"{build.path}stop")

    def close(self) -> None:
        """Stop what runs, and delete the job."""
        for build in self.client.json(job_path(self.job), tree="builds[number,building]")["builds"]:
            if build["building"]:
                self.stop(Build(self.job, build["number"]))
        self.client.jobs.delete_job(self.job)

    def __enter__(self) -> Trial:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except LabError:
            if error is None:
                raise
