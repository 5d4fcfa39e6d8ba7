"""Holds a deep lab: makes its network, starts its machines, and ends with them.

    python -m lab.deep.keeper STATE READY_FD INIT_PID

Reads ``STATE/hosts.json`` (`lifecycle` writes it). Writes the machines' addresses as JSON to
READY_FD once SSH answers on all of them. A bridge joins the machines, in a network namespace
of the lab's own (the switch), where virtual ones find the time, too; one cable, a veth pair,
leads from it to this machine, which gets one interface and one route more. All of it goes with
the processes that hold it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.deep import cgroups, time_server, virtual
from lab.deep.inside import DIES_WITH_US, NAMESPACES, PID_FILE
from lab.loopback import cleanup
from lab.loopback.init import serve_under
from lab.wait import wait_for

#: Networks for benchmarks (RFC 2544): nobody's hosts have these addresses. A lab takes one /24.
_RANGE = ipaddress.IPv4Network("198.18.0.0/15")
#: This machine's address is the network's last, the time server's the one before.
_OURS = 254
_TIME = 253
_TIMEOUT_S = 15.0
_SSH_PORT = 22


class Held:
    """A process that holds namespaces: it says one line when it has them, then waits for one."""

    def __init__(self, argv: Sequence[str], name: str) -> None:
        self._process = subprocess.Popen(
            [*DIES_WITH_US, *argv],
            env={**os.environ, cleanup.HOST: name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.name = name
        self.pid = self._process.pid
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise SystemExit(f"{name} did not start: status {self._process.wait(_TIMEOUT_S)}")

    def go_on(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def first_process(self) -> int:
        """The pid of what ``unshare --fork`` started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return int(children.split()[0])

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> None:
        self._process.wait()


def main(argv: list[str]) -> None:
    state, ready, init = Path(argv[0]), int(argv[1]), int(argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve_under(init, state, lambda: _keep(state, ready))


def _keep(state: Path, ready: int) -> None:
    wanted = json.loads((state / "hosts.json").read_text())
    names: list[str] = wanted["hosts"]
    virtual_names: list[str] = wanted["virtual"]
    switch = Held(["unshare", "--net", "sh", "-c", "echo here; read never"], "")
    cgroups.make(state, os.environ[cleanup.TAG], names)
    machines = [_machine(state, name) for name in names]
    for machine in machines:
        place = state / "hosts" / machine.name / PID_FILE
        place.write_text(str(machine.first_process()))
    network = _connect(switch)
    _plug_in(switch, machines, taps=len(virtual_names))
    addresses = {name: str(network[1 + i]) for i, name in enumerate((*names, *virtual_names))}
    guests = []
    if virtual_names:
        time_server.start(state, _within(switch), network, network[_TIME])
    for i, name in enumerate(virtual_names):
        address = f"{addresses[name]}/{network.prefixlen}"
        virtual.give(state, name, address, str(network[_TIME]), wanted["accounts"])
        guests.append(virtual.Running(state, name, _within(switch), f"tap{i}"))
    for machine in machines:
        machine.go_on(f"{addresses[machine.name]}/{network.prefixlen}")
    for machine in machines:
        _await_ssh(machine, (addresses[machine.name], _SSH_PORT), _TIMEOUT_S)
    for guest in guests:
        _await_ssh(guest, (addresses[guest.name], virtual.PORT), virtual.START_TIMEOUT_S)
    os.write(ready, json.dumps(addresses).encode())
    os.close(ready)
    held: list[Held | virtual.Running] = [*machines, *guests]
    for one in held:
        one.wait()


def _machine(state: Path, name: str) -> Held:
    becoming = [sys.executable, "-S", "-m", "lab.deep.machine", str(state), name]
    return Held(["unshare", *NAMESPACES, "--fork", "--kill-child=KILL", *becoming], name)


def _connect(switch: Held) -> ipaddress.IPv4Network:
    """Lay the cable between this machine and the switch; returns the lab's network.

    The interface is named for the network, and a name is given once: of two labs that come
    up at once, one is refused and takes another.
    """
    taken = _taken_networks()
    networks = [n for n in _RANGE.subnets(new_prefix=24) if not any(map(n.overlaps, taken))]
    random.shuffle(networks)
    refusal = f"no free network in {_RANGE}"
    for network in networks[:8]:
        link = f"iec4-{int(network[0]) - int(_RANGE[0]) >> 8}"
        laid = _ip(f"link add {link} type veth peer name uplink netns {switch.pid}")
        if laid.returncode == 0:
            address = f"{network[_OURS]}/{network.prefixlen}"
            _must(_ip(f"addr add {address} dev {link}\nlink set {link} up"))
            return network
        refusal = laid.stderr.strip()
    raise SystemExit(f"the lab's network cannot be connected: {refusal}")


def _taken_networks() -> list[ipaddress.IPv4Network]:
    """What this machine has routes to, a default route excepted."""
    listed = _must(_ip("-json -4 route show table all"))
    routes = (route["dst"] for route in json.loads(listed or "[]"))
    return [ipaddress.IPv4Network(to) for to in routes if to[0].isdigit()]


def _plug_in(switch: Held, machines: Sequence[Held], *, taps: int) -> None:
    """Make the bridge in the switch; give each machine an ``eth0`` on it, virtual ones a tap."""
    lines = ["link add lab type bridge", "link set lab up"]
    lines += ["link set uplink master lab", "link set uplink up"]
    for i, machine in enumerate(machines):
        port = f"port{i}"
        lines.append(f"link add {port} type veth peer name eth0 netns {machine.first_process()}")
        lines += [f"link set {port} master lab", f"link set {port} up"]
    for i in range(taps):
        lines.append(f"tuntap add dev tap{i} mode tap")
        lines += [f"link set tap{i} master lab", f"link set tap{i} up"]
    _must(_ip("\n".join(lines), within=_within(switch)))


def _within(switch: Held) -> list[str]:
    return ["nsenter", "--target", str(switch.pid), "--net"]


def _ip(lines: str, *, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run ip's commands: a batch of several, or one with its options."""
    batch = "\n" in lines
    argv = ["-batch", "-"] if batch else lines.split()
    return subprocess.run(
        [*within, "ip", *argv],
        input=lines if batch else "",
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def _must(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode != 0:
        raise SystemExit(f"the lab's network cannot be made: {' '.join(done.stderr.split())}")
    return done.stdout


def _await_ssh(machine: Held | virtual.Running, address: tuple[str, int], timeout_s: float) -> None:
    def answers() -> bool:
        if machine.ended:
            raise SystemExit(1)  # the log's last line is its own
        try:
            with socket.create_connection(address, timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    wait_for(f"SSH on {machine.name}", answers, timeout=timeout_s, interval=0.02)


if __name__ == "__main__":
    main(sys.argv[1:])
