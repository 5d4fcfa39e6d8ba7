"""Bringing an embedded lab up, looking at it, and taking it down.

A lab's state directory is locked for as long as its `init` lives; whoever gets the lock
of one that is there has found a dead lab, and sweeps what is left of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import secrets
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import yaml

from blueprints.errors import ConfigError
from lab.errors import LabError, SystemDown
from lab.host import keys
from lab.inventory import Account, HostEntry, Inventory, SystemEntry, load
from lab.loopback import ca, cleanup
from lab.loopback.init import PID_FILE
from lab.payload import ROOT, cache_dir

#: The accounts of every host; the first is the suite's own.
ACCOUNTS = ("iec4", "operator")
#: How long the SSH servers may take to listen, seconds.
_START_TIMEOUT_S = 20.0
#: How long `init` may take to end everything: TERM, KILL, files. Seconds.
_END_TIMEOUT_S = 15.0

_LOCK = "lab.lock"
_ID = "lab.id"
_INVENTORY = "inventory.yaml"

#: (system, endpoint) → (the role on whose first host it answers, scheme)
_PLACES = {
    ("tars", "registry"): ("tars-master", "tcp"),
    ("tars", "web"): ("tars-master", "http"),
    ("classroom", "api"): ("tars-agent", "https"),
    ("jenkins", "web"): ("jenkins-master", "http"),
}


@dataclass(frozen=True)
class HostStatus:
    """A host of a running lab: what runs on it, and how much memory that takes (RSS)."""

    name: str
    address: str
    port: int
    processes: int
    rss_bytes: int


def up(
    template: Inventory,
    state: Path,
    *,
    owner_pid: int | None,
    ttl_s: float | None,
    hide: Sequence[Path] = (),
) -> Inventory:
    """Bring a lab up; returns its inventory, which is also ``STATE/inventory.yaml``.

    The lab ends when the process ``owner_pid`` ends, after ``ttl_s`` seconds, or by
    `down`. ``hide``: directories that commands on its hosts see empty (`hiding.refused`
    says whether the machine allows it). Raises `ConfigError` when ``state`` holds a
    running lab or something else, `LabError` when the SSH servers do not come up.
    """
    sweep()
    state = state.absolute()
    lock = _claim(state)
    lab_id = secrets.token_hex(8)
    (state / _ID).write_text(lab_id)
    try:
        addresses = _lay_out(template, state, lab_id, hide)
        ports = _start(state, lab_id, lock, owner_pid=owner_pid, ttl_s=ttl_s)
        inventory = _concrete(template, state, addresses, ports)
        _write_inventory(inventory, state / _INVENTORY)
    except BaseException:
        os.close(lock)
        down(state)
        raise
    os.close(lock)  # init holds it from here
    return inventory


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


def status(state: Path) -> list[HostStatus]:
    """The hosts of a running lab, in the inventory's order.

    Raises `SystemDown` when it does not run; what was left of it is swept then.
    """
    state = state.absolute()
    if _sweep_one(state) or not (state / _INVENTORY).exists():
        raise SystemDown(
            f"the embedded lab at {state} does not run",
            advice="start it with ./iec4 lab up",
        )
    lab_id = (state / _ID).read_text()
    page = os.sysconf("SC_PAGE_SIZE")
    counts: dict[str, int] = {}
    memory: dict[str, int] = {}
    for pid in cleanup.tagged(lab_id):
        name = cleanup.environment(pid).get(cleanup.HOST, "")
        with suppress(OSError):  # it has ended meanwhile
            resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            counts[name] = counts.get(name, 0) + 1
            memory[name] = memory.get(name, 0) + resident * page
    return [
        HostStatus(name, host.address or "", host.port, counts.get(name, 0), memory.get(name, 0))
        for name, host in load(str(state / _INVENTORY)).hosts.items()
    ]


def find_labs() -> list[Path]:
    """The state directories of the labs that run, of those in the project's cache."""
    sweep()
    return [place.parent for place in sorted(_labs_dir().glob(f"*/{_INVENTORY}"))]


