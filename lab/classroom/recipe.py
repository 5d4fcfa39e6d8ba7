"""How the classroom gets onto its host: in an embedded lab, our backend on a tars-agent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blueprints.errors import ConfigError
from lab import service
from lab.classroom.installed import InstalledClassroom, classroom_host
from lab.classroom.probe import ENDPOINT, SECRET, SYSTEM, probe
from lab.payload import python_runtime
from lab.recipe import Command, Install, Recipe, Step, Write
from lab.session import Lab

#: What the backend needs of the suite; nothing else of it travels.
MODULES = (
    "lab/__init__.py",
    "lab/errors.py",
    "lab/faultflags.py",
    "lab/secrets.py",
    "lab/classroom/__init__.py",
    "lab/classroom/loopback_ice.py",
    "lab/classroom/messages.py",
    "lab/classroom/records.py",
    "lab/classroom/signalling.py",
    "lab/classroom/token.py",
    "lab/classroom/wire.py",
    "lab/classroom/embedded",
)

#: How long a lost socket may come back on the embedded lab, in seconds; the real server's 10 s
#: would be waited for whenever a criterion looks at its end.
RECONNECTION_S = 4

# From the host account's home directory.
_HOME = "classroom"
_RUNTIME = f"{_HOME}/runtime"
_CERTIFICATE = f"{_HOME}/server.pem"
_KEY = f"{_HOME}/server-key.pem"
_RECORDINGS = f"{_HOME}/recordings"
_SECRET_FILE = f"{_HOME}/secret"
_CDR = f"{_HOME}/cdr"


def recipe(lab: Lab) -> EmbeddedClassroom | InstalledClassroom:
    """The recipe for this kind of lab; raises `ConfigError` where there is none."""
    if lab.inventory.kind == "embedded":
        return EmbeddedClassroom()
    if lab.inventory.kind == "real" and lab.inventory.systems[SYSTEM].openvidu:
        return InstalledClassroom()
    raise ConfigError(
        f"the suite cannot deploy the classroom on this {lab.inventory.kind} lab: say what it is "
        f"installed from in systems.{SYSTEM}.openvidu (real labs; docs/classroom.md), or "
        f"systems.{SYSTEM}.adopted: true, with its endpoint and secret, to use one that is there"
    )


def runtime() -> tuple[Path, str]:
    """The archive that the backend runs from: ``(path, sha256)``. PyAV stays behind."""
    return python_runtime(["aiohttp", "aiortc"], MODULES, without=["av"])


@dataclass(frozen=True)
class IssueCertificate(Step):
    """Have the lab's CA issue a server certificate for ``address``, once."""

    state: Path
    address: str

    def execute(self, lab: Lab) -> str:
        from lab.loopback import ca

        host = lab.host(self.host)
        if host.run(["test", "-s", _CERTIFICATE, "-a", "-s", _KEY]).ok:
            return "unchanged"
        certificate, key = ca.issue(self.state, self.address)
        host.put(key, _KEY, mode=0o600)
        host.put(certificate, _CERTIFICATE)
        return "done"

    def describe(self) -> str:
        return f"write {_CERTIFICATE} and {_KEY} for {self.address}"


class EmbeddedClassroom(Recipe):
    """Our OpenVidu-2.13-compatible backend, on the address of its endpoint."""

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        host = classroom_host(lab)
        secret = lab.secret(SYSTEM, SECRET)
        if lab.inventory.state is None or secret is None:
            raise ConfigError(
                f"lab {lab.inventory.name} is not up: it has no CA or no secret for the classroom"
            )
        address, _ = lab.address(SYSTEM, ENDPOINT)
        return [
            Install("bring the embedded classroom backend", host, _RUNTIME, runtime),
            IssueCertificate("issue its certificate", host, lab.inventory.state, address),
            Write("write its secret", host, _SECRET_FILE, secret.encode(), 0o600),
            self.start(lab),
            service.Answers("the classroom answers GET /config", host, probe, service=SYSTEM),
        ]

    def start(self, lab: Lab) -> Step:
        """Start what is installed; it answers a little later."""
        address, port = lab.address(SYSTEM, ENDPOINT)
        argv = [
            "python3", "-m", "lab.classroom.embedded.backend",
            "--home", ".", "--listen", f"{address}:{port}",
            "--cert", _CERTIFICATE, "--key", _KEY, "--secret-file", _SECRET_FILE, "--cdr", _CDR,
            "--recordings", _RECORDINGS, "--reconnection-s", str(RECONNECTION_S),
        ]  # fmt: skip
        if webhook := lab.inventory.systems[SYSTEM].webhook:
            argv += ["--webhook", webhook]
        environment = {"PYTHONPATH": _RUNTIME}
        return service.start(
            classroom_host(lab), SYSTEM, argv, env=environment, runs_from=[_RUNTIME]
        )

    def stop(self, lab: Lab) -> Step:
        return service.stop(classroom_host(lab), SYSTEM)

    def removal(self, lab: Lab) -> list[Step]:
        return [
            self.stop(lab),
            Command("remove the classroom's files", classroom_host(lab), ["rm", "-rf", _HOME]),
        ]


@contextmanager
def backend_down(lab: Lab) -> Iterator[None]:
    """The backend is down within the context, and started after it; nobody waits for it.

    Only for a lab with the capability ``system-restart``; raises as its recipe's steps do.
    """
    backend = recipe(lab)
    backend.stop(lab).execute(lab)
    try:
        yield
    finally:
        backend.start(lab).execute(lab)
