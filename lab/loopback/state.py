"""The state directory of a lab that the suite makes: its making and its end, whatever its hosts.

It is locked for as long as the lab's `init` lives; whoever gets the lock of one that is
there has found a dead lab, and sweeps what is left of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import yaml

from blueprints.errors import ConfigError
from lab.errors import LabError, SystemDown
from lab.host import keys
from lab.inventory import Account, HostEntry, Inventory, load
from lab.loopback import cleanup
from lab.loopback.init import PID_FILE
from lab.payload import ROOT, cache_dir

#: The accounts of every host; the first is the suite's own.
ACCOUNTS = ("iec4", "operator")
#: How long the SSH servers may take to listen, seconds.
START_TIMEOUT_S = 20.0
#: How long `init` may take to end everything: TERM, KILL, files. Seconds.
_END_TIMEOUT_S = 15.0

_LOCK = "lab.lock"
_ID = "lab.id"
_INVENTORY = "inventory.yaml"


@dataclass(frozen=True)
class HostStatus:
    """A host of a running lab: what runs on it, and how much memory that takes (RSS)."""

    name: str
    address: str
    port: int
    processes: int
    rss_bytes: int


@dataclass(frozen=True)
class Making:
    """A lab that is being made: its state directory is claimed, and has its id."""

    state: Path
    lab_id: str
    lock: int

    def write_account_keys(self) -> dict[str, str]:
        """Give each account a key pair; returns account → public key."""
        (self.state / "keys").mkdir(mode=0o700)
        for account in ACCOUNTS:
            write_secret(account_key(self.state, account), keys.new_private_text())
        return {account: public(account_key(self.state, account)) for account in ACCOUNTS}

    def write_host_key(self, name: str) -> Path:
        """Give a host its key; returns where the private one lies."""
        write_secret(host_key(self.state, name), keys.new_private_text())
        return host_key(self.state, name)

    def start(
        self,
        module: str,
        *,
        owner_pid: int | None,
        ttl_s: float | None,
        timeout_s: float = START_TIMEOUT_S,
    ) -> dict[str, str]:
        """Start init, and with it ``module``, which serves the hosts; returns what that wrote.

        That is a JSON object, written to READY_FD once all hosts answer SSH (see `init`),
        within ``timeout_s``.
        """
        reading, writing = os.pipe()
        init = [sys.executable, "-S", "-m", "lab.loopback.init", str(self.state)]
        init += [str(limit) if limit is not None else "-" for limit in (owner_pid, ttl_s)]
        init += [str(writing), str(self.lock), "--"]
        server = [sys.executable, "-m", module, str(self.state), str(writing)]
        try:
            with (self.state / "log").open("w+b") as log:
                starter = subprocess.Popen(
                    [*init, *server],
                    cwd=ROOT,
                    env={**os.environ, cleanup.TAG: self.lab_id},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(writing, self.lock),
                    start_new_session=True,
                )
                os.close(writing)
                starter.wait(timeout=START_TIMEOUT_S)
                return _read_ready(reading, log, timeout_s)
        finally:
            os.close(reading)

    def write_inventory(self, inventory: Inventory) -> Inventory:
        """Keep the inventory of the lab as it is; returns it, with where it lies."""
        path = self.state / _INVENTORY
        data = inventory.model_dump(mode="json", exclude_none=True)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(yaml.safe_dump(data, sort_keys=False))
        unfinished.rename(path)
        return inventory.model_copy(update={"file": path})


@contextmanager
def making(state: Path) -> Iterator[Making]:
    """Claim a state directory for a lab that is made within the context; a failure ends it.

    Raises `ConfigError` when ``state`` holds a running lab or something else.
    """
    sweep()
    state = state.absolute()
    lock = _claim(state)
    lab_id = secrets.token_hex(8)
    (state / _ID).write_text(lab_id)
    try:
        yield Making(state, lab_id, lock)
    except BaseException:
        os.close(lock)
        down(state)
        raise
    os.close(lock)  # init holds it from here


def down(state: Path) -> None:
    """End a lab: every process, every file. One that is down already is left alone."""
    state = state.absolute()
    if not (state / _ID).exists():
        return
    handle = _init_handle(state)
    if handle is not None:
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            ends = select.poll()
            ends.register(handle, select.POLLIN)
            if not ends.poll(_END_TIMEOUT_S * 1000):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                ends.poll(_END_TIMEOUT_S * 1000)
        except ProcessLookupError:
            pass  # it ended between the look and the signal
        finally:
            os.close(handle)
    _sweep_one(state)


def hosts_status(
    state: Path, processes: Callable[[Iterable[str]], Mapping[str, Sequence[int]]]
) -> list[HostStatus]:
    """The hosts of a running lab, in the inventory's order.

    ``processes(names)``: the pids on each host. Raises `SystemDown` when the lab does not
    run; what was left of it is swept then.
    """
    state = state.absolute()
    if _sweep_one(state) or not (state / _INVENTORY).exists():
        raise SystemDown(
            f"the lab at {state} does not run",
            advice="start it with ./iec4 lab up",
        )
    hosts = load(str(state / _INVENTORY)).hosts
    found = processes(hosts)
    return [
        HostStatus(
            name,
            host.address or "",
            host.port,
            len(found.get(name, ())),
            sum(map(_resident_bytes, found.get(name, ()))),
        )
        for name, host in hosts.items()
    ]


def _resident_bytes(pid: int) -> int:
    with suppress(OSError):  # it has ended meanwhile
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def find_labs() -> list[Path]:
    """The state directories of the labs that run, of those in the project's cache."""
    sweep()
    return [place.parent for place in sorted(_labs_dir().glob(f"*/{_INVENTORY}"))]