def sweep() -> list[Path]:
    """End what is left of labs in the project's cache whose init was killed."""
    return [place.parent for place in _labs_dir().glob(f"*/{_ID}") if _sweep_one(place.parent)]


def _labs_dir() -> Path:
    return cache_dir() / "labs"


def _sweep_one(state: Path) -> bool:
    """Remove a dead lab; returns whether there was one."""
    try:
        lab_id = (state / _ID).read_text()
        lock = _lock(state)
    except FileNotFoundError:
        return False
    if lock is None:
        return False
    try:
        cleanup.end(lambda: cleanup.tagged(lab_id))
        cleanup.remove_tree(state)
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
    if state.is_dir() and any(state.iterdir()) and not (state / _ID).exists():
        raise ConfigError(f"{state} is not empty, and not the state of a lab")
    _sweep_one(state)
    state.mkdir(parents=True, exist_ok=True)
    lock = _lock(state)
    if lock is None or (state / _ID).exists():
        raise ConfigError(f"an embedded lab runs at {state}; ./iec4 lab down ends it")
    return lock


def _init_handle(state: Path) -> int | None:
    """A pidfd of the lab's init, None when it is dead."""
    try:
        pid = int((state / PID_FILE).read_text())
        lab_id = (state / _ID).read_text()
        handle = os.pidfd_open(pid)
    except (OSError, ValueError):
        return None
    if cleanup.environment(pid).get(cleanup.TAG) == lab_id:
        return handle
    os.close(handle)
    return None


def _lay_out(template: Inventory, state: Path, lab_id: str, hide: Sequence[Path]) -> dict[str, str]:
    """Make homes, keys, the CA and the SSH server's specification; returns the addresses."""
    (state / "keys").mkdir(mode=0o700)
    (state / "secrets").mkdir(mode=0o700)
    for account in ACCOUNTS:
        _write_secret(_account_key(state, account), keys.new_private_text())
    _write_secret(_classroom_secret(state), secrets.token_urlsafe(24))
    _write_secret(_jenkins_token(state), secrets.token_hex(17))
    ca.make(state)
    # 127.0.0.0/8 is loopback (RFC 1122); the lower networks are left to others.
    network = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}"
    addresses = {name: f"{network}.{1 + i}" for i, name in enumerate(template.hosts)}
    authorized = {account: _public(_account_key(state, account)) for account in ACCOUNTS}
    hosts = []
    for name, address in addresses.items():
        home = state / "hosts" / name / "home"
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "python3").symlink_to(_base_interpreter())
        _write_secret(_host_key(state, name), keys.new_private_text())
        hosts.append(
            {
                "name": name,
                "address": address,
                "home": str(home),
                "key": str(_host_key(state, name)),
                "accounts": authorized,
            }
        )
    spec = {"id": lab_id, "hide": [str(path.absolute()) for path in hide], "hosts": hosts}
    (state / "hosts.json").write_text(json.dumps(spec, indent=1))
    return addresses


def _start(
    state: Path, lab_id: str, lock: int, *, owner_pid: int | None, ttl_s: float | None
) -> dict[str, int]:
    """Start init, and with it the SSH server; returns the hosts' ports."""
    reading, writing = os.pipe()
    python = [sys.executable, "-S", "-m", "lab.loopback.init"]
    limits = [str(limit) if limit is not None else "-" for limit in (owner_pid, ttl_s)]
    server = [sys.executable, "-m", "lab.loopback.sshd", str(state), str(writing)]
    try:
        with (state / "log").open("w+b") as log:
            starter = subprocess.Popen(
                [*python, str(state), *limits, str(writing), str(lock), "--", *server],
                cwd=ROOT,
                env={**os.environ, cleanup.TAG: lab_id},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writing, lock),
                start_new_session=True,
            )
            os.close(writing)
            starter.wait(timeout=_START_TIMEOUT_S)
            return _read_ports(reading, log)
    finally:
        os.close(reading)


