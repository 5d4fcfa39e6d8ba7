"""Pipeline builds: does what a Jenkinsfile asks for. What it means is Groovy's; see `groovy`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.jenkins.embedded import console, groovy
from lab.jenkins.embedded.building import BuildFailed, Place, Running, Stopped
from lab.jenkins.embedded.checkout import checkout, jenkinsfile
from lab.jenkins.embedded.jobconfig import JobConfig
from lab.jenkins.embedded.nodes import Node, NodeDown
from lab.jenkins.embedded.publishers import archive, record_tests
from lab.jenkins.embedded.store import BuildRow

if TYPE_CHECKING:
    from lab.jenkins.embedded.controller import Controller


class Pipeline(Running):
    """A pipeline build. It takes a node of the controller's when its Jenkinsfile says which."""

    def __init__(
        self, row: BuildRow, config: JobConfig, place: Place, controller: Controller
    ) -> None:
        super().__init__(row, config, place)
        self._controller = controller
        #: Of the sections that are entered, outermost first: where each one's outer ones run.
        self._outer: list[tuple[Node | None, str]] = []

    async def perform(self) -> None:
        try:
            text = await self.stoppable(jenkinsfile(self.config.root, self.console))
            errors = self.place.directory / "groovy.log"
            async with groovy.started(self._controller.settings.groovy, errors) as process:
                self._mark("Start of Pipeline")
                await self._execute(text, process)
        except BuildFailed as error:
            self.console.line(f"ERROR: {error}")
            self.worsen("FAILURE")
        except Stopped:
            self._tell_of_stop()
        finally:
            while self._outer and not self.let_go:
                await self._leave()

    async def _execute(self, text: str, process: groovy.Groovy) -> None:
        await process.tell(
            {
                "jenkinsfile": text,
                "params": {name: value for _, name, value in self.row.parameters},
                "env": self.variables(),
                "source": self._source() is not None,
                "number": self.row.number,
                "startTimeInMillis": self.row.started_ms,
            }
        )
        while (said := await process.hear())["do"] != "end":
            if said["do"] == "say":
                self.console.line(said["text"])
            elif said["do"] == "mark":
                self._mark(said["text"])
            else:
                await process.tell(await self._answer(said))
        self._mark("End of Pipeline")
        if said["error"]:
            self.console.line(f"ERROR: {said['error']}")
        self.worsen(said["result"])

    async def _answer(self, asked: Mapping[str, Any]) -> dict[str, object]:
        """Do what is asked for. Raises `Stopped` when the build is to be let go as it is."""
        if asked["do"] == "leave":
            await self._leave()
            return {"value": None, "result": self.result}
        try:
            async with asyncio.timeout(asked.get("within")) as limit:
                value = await self.stoppable(self._do(asked))
        except TimeoutError:
            if not limit.expired():
                raise
            return {"timedOut": True}
        except Stopped:
            if self.let_go:
                raise
            self._tell_of_stop()
            self._stop.clear()  # what is left to do is done after it
            return {"stopped": True}
        except (BuildFailed, NodeDown) as error:
            return {"failed": str(error)}
        return {"value": value, "result": self.result}

    def _tell_of_stop(self) -> None:
        self.console.line(f"Aborted by {self.stopped_by}")
        self.worsen("ABORTED")

    async def _do(self, asked: Mapping[str, Any]) -> object:
        if asked["do"] == "node":
            return await self._take_node(asked["label"])
        if asked["do"] == "build":
            return await self._build(asked["job"])
        if self.node is None:
            raise BuildFailed("a step that works on files stands outside of any agent")
        if asked["do"] == "checkout":
            if not await checkout(self, self._source()):
                raise BuildFailed("the source code cannot be fetched")
        elif asked["do"] == "sh":
            self.bound = asked["env"]
            return await self.step(asked["script"])
        elif asked["do"] == "archive":
            await archive(
                self, asked["artifacts"], asked["excludes"], allow_empty=asked["allowEmpty"]
            )
        else:
            await record_tests(self, asked["results"], allow_empty=asked["allowEmpty"])
        return None

    def _source(self) -> Any:
        return self.config.root.find("definition/scm")

    # Nodes

    async def _take_node(self, label: str) -> dict[str, str]:
        told = False
        while True:
            node, why, _ = self._controller.choose(label or None)
            if node is not None:
                break
            if not told:
                self.console.line(f"Still waiting to schedule task\n{why}")
                told = True
            await self._controller.change()
        self._outer.append((self.node, self.workspace))
        self.workspace = node.workspace(self.job, self._controller.occupy(self, node))
        self.node = node
        self.console.line(f"Running on {node.name or 'Jenkins'} in {self.workspace}")
        return self.variables()

    async def _leave(self) -> None:
        """End what runs there, and be where the section around it is."""
        if not self._outer:
            return
        assert self.node is not None, "it has been taken"
        await self.node.end_processes(self.cookie)
        self._controller.release(self, self.node)
        self.node, self.workspace = self._outer.pop()

    # Other jobs

    async def _build(self, job: str) -> dict[str, object]:
        """Another job, with its defaults; it is waited for, and stopped with this build."""
        self.console.line(f"Scheduling project: {job}")
        item = self._controller.trigger_child(job, self.row.causes[-1])
        try:
            child = await self._controller.end_of(item)
        except asyncio.CancelledError:
            self._controller.stop_child(item, self.stopped_by or "")
            raise
        self.console.line(f"{job} #{child.number} completed: {child.result}")
        return {"number": child.number, "result": child.result}

    def _mark(self, what: str) -> None:
        self.console.write(console.NOTE + f"[Pipeline] {what}\n".encode())
