"""The SSH server of all hosts of an embedded lab: one process, one event loop.

    python -m lab.loopback.sshd STATE READY_FD INIT_PID

Reads ``STATE/hosts.json`` (`lifecycle` writes it), listens for each host on its own
address, and writes the chosen ports as JSON to READY_FD. Ends with `init`; when that was
killed, takes the rest of the lab with it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import posixpath
import signal
import socket
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh

from lab.faultflags import FaultFlags
from lab.loopback import cleanup, commands, hiding, tunnel
from lab.loopback.init import serve_under

_LOGIN_TIMEOUT_S = 30
_BACKLOG = 128
#: How commands of a host reach its virtual machines.
_VIRTUALIZATION = (Path("/dev/kvm"), Path("/run/libvirt"))
#: Each command whose client has gone takes a thread, and up to 6 s, to be ended.
_THREADS = 64


@dataclass(frozen=True)
class Machine:
    """One host. ``accounts``: account name → its public key."""

    name: str
    address: str
    home: Path
    key: Path
    accounts: dict[str, str]
    hide: tuple[Path, ...]
    lab_id: str

    @property
    def flags(self) -> FaultFlags:
        return FaultFlags(self.home)

    def environment(self, user: str) -> dict[str, str]:
        """What a command starts with; nothing of the lab's own environment."""
        return {
            "HOME": str(self.home),
            "USER": user,
            "LOGNAME": user,
            "PATH": f"{self.home}/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            cleanup.TAG: self.lab_id,
            cleanup.HOST: self.name,
            "IEC4_ADDRESS": self.address,
        }

    def knows(self, user: str, key: str) -> bool:
        """Whether a public key opens an account."""
        if user == "root" and self.flags.active("os.permit-root"):
            return key in self.accounts.values()
        return self.accounts.get(user) == key


class Door(asyncssh.SSHServer):
    """One connection to a host: who may come in, and where it may tunnel to.

    Offers what a real sshd offers by default, keys and passwords, and accepts keys only.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def begin_auth(self, _username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        flags = self._machine.flags
        known_account = username in self._machine.accounts
        if flags.active("os.refuse-account-key"):
            return False
        if flags.active("os.accept-stranger-key") and known_account:
            return True
        return self._machine.knows(username, _public(key))

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, _password: str) -> bool:
        return username in self._machine.accounts and self._machine.flags.active(
            "os.accept-password"
        )

    def connection_requested(
        self, dest_host: str, dest_port: int, _orig_host: str, _orig_port: int
    ) -> Coroutine[Any, Any, asyncssh.SSHTCPSession[bytes]]:
        if not _is_loopback(dest_host):
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "an embedded host reaches loopback only"
            )
        return tunnel.to(dest_host, dest_port)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Files(asyncssh.SFTPServer):
    """SFTP whose relative paths start at the host's home."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], home: Path) -> None:
        super().__init__(channel)
        self._home = os.fsencode(home)

    def map_path(self, path: bytes) -> bytes:
        return posixpath.join(self._home, path)


async def _serve_command(machine: Machine, process: asyncssh.SSHServerProcess[bytes]) -> None:
    user = process.get_extra_info("username")
    bare = machine.flags.active("os.no-virtualization")
    hidden = (*machine.hide, *(_VIRTUALIZATION if bare else ()))
    await commands.serve(
        process,
        prefix=hiding.behind(hidden, machine.home),
        home=machine.home,
        env=machine.environment(user),
    )


def _options(machine: Machine, host_key: asyncssh.SSHKey) -> asyncssh.SSHServerConnectionOptions:
    return asyncssh.SSHServerConnectionOptions(
        server_factory=partial(Door, machine),
        server_host_keys=[host_key],
        server_version="iec4-embedded",
        process_factory=partial(_serve_command, machine),
        sftp_factory=partial(Files, home=machine.home),
        encoding=None,
        allow_pty=False,
        agent_forwarding=False,
        x11_forwarding=False,
        gss_host=None,
        login_timeout=_LOGIN_TIMEOUT_S,
        line_editor=False,
    )


async def _serve_host(machine: Machine, listener: socket.socket) -> None:
    genuine = _options(machine, asyncssh.read_private_key(machine.key))
    impostor = _options(machine, asyncssh.generate_private_key("ssh-ed25519"))
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Task[None]] = set()
    while True:
        client, _ = await loop.sock_accept(listener)
        if machine.flags.active("os.host-down"):
            client.close()
            continue
        lies = machine.flags.active("os.other-host-key")
        task = asyncio.create_task(_welcome(client, impostor if lies else genuine))
        connections.add(task)
        task.add_done_callback(connections.discard)


async def _welcome(client: socket.socket, options: asyncssh.SSHServerConnectionOptions) -> None:
    try:
        await asyncssh.run_server(client, options=options)
    except (asyncssh.Error, OSError) as error:
        print(f"a client did not come in: {error}", file=sys.stderr)  # noqa: T201 (the log)


def _public(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode().split()[:2])


def _machines(state: Path) -> list[Machine]:
    spec = json.loads((state / "hosts.json").read_text())
    return [
        Machine(
            name=host["name"],
            address=host["address"],
            home=Path(host["home"]),
            key=Path(host["key"]),
            accounts=host["accounts"],
            hide=tuple(map(Path, spec["hide"])),
            lab_id=spec["id"],
        )
        for host in spec["hosts"]
    ]


async def _main(state: Path, ready: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    ports = {}
    serving = []
    for machine in _machines(state):
        listener = socket.create_server((machine.address, 0), backlog=_BACKLOG)
        listener.setblocking(False)
        ports[machine.name] = listener.getsockname()[1]
        serving.append(asyncio.create_task(_serve_host(machine, listener)))
    os.write(ready, json.dumps(ports).encode())
    os.close(ready)
    stop = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait({stop, *serving}, return_when=asyncio.FIRST_COMPLETED)
    for task in done - {stop}:
        task.result()  # a host that stopped serving is a defect: its traceback is the log's end


def main(argv: list[str]) -> None:
    state, ready, init = Path(argv[0]), int(argv[1]), int(argv[2])
    serve_under(init, state, lambda: asyncio.run(_main(state, ready)))


if __name__ == "__main__":
    main(sys.argv[1:])