def _read_ports(reading: int, log: BinaryIO) -> dict[str, int]:
    ready = select.poll()
    ready.register(reading, select.POLLIN)
    answered = ready.poll(_START_TIMEOUT_S * 1000)
    if answered and (text := os.read(reading, 1 << 16)):
        ports: dict[str, int] = json.loads(text)
        return ports
    log.seek(0)
    words = log.read().decode(errors="replace").strip()
    raise LabError(
        "the embedded lab did not come up",
        found=(words.splitlines() or ["its SSH server ended without a word"])[-1]
        if answered
        else f"no SSH server within {_START_TIMEOUT_S:g} s",
        expected="an SSH server on each host's loopback address",
        evidence=words,
    )


def _concrete(
    template: Inventory, state: Path, addresses: Mapping[str, str], ports: Mapping[str, int]
) -> Inventory:
    accounts = tuple(
        Account(name=name, key=f"file:{_account_key(state, name)}") for name in ACCOUNTS
    )
    hosts: dict[str, HostEntry] = {
        name: host.model_copy(
            update={
                "address": addresses[name],
                "port": ports[name],
                "host_key": _public(_host_key(state, name)),
                "accounts": accounts,
                "arch": platform.machine(),
            }
        )
        for name, host in template.hosts.items()
    }
    systems = {
        name: system if system.adopted else _system(name, system, template, state, addresses)
        for name, system in template.systems.items()
    }
    return template.model_copy(
        update={
            "hosts": hosts,
            "systems": systems,
            "state": state,
            "file": state / _INVENTORY,
        }
    )


def _system(
    name: str,
    system: SystemEntry,
    template: Inventory,
    state: Path,
    addresses: Mapping[str, str],
) -> SystemEntry:
    """A system's endpoints on free ports of the hosts that carry its roles, and its secrets."""
    endpoints: dict[str, str] = {}
    for (its_system, endpoint), (role, scheme) in _PLACES.items():
        if its_system == name and (carriers := template.with_role(role)):
            address = addresses[carriers[0]]
            endpoints[endpoint] = f"{scheme}://{address}:{_free_port(address, endpoints)}"
    update: dict[str, object] = {"endpoints": endpoints}
    if name == "classroom":
        update["ca"] = state / ca.CERTIFICATE
        update["secrets"] = {"api": f"file:{_classroom_secret(state)}"}
        if carriers := template.with_role("jenkins-master"):
            address = addresses[carriers[0]]
            update["webhook"] = f"http://{address}:{_free_port(address, endpoints)}/classroom"
    if name == "jenkins":
        update["secrets"] = {ACCOUNTS[0]: f"file:{_jenkins_token(state)}"}
    return system.model_copy(update=update)


def _free_port(address: str, taken: Mapping[str, str]) -> int:
    """A port that nobody listens on; the address is the lab's own, so it stays free."""
    while True:
        with socket.create_server((address, 0)) as probe:
            port: int = probe.getsockname()[1]
        if not any(url.endswith(f"{address}:{port}") for url in taken.values()):
            return port


def _write_inventory(inventory: Inventory, path: Path) -> None:
    data = inventory.model_dump(mode="json", exclude_none=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(yaml.safe_dump(data, sort_keys=False))
    unfinished.rename(path)


def _base_interpreter() -> str:
    """The interpreter behind the virtual environment: bare, as a host's own python3 is."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _public(private: Path) -> str:
    return keys.public_text(private.read_text())


def _account_key(state: Path, account: str) -> Path:
    return state / "keys" / account


def _host_key(state: Path, name: str) -> Path:
    return state / "keys" / f"host-{name}"


def _classroom_secret(state: Path) -> Path:
    return state / "secrets" / "classroom"


def _jenkins_token(state: Path) -> Path:
    return state / "secrets" / "jenkins"
