"""Make the project's own environment, ``.iec4/venv``, from ``requirements.lock``.

``iec4`` starts this with the machine's Python when the environment is not complete for the
present lock; it needs nothing but the standard library. The environment is complete when
``complete.lock`` in it equals the lock and ``complete.place`` names this checkout (entry
points and the editable install hold absolute paths, so a moved checkout starts again). Both
are written last: whatever was killed half-way has no stamp and is made from nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

#: Seconds for one installer call, and for another start that makes the environment.
INSTALL_TIMEOUT_S = 900
#: Free disk space that an empty cache and the environment want together, in MiB.
WANTED_MIB = 1500

_FULL = re.compile(r"No space left on device|os error 28|Disk quota exceeded")
_UNREACHABLE = re.compile(
    r"error sending request|dns error|failed to lookup address|Connection(?:Error| refused| reset)"
    r"|Failed to establish a new connection|Name or service not known|name resolution"
    r"|Network is unreachable|timed out|ProxyError|CERTIFICATE_VERIFY_FAILED"
    r"|invalid peer certificate|No matching distribution found",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
#: Settings that would send the installers elsewhere than into the environment.
_MISLEADING = (
    "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_ROOT", "PIP_TARGET", "PIP_USER",
    "UV_BREAK_SYSTEM_PACKAGES", "UV_PYTHON", "UV_SYSTEM_PYTHON", "VIRTUAL_ENV",
)  # fmt: skip
#: pip's settings and the variables that say the same to uv.
_PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "keyring-provider": "UV_KEYRING_PROVIDER",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}


class SetupFailed(Exception):
    """The environment could not be made; the text is one line and says what to do."""


class InstallerFailed(Exception):
    """pip or uv ended with an error; the text is its output."""


def say(text: str) -> None:
    """A progress line. It goes to stderr: stdout belongs to the command that follows."""
    print(f"iec4: {text}", file=sys.stderr, flush=True)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[int]:
    """Hold the lock file; yields its descriptor. Raises `SetupFailed` after the time-out.

    Installers inherit the descriptor: when this process is killed, the lock stays with
    them until they are gone too.
    """

    def give_up(*_: object) -> None:
        raise SetupFailed(
            f"another start has been making the environment for {INSTALL_TIMEOUT_S} s; "
            f"end it (fuser {path} names it), then run again"
        )

    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is making the environment; waiting for it")
            signal.signal(signal.SIGALRM, give_up)
            signal.alarm(INSTALL_TIMEOUT_S)
            fcntl.flock(lock, fcntl.LOCK_EX)
            signal.alarm(0)
        yield lock.fileno()


class Environment:
    """The environment of the checkout at ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "requirements.lock"
        self.state = root / ".iec4"
        self.venv = self.state / "venv"
        self.python = self.venv / "bin" / "python"
        self._stamp = self.venv / "complete.lock"
        self._place = self.venv / "complete.place"
        self._log = self.state / "bootstrap.log"
        self._lock_descriptor = -1

    def complete(self) -> bool:
        """Whether it serves the present lock, at this place; ``iec4`` judges the same way."""
        return self._made_here() and self._stamp.read_bytes() == self.lock.read_bytes()

    def _made_here(self) -> bool:
        """Whether it was complete once, for some lock, and its interpreter is still there."""
        return (
            os.access(self.python, os.X_OK)
            and self._stamp.is_file()
            and self._place.is_file()
            and self._place.read_text() == f"{self.root}\n"
        )

    def ensure(self) -> None:
        """Make it, or bring it to the present lock, unless it is complete."""
        self.state.mkdir(exist_ok=True)
        with one_at_a_time(self.state / "bootstrap.lock") as self._lock_descriptor:
            if not self.complete():
                self._make()

    def _make(self) -> None:
        started = time.monotonic()
        lock = self.lock.read_bytes()
        say("making the environment in .iec4/venv: once, and when requirements.lock changes")
        self._log.write_text("")
        if self._made_here():  # only the lock changed: running commands keep their packages
            self._stamp.unlink()
        else:
            say(f"  Python {'.'.join(map(str, sys.version_info[:3]))} from {sys.base_prefix}")
            if self.venv.is_symlink() or self.venv.is_file():
                self.venv.unlink()
            venv.create(self.venv, clear=True, symlinks=True, with_pip=False)
        # What is installed and what the stamp will say are the same bytes.
        present = self.venv / "installing.lock"
        present.write_bytes(lock)
        uv = self.venv / "bin" / "uv"
        if not uv.exists():
            self._install_uv(lock)
        entries = re.findall(rb"^[^\s#]+==", lock, re.MULTILINE)
        say(f"  {len(entries)} packages of requirements.lock")
        project = ["--no-deps", "--no-build-isolation", "--no-index", "--editable", "."]
        try:
            self._install_by_uv(uv, present, project)
        except InstallerFailed as error:
            if _FULL.search(str(error)):
                raise
            say("  uv could not, see .iec4/bootstrap.log; trying pip, which takes longer")
            self._pip("install", "--require-hashes", "--no-deps", "-r", str(present))
            self._pip("install", *project)
        self._place.write_text(f"{self.root}\n")
        present.rename(self._stamp)
        say(f"environment ready after {time.monotonic() - started:.1f} s")

    def _install_uv(self, lock: bytes) -> None:
        say("  pip and uv, which installs the rest")
        self._call([str(self.python), "-I", "-m", "ensurepip"], os.environ)
        requirement = self.venv / "uv.lock"
        requirement.write_text(requirement_of("uv", lock.decode()))
        hashed = ["--require-hashes", "--no-deps", "-r", str(requirement)]
        self._pip("install", "--force-reinstall", *hashed)
        requirement.unlink()

    def _install_by_uv(self, uv: Path, lock: Path, project: list[str]) -> None:
        pip = parse_pip_settings(self._pip("config", "list"))
        environment = installer_environment(os.environ, pip, self.state)
        python = ["--python", str(self.python)]
        # What has no wheel is built with the lock's setuptools, by its hash.
        strict = ["--require-hashes", "--require-build-hashes", "--build-constraints", str(lock)]
        if pip.get("no-index", "").lower() in ("1", "true", "yes", "on"):
            strict.append("--no-index")
        self._call([str(uv), "pip", "sync", *python, *strict, str(lock)], environment)
        self._call([str(uv), "pip", "install", *python, *project], environment)

    def _pip(self, *arguments: str) -> str:
        kept = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
        kept["PIP_USER"] = "0"  # outranks pip.conf
        return self._call(
            [str(self.python), "-I", "-m", "pip", "--disable-pip-version-check", *arguments], kept
        )

    def _call(self, argv: list[str], environment: Mapping[str, str]) -> str:
        """Run an installer in the checkout; returns its output, which the log keeps too."""
        try:
            done = subprocess.run(
                argv,
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=INSTALL_TIMEOUT_S,
                pass_fds=[self._lock_descriptor],
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InstallerFailed(f"timed out after {INSTALL_TIMEOUT_S} s: {argv[1:]}") from None
        output = _CREDENTIALS.sub("", done.stdout)
        with self._log.open("a") as log:
            log.write(f"$ {' '.join(argv)}\n{output}\n")
        if done.returncode:
            raise InstallerFailed(output)
        return output


def requirement_of(name: str, lock: str) -> str:
    """The lock's entry for one package, hashes included; raises `SetupFailed` without one."""
    found = re.search(rf"^{name}==.*(?:(?<=\\)\n.*)*", lock, re.MULTILINE)
    if found is None:
        raise SetupFailed(f"requirements.lock has no {name}; renew it with tox -e lock")
    return found.group() + "\n"


def parse_pip_settings(listing: str) -> dict[str, str]:
    """What ``pip config list`` prints, as pip ranks it: global, install, environment."""
    rows = re.findall(r"^(global|install|:env:)\.([\w-]+)='(.*)'$", listing, re.MULTILINE)
    ranked = sorted(rows, key=lambda row: ("global", "install", ":env:").index(row[0]))
    return {
        key.replace("_", "-"): " ".join(value.replace("\\n", " ").split())
        for _, key, value in ranked
    }


def installer_environment(
    environment: Mapping[str, str], pip: Mapping[str, str], state: Path
) -> dict[str, str]:
    """The variables with which uv fetches from where pip would.

    What the user told uv itself stays. pip looks at every index; uv stops at the first
    that has the package unless told otherwise, and the hashes make both safe.
    """
    kept = {name: value for name, value in environment.items() if name not in _MISLEADING}
    told = {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "true"}
    told |= {variable: pip[key] for key, variable in _PIP_TO_UV.items() if key in pip}
    if "extra-index-url" in pip:
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    # pip passes over a directory that is not there; uv would refuse it.
    links = [
        link for link in pip.get("find-links", "").split() if "://" in link or Path(link).is_dir()
    ]
    if links:
        told["UV_FIND_LINKS"] = ",".join(links)
    home = Path(environment.get("XDG_CACHE_HOME") or environment.get("HOME") or "/nonexistent")
    if not os.access(home, os.W_OK):
        told["UV_CACHE_DIR"] = str(state / "cache" / "uv")
    if "UV_INDEX_URL" in kept:
        told.pop("UV_DEFAULT_INDEX", None)
    return told | kept


def advice_for(output: str, free_mib: int) -> str:
    """One line for a failed installer: what it met and what to do."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if _FULL.search(output):
        return (
            f"the disk is full ({free_mib} MiB free, some {WANTED_MIB} MiB wanted); "
            "free space, then run again"
        )
    met = [line for line in lines if _UNREACHABLE.search(line)]
    if met:
        return (
            f"the package index could not be reached ({met[-1][:200]}); check the network, "
            "HTTPS_PROXY and `pip config list`, then run again"
        )
    errors = [line for line in lines if line.lower().startswith("error")] or lines
    last = errors[-1][:200] if errors else "it said nothing"
    return f"the environment could not be made ({last}); .iec4/bootstrap.log has all of it"


def main() -> int:
    """Returns 0 when the environment is complete, 3 when it could not be made."""
    root = Path(__file__).resolve().parent
    try:
        Environment(root).ensure()
    except SetupFailed as error:
        say(str(error))
    except InstallerFailed as error:
        say(advice_for(str(error), shutil.disk_usage(root).free >> 20))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        say(
            advice_for("No space left on device", shutil.disk_usage(root).free >> 20)
            if full
            else f"the environment could not be made: {error}"
        )
    except KeyboardInterrupt:
        say("interrupted; the next start makes the environment again")
        return 130
    else:
        return 0
    return 3


if __name__ == "__main__":
    sys.exit(main())
