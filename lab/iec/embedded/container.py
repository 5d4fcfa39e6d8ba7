"""A container of the embedded cluster: a process with a network, mounts, a name and ids of its own.

Its root directory has the machine's programs, read as they are, and ``/agnhost``: what images
hold is not unpacked. An image's name says only which program starts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.child import end_of
from lab.iec.embedded import namespaces
from lab.iec.embedded.mounts import ROOT

_AGNHOST = "/agnhost"
#: the last part of an image's name → (its entry point, its command)
_IMAGES = {"agnhost": ([_AGNHOST], ["pause"]), "pause": ([_AGNHOST, "pause"], [])}

_LOOKED_EVERY_S = 0.01
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: The pod's own places are mounted over the common root's; then its program takes over.
_START = """
root=$1 etc=$2 name=$3 directory=$4
shift 4
mount --bind "$etc" "$root/etc" && mount -t proc proc "$root/proc" || exit 125
for place in tmp run var root; do mount -t tmpfs tmpfs "$root/$place" || exit 125; done
echo "$name" >/proc/sys/kernel/hostname
exec chroot "$root" /usr/bin/env -C "$directory" -- "$@"
"""


def program_of(image: str) -> tuple[list[str], list[str]] | None:
    """Entry point and command of an image; None for one that there is not."""
    return _IMAGES.get(image.rpartition("/")[2].partition(":")[0].partition("@")[0])


@dataclass
class Container:
    """One run of a container. ``network``: the namespace that its pod has."""

    id: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: str
    started_at: float = field(default_factory=time.time)
    _child: subprocess.Popen[bytes] | None = None
    _ended: asyncio.Task[int] | None = None

    def start(self, *, network: int, etc: Path, hostname: str, log: Path) -> None:
        enter = ["nsenter", f"--net={namespaces.path(network)}"]
        isolate = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child=KILL"]
        script = ["sh", "-c", _START, "sh", str(ROOT), str(etc), hostname, self.directory]
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [*enter, *isolate, *script, *self.argv],
                env={**self.given, "HOSTNAME": hostname},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._ended = asyncio.create_task(end_of(self._child))

    async def wait(self) -> int:
        """Its exit status, 128 and more for a signal, once it has ended."""
        assert self._ended is not None
        status = await asyncio.shield(self._ended)
        return status if status >= 0 else 128 - status

    @property
    def given(self) -> dict[str, str]:
        """What its programs find in their environment."""
        return {"PATH": _PATH, "HOME": "/root", **self.environment}

    @property
    def running(self) -> bool:
        return self._ended is not None and not self._ended.done()

    @property
    def pid(self) -> int | None:
        """Its first process; None before there is one, and after its end."""
        if self._child is None or not self.running:
            return None
        with suppress(OSError, IndexError):
            children = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children")
            return int(children.read_text().split()[0])
        return None

    async def begun(self) -> None:
        """Wait until its first process sees what is the container's own, or has ended.

        Before that a command would run among the machine's files.
        """
        while self.running and not self._is_within():
            await asyncio.sleep(_LOOKED_EVERY_S)

    def _is_within(self) -> bool:
        if (pid := self.pid) is None:
            return False
        try:
            return Path(f"/proc/{pid}/root").samefile(ROOT)
        except OSError:
            return False

    async def stop(self, grace: float) -> None:
        """TERM to its first process, KILL to all of it after ``grace`` seconds."""
        if self._child is None or self._ended is None or not self.running:
            return
        if (pid := self.pid) and grace > 0:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            await asyncio.wait({self._ended}, timeout=grace)
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.pid or self._child.pid, signal.SIGKILL)
            await self._ended

    def within(self, argv: Sequence[str]) -> list[str] | None:
        """``argv``, to be run in this container; None when it does not run."""
        if (pid := self.pid) is None:
            return None
        everything = ["--net", "--mount", "--uts", "--pid", "--root", "--wd"]
        return ["nsenter", f"--target={pid}", *everything, "--", *argv]