def sweep() -> list[Path]:
    """End what is left of labs in the project's cache whose init was killed."""
    return [place.parent for place in _labs_dir().glob(f"*/{_ID}") if _sweep_one(place.parent)]


def lab_id(state: Path) -> str:
    """The id of the lab whose state directory this is; raises `SystemDown` when there is none."""
    try:
        return (state / _ID).read_text()
    except FileNotFoundError:
        raise SystemDown(f"the lab at {state} does not run") from None


def _labs_dir() -> Path:
    return cache_dir() / "labs"


def _sweep_one(state: Path) -> bool:
    """Remove a dead lab; returns whether there was one."""
    try:
        dead = (state / _ID).read_text()
        lock = _lock(state)
    except FileNotFoundError:
        return False
    if lock is None:
        return False
    try:
        cleanup.end(lambda: cleanup.tagged(dead))
        cleanup.remove_state(state)
    finally:
        os.close(lock)
    return True


def _lock(state: Path) -> int | None:
    """The lock of a state directory; None when a lab that lives holds it."""
    descriptor = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _claim(state: Path) -> int:
    """Make the state directory ours; returns the descriptor that holds its lock."""
    others = state.is_dir() and any(entry.name != _LOCK for entry in state.iterdir())
    if others and not (state / _ID).exists():  # a lock alone: a lab is just being made there
        raise ConfigError(f"{state} is not empty, and not the state of a lab")
    _sweep_one(state)
    state.mkdir(parents=True, exist_ok=True)
    lock = _lock(state)
    if lock is None or (state / _ID).exists():
        raise ConfigError(f"a lab runs at {state}; ./iec4 lab down ends it")
    return lock


def _init_handle(state: Path) -> int | None:
    """A pidfd of the lab's init, None when it is dead."""
    try:
        pid = int((state / PID_FILE).read_text())
        of_lab = (state / _ID).read_text()
        handle = os.pidfd_open(pid)
    except (OSError, ValueError):
        return None
    if cleanup.environment(pid).get(cleanup.TAG) == of_lab:
        return handle
    os.close(handle)
    return None


def _read_ready(reading: int, log: BinaryIO, timeout_s: float) -> dict[str, str]:
    ready = select.poll()
    ready.register(reading, select.POLLIN)
    answered = ready.poll(timeout_s * 1000)
    if answered and (text := os.read(reading, 1 << 16)):
        found: dict[str, str] = json.loads(text)
        return found
    log.seek(0)
    words = log.read().decode(errors="replace").strip()
    raise LabError(
        "the lab did not come up",
        found=(words.splitlines() or ["its SSH server ended without a word"])[-1]
        if answered
        else f"no SSH server within {timeout_s:g} s",
        expected="an SSH server on each host's address",
        evidence=words,
    )


def with_accounts(host: HostEntry, state: Path, name: str) -> HostEntry:
    """``host`` with the key and the accounts that a lab at ``state`` gave it."""
    accounts = tuple(Account(name=a, key=f"file:{account_key(state, a)}") for a in ACCOUNTS)
    return host.model_copy(
        update={
            "host_key": public(host_key(state, name)),
            "accounts": accounts,
            "arch": os.uname().machine,
        }
    )


def write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def write_tokens(state: Path, system: str, roles: Iterable[str]) -> None:
    """Give each role of a system a token of its own; `tokens` has references to them."""
    for role in roles:
        write_secret(_token(state, system, role), secrets.token_urlsafe(24))


def tokens(state: Path, system: str, roles: Iterable[str]) -> dict[str, str]:
    """Role → where its token is, as an inventory says it."""
    return {role: f"file:{_token(state, system, role)}" for role in roles}


def _token(state: Path, system: str, role: str) -> Path:
    return state / "secrets" / f"{system}-{role}"


def public(private: Path) -> str:
    """The public key of a private one's file."""
    return keys.public_text(private.read_text())


def account_key(state: Path, account: str) -> Path:
    return state / "keys" / account


def host_key(state: Path, name: str) -> Path:
    return state / "keys" / f"host-{name}"
