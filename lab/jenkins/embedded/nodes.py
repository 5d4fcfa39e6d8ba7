"""Where builds run: the built-in node, which is this machine, and what every node can do."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.child import end_of, gone, output_of
from lab.loopback.cleanup import in_session

#: How long a step that was told to end may take before it is killed, seconds.
GRACE_S = 20.0

Write = Callable[[bytes], None]


@dataclass(frozen=True)
class Step:
    """A script to run: its text, where, and with which variables beside the node's own.

    ``title``: whose step it is; then the log gets a line with its command.
    """

    script: str
    directory: str
    variables: Mapping[str, str]
    title: str | None = None

    def banner(self, script: str) -> bytes:
        if self.title is None:
            return b""
        return f"[{self.title}] $ {' '.join(self.interpreter)} {script}\n".encode()

    @property
    def interpreter(self) -> list[str]:
        """What runs it: its first line, else ``/bin/sh -xe``."""
        if self.script.startswith("#!"):
            return self.script.partition("\n")[0][2:].split()
        return ["/bin/sh", "-xe"]


class NodeDown(Exception):
    """The node cannot be reached; the text says why."""


class Node(ABC):
    """A node. ``name`` is "" for the built-in one; a node's name is one of its labels."""

    name: str
    display: str
    description: str
    executors: int
    labels: tuple[str, ...]

    @property
    @abstractmethod
    def online(self) -> bool: ...

    @property
    def environment_name(self) -> str:
        """What NODE_NAME says."""
        return self.name or "built-in"

    @abstractmethod
    def workspace(self, job: str, slot: int) -> str:
        """The directory of a job's builds; ``slot`` above 1 when others run beside it."""

    @abstractmethod
    async def run(self, step: Step, write: Write) -> int:
        """Run a step in its directory, which is made; return its status.

        When this is cancelled the step's whole process group gets TERM, and KILL after
        `GRACE_S`. Raises `NodeDown`.
        """

    @abstractmethod
    async def files(self, directory: str) -> list[str]:
        """The files below a directory, relative to it; empty when it is not there."""

    @abstractmethod
    async def fetch(self, directory: str, names: Sequence[str], target: Path) -> None:
        """Copy files below a directory to the same names below ``target``."""

    @abstractmethod
    async def put(self, directory: str, name: str, content: bytes) -> str:
        """Write a file that only the account may read; returns its absolute path."""

    @abstractmethod
    async def remove(self, directory: str, names: Sequence[str]) -> None:
        """Remove files below a directory."""

    @abstractmethod
    async def wipe(self, directory: str) -> None:
        """Remove a directory and all in it."""

    @abstractmethod
    async def end_processes(self, cookie: str) -> None:
        """End what a build has left behind, daemons too."""

    def fits(self, label: str | None) -> bool:
        """Whether a job with that label expression (``a && !b || c``) may run here."""
        if label is None:
            return True
        return any(
            all(self._has(term.strip()) for term in alternative.split("&&"))
            for alternative in label.split("||")
        )

    def _has(self, term: str) -> bool:
        return (term[1:].strip() not in self.labels) if term[:1] == "!" else term in self.labels


class BuiltInNode(Node):
    """The machine that Jenkins itself runs on. ``root``: where workspaces lie."""

    name = ""
    display = "Built-In Node"
    description = "the Jenkins controller's built-in node"
    online = True

    def __init__(self, root: Path, executors: int, labels: Sequence[str]) -> None:
        self._root = root
        self.executors = executors
        self.labels = ("built-in", *labels)

    def workspace(self, job: str, slot: int) -> str:
        return str(self._root / (f"{job}@{slot}" if slot > 1 else job))

    async def run(self, step: Step, write: Write) -> int:
        Path(step.directory).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="jenkins-") as scratch:
            script = Path(scratch) / "script.sh"
            script.write_text(step.script)
            write(step.banner(str(script)))
            child = subprocess.Popen(
                [*step.interpreter, str(script)],
                cwd=step.directory,
                env={**_environment(), **step.variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            assert child.stdout is not None, "it was started with a pipe"
            with child.stdout as output:
                ended = asyncio.create_task(end_of(child))
                try:
                    await _pump(output, ended, write)
                except asyncio.CancelledError:
                    await _end_group(child.pid, output, ended, write)
                    raise
            status = ended.result()
            return 128 - status if status < 0 else status

    async def files(self, directory: str) -> list[str]:
        return await asyncio.to_thread(_files_below, Path(directory))

    async def fetch(self, directory: str, names: Sequence[str], target: Path) -> None:
        await asyncio.to_thread(_copy, Path(directory), names, target)

    async def put(self, directory: str, name: str, content: bytes) -> str:
        file = Path(directory) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
        return str(file)

    async def remove(self, directory: str, names: Sequence[str]) -> None:
        for name in names:
            (Path(directory) / name).unlink(missing_ok=True)

    async def wipe(self, directory: str) -> None:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def end_processes(self, cookie: str) -> None:
        """The keeper does it, whose standard input closes when the build ends."""


def _environment() -> dict[str, str]:
    """What a step sees of Jenkins' own environment; not where Jenkins has its modules from."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


async def _pump(output: IO[bytes], ended: asyncio.Task[int], write: Write) -> None:
    """Pass output on until the step has ended."""
    async for piece in output_of(output, ended):
        write(piece)
    await asyncio.shield(ended)


async def _end_group(group: int, output: IO[bytes], ended: asyncio.Task[int], write: Write) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await _pump(output, ended, write)
                while pids := in_session(group):  # its shell may end before what it runs
                    await asyncio.gather(*map(gone, pids))
            return


def _files_below(directory: Path) -> list[str]:
    return sorted(
        str(Path(place, name).relative_to(directory))
        for place, _, names in os.walk(directory)
        for name in names
    )


def _copy(source: Path, names: Sequence[str], target: Path) -> None:
    for name in names:
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, copy)


class Keeper:
    """The process that ends what a build on the built-in node has started; see `keeper`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, cookie: str) -> Keeper:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-S",
                "-m",
                "lab.jenkins.embedded.keeper",
                cookie,
                stdin=asyncio.subprocess.PIPE,
            )
        )

    async def end(self) -> None:
        """End the build's processes; returns when they are gone."""
        assert self._process.stdin is not None, "it was started with a pipe"
        self._process.stdin.close()
        await self._process.wait()
