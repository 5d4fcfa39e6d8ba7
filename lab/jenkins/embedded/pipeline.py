"""Declarative pipelines, as far as this project's Jenkinsfile goes; see docs/jenkins.md.

Understood: ``agent`` with a label or any, ``environment``, ``stages`` one after the other with
``when { environment }``, ``options { timeout }``, ``post`` of the pipeline; the steps sh, echo,
error, archiveArtifacts and junit, in the blocks timeout and catchError. Anything else fails the
build and says so: nothing is passed over in silence.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

_NOTHING = Block("", 0)


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
            await self._pipeline(pipeline)
        except (JenkinsfileError, BuildFailed) as error:
            self.console.line(f"ERROR: {error}")
            self.worsen("FAILURE")
        except Stopped:
            self.worsen("ABORTED")

    # Where the pipeline comes from, and where it runs

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

    async def _pipeline(self, pipeline: Block) -> None:
        self._say("Start of Pipeline")
        agent = pipeline.block("agent")
        label = None
        if agent is not None:
            label = next((c.get("") for c in self._calls(agent.steps) if c.name == "label"), None)
        for option in self._calls((pipeline.block("options") or _NOTHING).steps):
            if option.name not in _QUIET_OPTIONS:
                raise JenkinsfileError(f"option {option.name} of the pipeline is not understood")
        self._say("node")
        await self.stoppable(self._take_node(label))
        assert self.node is not None, "it has been taken"
        where = self.node.name or "Jenkins"
        self.console.line(f"Running on {where} in {self.workspace}")
        scm = self.config.root.find("definition/scm")
        self._bind(pipeline.block("environment"))
        stages = [b for b in (pipeline.block("stages") or _NOTHING).blocks if b.name == "stage"]
        try:
            if scm is not None:
                await self._stage("Declarative: Checkout SCM", self._checkout())
            for stage in stages:
                await self._run_stage(stage)
        finally:
            if not self.let_go:
                await self._post(pipeline.block("post"))
        self._say("End of Pipeline")

    async def _take_node(self, label: str | None) -> None:
        told = False
        while self.node is None:
            node, why, _ = self._controller.choose(label)
            if node is not None:
                self.workspace = node.workspace(self.job, self._controller.occupy(self, node))
                self.node = node
                return
            if not told:
                self.console.line(f"Still waiting to schedule task\n{why}")
                told = True
            await asyncio.sleep(_WAIT_S)

    async def _checkout(self) -> None:
        scm = self.config.root.find("definition/scm")
        self._say("checkout")
        if not await checkout(self, scm):
            raise BuildFailed("the source code cannot be fetched")

    # Stages

    async def _run_stage(self, stage: Block) -> None:
        name = call(stage.head, self._scopes).get("")
        if self._failed:
            self._say(f"stage\n[Pipeline] {{ ({name})")
            self.console.line(f'Stage "{name}" skipped due to earlier failure(s)')
            self._say("}\n[Pipeline] // stage")
            return
        if not self._wanted(stage.block("when")):
            self._say(f"stage\n[Pipeline] {{ ({name})")
            self.console.line(f'Stage "{name}" skipped due to when conditional')
            self._say("}\n[Pipeline] // stage")
            return
        for part in stage.blocks:
            if part.name not in ("when", "options", "steps"):
                raise JenkinsfileError(f"line {part.line}: {part.name} in a stage")
        limits = self._calls((stage.block("options") or _NOTHING).steps)
        await self._stage(name, self._limited(limits, stage.block("steps") or _NOTHING))

    async def _stage(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._say(f"stage\n[Pipeline] {{ ({name})")
        try:
            await self.stoppable(work)
        except BuildFailed as error:
            self.console.line(f"ERROR: {error}")
            self._failed = True
            self.worsen("FAILURE")
        except Interrupted:
            self._failed = True
            self.worsen("ABORTED")
        except Stopped:
            self.console.line(f"Aborted by {self.stopped_by}")
            self.worsen("ABORTED")
            self._say("}\n[Pipeline] // stage")
            raise
        self._say("}\n[Pipeline] // stage")

    async def _limited(self, options: list[Call], steps: Block) -> None:
        for option in options:
            if option.name != "timeout":
                raise JenkinsfileError(f"option {option.name} of a stage is not understood")
            async with self._timeout(option):
                await self._body(steps)
            return
        await self._body(steps)

    def _wanted(self, when: Block | None) -> bool:
        if when is None:
            return True
        conditions = self._calls(when.steps)
        if when.blocks or any(c.name != "environment" for c in conditions):
            raise JenkinsfileError(f"line {when.line}: only when {{ environment }} is understood")
        return all(self.bound.get(c.get("name"), "") == c.get("value") for c in conditions)

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
        else:
            raise JenkinsfileError(f"the step {step.name} is not understood")

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

    def _bind(self, environment: Block | None) -> None:
        for line in environment.steps if environment else ():
            name, value = assignment(line, self._scopes)
            self.bound[name] = value

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
