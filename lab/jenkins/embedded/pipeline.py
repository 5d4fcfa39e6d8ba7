"""Declarative pipelines, as far as this project's Jenkinsfile goes; see docs/embedded-jenkins.md.

Understood: stages one after the other and within each other, each with ``agent`` (a label, any,
none), ``environment``, ``when`` (environment, equals), ``options { timeout }`` and ``post``; the
steps sh, echo, error, build, archiveArtifacts and junit, in the blocks timeout and catchError.
Anything else fails the build and says so: nothing is passed over in silence.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from lab.jenkins.embedded import console
from lab.jenkins.embedded.building import BuildFailed, Place, Running, Stopped
from lab.jenkins.embedded.checkout import checkout
from lab.jenkins.embedded.jobconfig import JobConfig
from lab.jenkins.embedded.publishers import archive, record_tests
from lab.jenkins.embedded.steps import Call, Scopes, assignment, call
from lab.jenkins.embedded.store import BuildRow
from lab.jenkins.jenkinsfile import Block, JenkinsfileError, parse

if TYPE_CHECKING:
    from lab.jenkins.embedded.controller import Controller

_FETCH_S = 60.0
_WAIT_S = 0.2
_UNITS = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600}
#: The conditions of ``post`` that are looked at, in the order in which Jenkins does.
_CONDITIONS: dict[str, Callable[[str], bool]] = {
    "always": lambda _: True,
    "aborted": lambda result: result == "ABORTED",
    "failure": lambda result: result == "FAILURE",
    "success": lambda result: result == "SUCCESS",
    "unstable": lambda result: result == "UNSTABLE",
    "cleanup": lambda _: True,
}
#: Options that change nothing here: the log has no times, and the queue reads the job for the rest.
_QUIET_OPTIONS = ("timestamps", "disableConcurrentBuilds", "buildDiscarder", "skipDefaultCheckout")

#: What a section may hold. Parameters and triggers stand in the job's definition.
_PARTS = ("agent", "environment", "options", "post", "stages", "steps", "when")


class Interrupted(Exception):
    """A time-out ended what ran."""


class Pipeline(Running):
    """A pipeline build. It takes a node of the controller's when it knows which."""

    def __init__(
        self, row: BuildRow, config: JobConfig, place: Place, controller: Controller
    ) -> None:
        super().__init__(row, config, place)
        self._controller = controller
        self._failed = False  # then the stages that follow are skipped

    async def perform(self) -> None:
        try:
            pipeline = parse(await self._jenkinsfile())
            self._say("Start of Pipeline")
            await self._section(pipeline)
            self._say("End of Pipeline")
        except (JenkinsfileError, BuildFailed) as error:
            self.console.line(f"ERROR: {error}")
            self.worsen("FAILURE")
        except Stopped:
            self.worsen("ABORTED")

    async def _jenkinsfile(self) -> str:
        definition = self.config.root.find("definition")
        if definition is None:
            raise JenkinsfileError("the job has no definition")
        script = definition.findtext("script")
        if script is not None:
            return script
        path = definition.findtext("scriptPath") or "Jenkinsfile"
        url = definition.findtext("scm/userRemoteConfigs/*/url") or ""
        branch = (definition.findtext("scm/branches/*/name") or "master").removeprefix("*/")
        with tempfile.TemporaryDirectory(prefix="jenkins-") as scratch:
            await _git(scratch, "init", "-q", ".")
            await _git(scratch, "fetch", "-q", "--depth", "1", "--", url, branch)
            try:
                text = await _git(scratch, "show", f"FETCH_HEAD:{path}")
            except BuildFailed:
                raise BuildFailed(f"Unable to find {path} from git {url}") from None
        self.console.line(f"Obtained {path} from git {url}")
        return text

    # Sections: the pipeline, and its stages within each other

    async def _section(self, block: Block) -> None:
        """The pipeline or a stage: agent, environment, options, what it does, ``post``.

        Raises `Stopped` when its post is done.
        """
        for part in block.blocks:
            if part.name not in _PARTS:
                raise JenkinsfileError(f"line {part.line}: {part.name} is not understood")
        stopped: Stopped | None = None
        async with self._on_agent(block), self._with_environment(block.block("environment")):
            try:
                async with self._limits(block.block("options")):
                    await self._stages_or_steps(block)
            except BuildFailed as error:
                self.console.line(f"ERROR: {error}")
                self._failed = True
                self.worsen("FAILURE")
            except Interrupted:
                self._failed = True
                self.worsen("ABORTED")
            except Stopped as stop:
                self.console.line(f"Aborted by {self.stopped_by}")
                self.worsen("ABORTED")
                stopped = stop
            if not self.let_go:
                await self._post(block.block("post"))
        if stopped is not None:
            raise stopped

    async def _stages_or_steps(self, block: Block) -> None:
        steps, stages = block.block("steps"), block.block("stages")
        if steps is not None:
            await self.stoppable(self._body(steps))
        for stage in stages.blocks if stages is not None else ():
            await self._stage(stage)

    async def _stage(self, stage: Block) -> None:
        name = call(stage.head, self._scopes).get("")
        self._say(f"stage\n[Pipeline] {{ ({name})")
        if self._failed:
            self.console.line(f'Stage "{name}" skipped due to earlier failure(s)')
        elif not self._wanted(stage.block("when")):
            self.console.line(f'Stage "{name}" skipped due to when conditional')
        else:
            await self._section(stage)
        self._say("}\n[Pipeline] // stage")

    def _wanted(self, when: Block | None) -> bool:
        if when is None:
            return True
        wanted = True
        for condition in self._calls(when.steps):
            if condition.name == "environment":
                found = self.bound.get(condition.get("name"), "")
                wanted = wanted and found == condition.get("value")
            elif condition.name == "equals":
                wanted = wanted and condition.get("expected") == condition.get("actual")
            else:
                raise JenkinsfileError(f"line {when.line}: when {condition.name}")
        return wanted

    @asynccontextmanager
    async def _on_agent(self, block: Block) -> AsyncIterator[None]:
        """The node that a section asks for, with the source code on it; given back after it."""
        agent = block.block("agent")
        wants = [c.get("") for c in self._calls(agent.steps) if c.name == "label"] if agent else []
        if not wants and "agent any" not in block.steps:
            yield  # no agent of its own, or none
            return
        outer = self.node, self.workspace
        self._say("node")
        self.node = None
        await self.stoppable(self._take_node(wants[0] if wants else None))
        node = self.node
        assert node is not None, "it has been taken"
        self.console.line(f"Running on {node.name or 'Jenkins'} in {self.workspace}")
        try:
            scm = self.config.root.find("definition/scm")
            if scm is not None:
                self._say("checkout")
                await self.stoppable(self._checkout(scm))
            yield
        finally:
            if outer[0] is not None or block.name == "stage":
                if not self.let_go:
                    await node.end_processes(self.cookie)
                self._controller.release(self, node)
                self.node, self.workspace = outer

    async def _take_node(self, label: str | None) -> None:
        told = False
        while True:
            node, why, _ = self._controller.choose(label)
            if node is not None:
                self.workspace = node.workspace(self.job, self._controller.occupy(self, node))
                self.node = node
                return
            if not told:
                self.console.line(f"Still waiting to schedule task\n{why}")
                told = True
            await asyncio.sleep(_WAIT_S)

    async def _checkout(self, scm: Element) -> None:
        if not await checkout(self, scm):
            raise BuildFailed("the source code cannot be fetched")

    @asynccontextmanager
    async def _with_environment(self, environment: Block | None) -> AsyncIterator[None]:
        outer = dict(self.bound)
        for line in environment.steps if environment else ():
            name, value = assignment(line, self._scopes)
            self.bound[name] = value
        try:
            yield
        finally:
            self.bound = outer

    @asynccontextmanager
    async def _limits(self, options: Block | None) -> AsyncIterator[None]:
        async with AsyncExitStack() as limits:
            for option in self._calls(options.steps if options else []):
                if option.name == "timeout":
                    await limits.enter_async_context(self._timeout(option))
                elif option.name == "throttle":
                    self.console.line("[embedded] throttle: no category is configured")
                elif option.name not in _QUIET_OPTIONS:
                    raise JenkinsfileError(f"option {option.name} is not understood")
            yield

    async def _post(self, post: Block | None) -> None:
        if post is None:
            return
        self._stop.clear()  # what is left to do is done after an abort too
        for part in post.blocks:
            if part.name not in _CONDITIONS:
                raise JenkinsfileError(f"line {part.line}: post condition {part.name}")
        self._say("stage\n[Pipeline] { (Declarative: Post Actions)")
        for name, fits in _CONDITIONS.items():
            steps = post.block(name)
            if steps is None or not fits(self.result):
                continue
            try:
                await self._body(steps)
            except (BuildFailed, Interrupted) as error:
                self.console.line(f"Error when executing {name} post condition: {error}")
                self.worsen("FAILURE")
        self._say("}\n[Pipeline] // stage")

    # Steps

    async def _body(self, block: Block) -> None:
        for each in block.body:
            if isinstance(each, Block):
                await self._block(each)
            else:
                await self._step(call(each, self._scopes))

    async def _block(self, block: Block) -> None:
        head = call(block.head, self._scopes)
        self._say(f"{head.name}\n[Pipeline] {{")
        if head.name == "timeout":
            async with self._timeout(head):
                await self._body(block)
        elif head.name == "catchError":
            try:
                await self._body(block)
            except BuildFailed as error:
                self.console.line(f"ERROR: {error}")
                self.worsen(head.get("buildResult", default="FAILURE"))
            except Interrupted:
                if head.get("catchInterruptions") == "false":
                    raise
                self.worsen("ABORTED")
        else:
            raise JenkinsfileError(f"line {block.line}: the block {head.name} is not understood")
        self._say(f"}}\n[Pipeline] // {head.name}")

    async def _step(self, step: Call) -> None:
        self._say(step.name)
        if step.name == "sh":
            status = await self.step(step.get("script", ""))
            if status != 0:
                raise BuildFailed(f"script returned exit code {status}")
        elif step.name == "echo":
            self.console.line(step.get("message", ""))
        elif step.name == "error":
            raise BuildFailed(step.get("message", ""))
        elif step.name == "archiveArtifacts":
            await archive(
                self,
                step.get("artifacts", ""),
                step.get("excludes"),
                allow_empty=step.get("allowEmptyArchive") == "true",
            )
        elif step.name == "junit":
            await record_tests(
                self,
                step.get("testResults", ""),
                allow_empty=step.get("allowEmptyResults") == "true",
            )
        elif step.name == "build":
            await self._build(step.get("job", ""))
        else:
            raise JenkinsfileError(f"the step {step.name} is not understood")

    async def _build(self, job: str) -> None:
        """Another job, with its defaults; it is waited for, and stopped with this build."""
        self.console.line(f"Scheduling project: {job}")
        item = self._controller.trigger_child(job, self.row.causes[-1])
        try:
            child = await self._controller.end_of(item)
        except asyncio.CancelledError:
            self._controller.stop_child(item, self.stopped_by or "")
            raise
        self.console.line(f"{job} #{child.number} completed: {child.result}")
        if child.result == "UNSTABLE":
            self.worsen("UNSTABLE")
        elif child.result != "SUCCESS":
            raise BuildFailed(f"{job} #{child.number} completed with status {child.result}")

    @asynccontextmanager
    async def _timeout(self, limit: Call) -> AsyncIterator[None]:
        seconds = float(limit.get("time")) * _UNITS[limit.get("unit", default="MINUTES")]
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            self.console.line("Timeout has been exceeded")
            self.worsen("ABORTED")
            raise Interrupted from None

    # Names and values

    @property
    def _scopes(self) -> Scopes:
        parameters = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for _, name, value in self.row.parameters
        }
        started = {"startTimeInMillis": str(self.row.started_ms), "currentResult": self.result}
        env = self.variables() if self.node is not None else parameters
        return {"params": parameters, "env": env, "currentBuild": started}

    def _calls(self, lines: list[str]) -> list[Call]:
        return [call(line, self._scopes) for line in lines]

    def _say(self, what: str) -> None:
        self.console.write(console.NOTE + f"[Pipeline] {what}\n".encode())


async def _git(directory: str, *argv: str) -> str:
    """Run git on the controller; returns its output. Raises `BuildFailed`."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *argv,
        cwd=Path(directory),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _FETCH_S)
    except BaseException as error:
        process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise BuildFailed(f"git {argv[0]} did not end within {_FETCH_S:g} s") from None
        raise
    if process.returncode != 0:
        raise BuildFailed(f"git {argv[0]}: {errors.decode(errors='replace').strip()}")
    return output.decode(errors="replace")
