"""The heart of the embedded Jenkins: what is triggered, waits, runs, is stopped and ends."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from lab.faultflags import FaultFlags
from lab.jenkins.embedded.building import BuildFailed, Place, Running
from lab.jenkins.embedded.freestyle import Freestyle
from lab.jenkins.embedded.jobconfig import JobConfig, Value
from lab.jenkins.embedded.nodes import Node
from lab.jenkins.embedded.pages import quoted
from lab.jenkins.embedded.pipeline import Pipeline
from lab.jenkins.embedded.queueing import Queue, QueueItem, now_ms
from lab.jenkins.embedded.shapes import PIPELINE
from lab.jenkins.embedded.store import BuildRow, Store

_log = logging.getLogger("embedded jenkins")

#: How often is looked again whether an item can run that waits for an agent, seconds.
_LOOK_AGAIN_S = 0.5


@dataclass(frozen=True)
class Settings:
    """``directory``: credentials and state; ``url``: of this Jenkins, with a slash at its end.

    ``groovy``: the class path of what executes pipelines, "" where there is none.
    """

    directory: Path
    url: str
    quiet_period_s: float
    groovy: str


class Controller:
    """Queue and builds over a store and nodes. ``quieting``: nothing new is started."""

    def __init__(
        self, store: Store, nodes: Sequence[Node], faults: FaultFlags, settings: Settings
    ) -> None:
        self.store = store
        self.nodes = list(nodes)
        self.faults = faults
        self.settings = settings
        self.queue = Queue(store)
        self.quieting = False
        self.quiet_reason: str | None = None
        self._running: dict[tuple[str, int], Running] = {}
        self._busy: dict[str, list[Running]] = {node.name: [] for node in nodes}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._change = asyncio.Event()

    async def serve(self) -> None:
        """Start what is due, again and again; runs until cancelled, then ends all builds."""
        self._bury_the_cut_off()
        try:
            while True:
                self._wake.clear()
                next_s = self._start_what_can()
                with suppress(TimeoutError):
                    # wait_for of Python 3.11 may lose a cancellation that meets the event.
                    async with asyncio.timeout(next_s):
                        await self._wake.wait()
        finally:
            for running in self._running.values():
                running.stop("the end of Jenkins")
            if self._tasks:
                await asyncio.wait(self._tasks)

    def _bury_the_cut_off(self) -> None:
        """Builds that an earlier process left running have no result, and never get one."""
        for build in self.store.running():
            log = self.store.directory_of(build) / "log"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as file:
                file.write(b"Jenkins (embedded) went down during this build\nFinished: ABORTED\n")
            duration = max(0, now_ms() - build.started_ms)
            self.store.put_build(
                build.but(result="ABORTED", interrupted=True, duration_ms=duration)
            )

    # What callers ask for

    def trigger(
        self,
        job: str,
        config: JobConfig,
        values: tuple[Value, ...],
        *,
        user: str,
        delay_s: float | None,
        parameterized: bool,
    ) -> tuple[QueueItem, bool]:
        """Put a build in the queue; returns its item, and whether that is a new one."""
        if delay_s is None:
            own = config.quiet_period_s
            delay_s = self.settings.quiet_period_s if own is None else own
        item, new = self.queue.add(
            job, values, parameterized=parameterized, user=user, delay_s=delay_s
        )
        self._start_what_can()
        self._wake.set()
        return item, new

    def cancel(self, item: QueueItem) -> None:
        self.queue.cancel(item)

    def stop(self, build: BuildRow, user: str) -> None:
        """Stop a build; one that has ended is left as it is."""
        running = self._running.get((build.item, build.number))
        if running is not None:
            running.stop(user, let_go=self.faults.active("jenkins.abort-lets-go"))

    def quiet_down(self, *, on: bool, reason: str | None = None) -> None:
        self.quieting, self.quiet_reason = on, reason
        self._start_what_can()
        self._wake.set()

    def forget(self, names: Sequence[str]) -> None:
        """Jobs are deleted: stop their builds, empty the queue of them, remove their files."""
        for item in list(self.queue.items()):
            if item.job in names:
                self.cancel(item)
        for (job, _), running in self._running.items():
            if job in names:
                running.stop("the deletion of the job")
        for name in names:
            shutil.rmtree(self.store.builds_directory(name), ignore_errors=True)

    def runs(self, job: str) -> list[int]:
        """The numbers of a job's builds that run now."""
        return [number for name, number in self._running if name == job]

    def busy(self, node: Node) -> int:
        """How many of a node's executors are busy."""
        return len(self._busy[node.name])

    # Starting and ending builds

    def _start_what_can(self) -> float | None:
        """Start what is due and can run; returns in how many seconds to look again."""
        next_ms: list[float] = []
        for item in self.queue.items():
            left_ms = item.due_ms - now_ms()
            if left_ms > 0:
                next_ms.append(left_ms)
                continue
            item.buildable_ms = item.buildable_ms or now_ms()
            if not self._start(item):
                next_ms.append(_LOOK_AGAIN_S * 1000)
        return max(min(next_ms) / 1000, 0.001) if next_ms else None

    def _start(self, item: QueueItem) -> bool:
        row = self.store.item(item.job)
        if row is None:
            self.cancel(item)
            return True
        config = JobConfig.of(row.xml)
        if blocked := self._why_blocked(item.job, config):
            item.state, item.why = "blocked", blocked
            return False
        item.state = "buildable"
        if self.quieting:
            item.why = "Jenkins is about to shut down"
            return False
        if config.kind == PIPELINE:  # it waits for a node when it has read its Jenkinsfile
            self._launch(item, row.next_build, config, None)
            return True
        node, item.why, item.stuck = self.choose(config.label)
        if node is None:
            return False
        self._launch(item, row.next_build, config, node)
        return True

    def _why_blocked(self, job: str, config: JobConfig) -> str | None:
        """By a build of its own, or by a job that build-blocker lets it wait for."""
        runs = self.runs(job)
        if runs and not config.concurrent and not self.faults.active("jenkins.runs-together"):
            return f"Build #{runs[0]} is already in progress (ETA: N/A)"
        others = [name for name, _ in self._running if name != job]
        blocker = next((name for name in others if config.is_blocked_by(name)), None)
        return None if blocker is None else f"Blocking job {blocker} is running."

    def choose(self, label: str | None) -> tuple[Node | None, str | None, bool]:
        """A free node for a label expression, or why there is none, and whether that may last."""
        fitting = [node for node in self.nodes if node.fits(label)]
        if not fitting:
            return None, f"{quoted('Jenkins')} doesn\u2019t have label {quoted(label or '')}", True
        online = [node for node in fitting if node.online]
        if not online:
            return None, f"{quoted(fitting[0].display)} is offline", True
        for node in online:
            if self.busy(node) < node.executors:
                return node, None, False
        return None, "Waiting for next available executor", False

    def occupy(self, running: Running, node: Node) -> int:
        """Take an executor of a node; returns which of the job's workspaces there is free."""
        beside = {other.workspace for other in self._busy[node.name]}
        self._busy[node.name].append(running)
        slots = range(1, len(beside) + 2)
        return next(slot for slot in slots if node.workspace(running.job, slot) not in beside)

    def release(self, running: Running, node: Node) -> None:
        """Give an executor back."""
        self._busy[node.name].remove(running)
        self._changed()

    def _changed(self) -> None:
        self._wake.set()
        self._change.set()
        self._change = asyncio.Event()

    async def change(self) -> None:
        """Wait until a build has ended or an executor is free; until it is time to look again
        for what nobody tells of, such as an agent that is back.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN_S):
                await self._change.wait()

    # Builds that a build starts

    def trigger_child(self, job: str, user: str) -> QueueItem:
        """Put a job with its defaults in the queue. Raises `BuildFailed` when there is none."""
        row = self.store.item(job)
        config = None if row is None else JobConfig.of(row.xml)
        if config is None or config.is_folder or config.disabled:
            raise BuildFailed(f"No item named {job} that can be built")
        item, _ = self.trigger(
            job,
            config,
            config.values({}),
            user=user,
            delay_s=0,
            parameterized=bool(config.parameters),
        )
        return item

    async def end_of(self, item: QueueItem) -> BuildRow:
        """Wait until the build of an item has ended. Raises `BuildFailed` without one."""
        while True:
            build = None if item.build is None else self.store.build(item.job, item.build)
            if item.cancelled or (item.build is not None and build is None):
                raise BuildFailed(f"the build of {item.job} was cancelled")
            if build is not None and build.result is not None:
                return build
            await self.change()

    def stop_child(self, item: QueueItem, user: str) -> None:
        """Cancel an item, or stop its build."""
        if item.state != "left":
            self.cancel(item)
        elif (running := self._running.get((item.job, item.build or 0))) is not None:
            running.stop(user)

    def _launch(self, item: QueueItem, number: int, config: JobConfig, node: Node | None) -> None:
        started = now_ms()
        values = item.values
        if self.faults.active("jenkins.parameters-lost"):
            values = tuple((kind, name, "") for kind, name, _ in values)
        row = BuildRow(
            item=item.job,
            number=number,
            queue_id=item.id,
            started_ms=started,
            causes=tuple(item.causes),
            parameters=values,
            parameterized=item.parameterized,
            node=node.name if node else "",
            waited_ms=item.buildable_ms - item.since_ms,
            buildable_ms=started - item.buildable_ms,
        )
        place = Place(
            self.store.directory_of(row),
            self.settings.directory / "credentials",
            self.settings.url,
            self.job_url(item.job),
        )
        shutil.rmtree(place.directory, ignore_errors=True)
        if self.faults.active("jenkins.output-lost"):
            place = replace(place, keeps_output=False)
        running: Running
        if node is None:
            running = Pipeline(row, config, place, self)
        else:
            running = freestyle = Freestyle(row, config, place)
            freestyle.on(node, self.occupy(running, node))
        self.store.add_build(row)
        self.queue.leave(item, number)
        self._running[item.job, number] = running
        task = asyncio.create_task(self._run(running))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, running: Running) -> None:
        try:
            await running.run()
        except Exception:  # noqa: BLE001 (a defect: it must not leave a build that never ends)
            _log.exception("%s #%d", running.job, running.row.number)
            running.worsen("FAILURE")
        finally:
            self._ended(running)

    def _ended(self, running: Running) -> None:
        row = running.row
        result = running.result
        if result == "FAILURE" and self.faults.active("jenkins.failure-hidden"):
            result = "SUCCESS"
        if self.faults.active("jenkins.artifacts-lost"):
            shutil.rmtree(running.artifacts, ignore_errors=True)
        current = self.store.build(row.item, row.number)
        if current is not None:  # its job has not been deleted meanwhile
            self.store.put_build(
                current.but(
                    result=result,
                    duration_ms=now_ms() - row.started_ms,
                    description=running.description or current.description,
                    interrupted=running.stopped_by is not None,
                    node=running.node.name if running.node else "",
                )
            )
            self._discard_old(row.item, running.config.keep_builds)
        del self._running[row.item, row.number]
        for there in self._busy.values():
            if running in there:
                there.remove(running)
        self._changed()

    def _discard_old(self, job: str, keep: int | None) -> None:
        if keep is None:
            return
        for build in self.store.builds(job)[keep:]:
            if not build.keep and build.result is not None:
                self.delete_build(build)

    def delete_build(self, build: BuildRow) -> None:
        self.store.delete_build(build)
        shutil.rmtree(self.store.directory_of(build), ignore_errors=True)

    def job_url(self, name: str) -> str:
        """The URL of an item, with a slash at its end."""
        return self.settings.url + "".join(f"job/{quote(part)}/" for part in name.split("/"))
