"""A pod of the embedded node agent: its network, its containers, its status, its end."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.iec.embedded import environment, namespaces
from lab.iec.embedded.api import TROUBLE, Api, ApiError, Object
from lab.iec.embedded.calico import Network
from lab.iec.embedded.container import Container, program_of
from lab.iec.embedded.machine import Machine
from lab.iec.embedded.plan import RUN
from lab.iec.embedded.probes import passes
from lab.iec.embedded.program import ProgramFailed
from lab.iec.embedded.times import now, stamp

#: Pause before a container is started again, and before a pod's network is tried again (s).
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 20.0
_GRACE_S = 30.0
#: How long a container that is not ready is left before it is asked again (s).
_IMPATIENCE_S = 0.1

_log = logging.getLogger("pod")


@dataclass
class _Run:
    """What is known of one container of the pod over all its starts."""

    spec: Object
    container: Container | None = None
    restarts: int = 0
    ready: bool = False
    #: The states of the API: of now, and of the start before.
    state: Object = field(default_factory=lambda: _waiting("ContainerCreating"))
    last: Object = field(default_factory=dict)


class Pod:
    """One pod, from when it is bound to the node until it is gone from the API.

    `run` is its life; `end` makes it end. Its status is told to the API whenever it changes.
    """

    def __init__(self, what: Object, api: Api, machine: Machine, network: Network) -> None:
        self.what = what
        self._api = api
        self._machine = machine
        self._calico = network
        self._runs = [_Run(spec) for spec in what["spec"]["containers"]]
        self._directory = RUN / "pods" / str(what["metadata"]["uid"])
        self._address: str | None = None
        self._network: int | None = None
        self._started = now()
        self._ending = asyncio.Event()
        self._grace = _GRACE_S
        self._changed = asyncio.Event()
        #: condition → whether it holds, and since when
        self._conditions: dict[str, tuple[bool, str]] = {}

    @property
    def path(self) -> str:
        meta = self.what["metadata"]
        return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"

    def container(self, name: str) -> Container | None:
        """The container of that name as it runs now."""
        found = [run.container for run in self._runs if run.spec["name"] == name]
        return found[0] if found else None

    def log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def end(self, grace: float | None) -> None:
        """Let it end; ``grace`` seconds pass between TERM and KILL."""
        self._grace = _GRACE_S if grace is None else grace
        self._ending.set()

    async def end_containers(self) -> None:
        await asyncio.gather(*(run.container.stop(0) for run in self._runs if run.container))

    async def run(self) -> None:
        """Live, and be gone from the API when `end` was called."""
        meta = self.what["metadata"]
        reporting = asyncio.create_task(self._report())
        living = asyncio.create_task(self._live())
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({living, ending}, return_when=asyncio.FIRST_COMPLETED)
            await ending
        finally:
            living.cancel()
            ending.cancel()
            await asyncio.wait({living})
            _complain(living, self.path)
            await asyncio.gather(
                *(run.container.stop(self._grace) for run in self._runs if run.container)
            )
            reporting.cancel()
            await asyncio.wait({reporting})
            await self._release_network()
            shutil.rmtree(self._directory, ignore_errors=True)
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
            with suppress(*TROUBLE):
                await self._api.delete(self.path, options)

    async def _live(self) -> None:
        (self._directory / "etc").mkdir(parents=True)
        await self._get_network()
        self._write_etc()
        await asyncio.gather(*(self._keep(run) for run in self._runs))
        # All have ended, and none is to be started again: its address is another's now.
        await self._release_network()

    # -- network ---------------------------------------------------------------

    async def _get_network(self) -> None:
        if self.what["spec"].get("hostNetwork"):
            self._address = str(self._machine.address)
            return
        self._network = namespaces.new_network()
        pause = _FIRST_PAUSE_S
        while True:
            try:
                path = namespaces.path(self._network)
                self._address = await self._calico.add(self.what, path)
            except ProgramFailed as error:
                _log.warning("%s got no network: %s", self.path, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                return

    async def _release_network(self) -> None:
        network, self._network = self._network, None
        if network is None:
            return
        try:
            await self._calico.remove(self.what, namespaces.path(network))
        except ProgramFailed as error:
            _log.warning("%s kept its address: %s", self.path, error)
        finally:
            os.close(network)

    def _write_etc(self) -> None:
        """The files of a container's /etc that its programs ask for."""
        hostname = self.what["spec"].get("hostname") or self.what["metadata"]["name"]
        files = {
            "hostname": f"{hostname}\n",
            "hosts": f"127.0.0.1\tlocalhost\n{self._address}\t{hostname}\n",
            "resolv.conf": "",
            "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
            "group": "root:x:0:\nnogroup:x:65534:\n",
            "nsswitch.conf": "hosts: files dns\n",
        }
        for name, text in files.items():
            (self._directory / "etc" / name).write_text(text)

    # -- containers ------------------------------------------------------------

    async def _keep(self, run: _Run) -> None:
        """Start a container, and again as its pod's restart policy says."""
        policy = self.what["spec"].get("restartPolicy", "Always")
        pause = _FIRST_PAUSE_S
        while True:
            status = await self._once(run)
            if policy == "Never" or (policy == "OnFailure" and status == 0):
                return
            run.last, run.state = run.state, _waiting("CrashLoopBackOff")
            self._changed.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            run.restarts += 1

    async def _once(self, run: _Run) -> int:
        """Run a container once; returns its exit status."""
        run.container = await self._new_container(run)
        name = run.spec["name"]
        run.container.start(
            network=self._machine.network if self._network is None else self._network,
            etc=self._directory / "etc",
            hostname=self.what["spec"].get("hostname") or self.what["metadata"]["name"],
            log=self.log(name),
        )
        await run.container.begun()
        started = stamp(run.container.started_at)
        run.state = {"running": {"startedAt": started}}
        probe = run.spec.get("readinessProbe")
        run.ready = probe is None
        self._changed.set()
        probing = asyncio.create_task(self._probe(run, probe)) if probe else None
        try:
            status = await run.container.wait()
        finally:
            if probing:
                probing.cancel()
        run.ready = False
        run.state = {
            "terminated": {
                "exitCode": status,
                "reason": "Completed" if status == 0 else "Error",
                "startedAt": started,
                "finishedAt": now(),
                "containerID": run.container.id,
            }
        }
        self._changed.set()
        return status

    async def _new_container(self, run: _Run) -> Container:
        """A container that can be started; waits, and says why, for as long as there is none."""
        while True:
            program = program_of(run.spec["image"])
            if program is None:
                reason, words = "ErrImageNeverPull", "the embedded cluster has agnhost's image only"
            else:
                try:
                    given = await environment.of(run.spec, self.what, self._address, self._api)
                except (ApiError, LookupError) as error:
                    reason, words = "CreateContainerConfigError", str(error)
                else:
                    entry, command = program
                    entry = run.spec.get("command") or entry
                    default = [] if run.spec.get("command") else command
                    argv = [*entry, *(run.spec.get("args") or default)]
                    argv = [environment.expanded(part, given) for part in argv]
                    start = f"{self.what['metadata']['uid']}-{run.spec['name']}-{run.restarts}"
                    directory = run.spec.get("workingDir") or "/"
                    return Container(f"embedded://{start}", argv, given, directory)
            run.state = _waiting(reason, words)
            self._changed.set()
            await asyncio.sleep(_LONGEST_PAUSE_S / 4)

    async def _probe(self, run: _Run, probe: Object) -> None:
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        passed = failed = 0
        while run.container is not None:
            new = self._machine.sockets.new
            ok = await passes(probe, run.container, run.spec, self._address or "", new)
            passed, failed = (passed + 1, 0) if ok else (0, failed + 1)
            ready = run.ready
            if passed >= probe.get("successThreshold", 1):
                ready = True
            elif failed >= probe.get("failureThreshold", 3):
                ready = False
            if ready != run.ready:
                run.ready = ready
                self._changed.set()
            # Until it has been ready once, a short while tells as much as a long one.
            period = float(probe.get("periodSeconds", 10))
            await asyncio.sleep(period if run.ready else min(period, _IMPATIENCE_S))

    # -- status ----------------------------------------------------------------

    async def _report(self) -> None:
        """Tell the API every change, the first at once."""
        told: Object = {}
        while True:
            self._changed.clear()
            status = self._status()
            if status != told:
                try:
                    await self._api.merge(f"{self.path}/status", {"status": status})
                    told = status
                except TROUBLE as error:
                    if isinstance(error, ApiError) and error.status == 404:
                        return
                    self._changed.set()
                    await asyncio.sleep(_FIRST_PAUSE_S)
            await self._changed.wait()

    def _status(self) -> Object:
        ready = self._address is not None and all(run.ready for run in self._runs)
        kept = [
            condition
            for condition in self.what.get("status", {}).get("conditions", ())
            if condition["type"] == "PodScheduled"
        ]
        over = all("terminated" in run.state for run in self._runs)
        status: Object = {
            "phase": self._phase(),
            "hostIP": str(self._machine.address),
            "hostIPs": [{"ip": str(self._machine.address)}],
            "startTime": self._started,
            "conditions": [
                *kept,
                self._condition("PodReadyToStartContainers", self._address is not None),
                self._condition("Initialized", True),
                self._condition("ContainersReady", ready, over),
                self._condition("Ready", ready, over),
            ],
            "containerStatuses": [_container_status(run) for run in self._runs],
        }
        if self._address is not None:
            status |= {"podIP": self._address, "podIPs": [{"ip": self._address}]}
        return status

    def _phase(self) -> str:
        states = [run.state for run in self._runs]
        if all("terminated" in state for state in states):
            failed = any(state["terminated"]["exitCode"] for state in states)
            return "Failed" if failed else "Succeeded"
        started = any("waiting" not in run.state or run.restarts or run.last for run in self._runs)
        return "Running" if started else "Pending"

    def _condition(self, kind: str, holds: bool, over: bool = False) -> Object:
        reason = {} if holds else {"reason": "PodCompleted" if over else "ContainersNotReady"}
        return {
            "type": kind,
            "status": "True" if holds else "False",
            **self._since(kind, holds),
            **reason,
        }

    def _since(self, kind: str, holds: bool) -> Object:
        """When a condition became what it is: now, unless it was so before."""
        if self._conditions.get(kind, (None, ""))[0] is not holds:
            self._conditions[kind] = (holds, now())
        return {"lastTransitionTime": self._conditions[kind][1]}


def _waiting(reason: str, message: str | None = None) -> Object:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def _container_status(run: _Run) -> Object:
    image = run.spec["image"]
    return {
        "name": run.spec["name"],
        "image": image,
        "imageID": f"embedded://{image}",
        "containerID": run.container.id if run.container else "",
        "ready": run.ready,
        "started": "running" in run.state,
        "restartCount": run.restarts,
        # null takes away what the state was before (RFC 7396); lists are replaced whole.
        "state": run.state,
        "lastState": run.last,
    }


def _complain(task: asyncio.Task[None], of: str) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("%s broke: %r", of, error)
