"""Containers on hosts, as steps of a recipe: what is there is inspected before it is changed.

A container carries a label of what it was made from. One that runs from the same image, options
and files is left alone; any other of its name is made anew. Data are in the host's directories.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from blueprints.errors import ConfigError
from lab.errors import SystemDown
from lab.host.base import Host
from lab.recipe import Command, Step
from lab.session import Lab

#: For an image to arrive (s).
PULL_S = 900.0
#: What a container engine may need for a command (s).
_ENGINE_S = 120.0

#: The label by which a container is known again.
_LABEL = "iec4.made-from"

# Exit status 0: the container runs, was made from this, and after the files that it reads.
_CURRENT = """
engine=$1 name=$2 made_from=$3; shift 3
[ "$("$engine" inspect -f '{{.State.Running}} {{index .Config.Labels "iec4.made-from"}}' "$name" \
    2>/dev/null)" = "true $made_from" ] || exit 1
[ $# -eq 0 ] && exit 0
made=$("$engine" inspect -f '{{.Created}}' "$name") || exit 1
made=$(date -d "$made" +%s) || exit 1
for file; do [ "$made" -ge "$(stat -c %Y "$file")" ] || exit 1; done
"""
# Whatever has the name goes, its data stays; then it is made anew.
_MAKE = """
engine=$1 name=$2; shift 2
if "$engine" inspect "$name" >/dev/null 2>&1; then "$engine" rm -f "$name" >/dev/null || exit; fi
exec "$engine" run -d --name "$name" "$@"
"""
_GONE = 'if "$1" inspect "$2" >/dev/null 2>&1; then exec "$1" rm -f "$2"; fi'


@dataclass(frozen=True)
class EngineThere(Step):
    """Look for the container engine; nothing is installed."""

    engine: str

    def execute(self, lab: Lab) -> str:
        found = lab.host(self.host).run(
            [self.engine, "version", "--format", "{{.Server.Version}}"], timeout=_ENGINE_S
        )
        if not found.ok:
            raise SystemDown(
                f"{self.host} has no container engine that the suite's account may use",
                found=found.last_line,
                expected=f"an answer of {self.engine} version",
                advice="install it, and let the account use it (for docker: the group docker)",
            )
        return "unchanged"

    def describe(self) -> str:
        return f"{self.engine} version answers"


@dataclass(frozen=True)
class Container:
    """A container on the host's own network, restarted with the engine.

    ``environment`` holds nothing secret, ``secrets`` names a file that does; ``volumes``: place on
    the host → in the container; ``reads``: the host's files that it reads when it starts.
    ``extra``: further options of the engine, ``arguments`` those of the image. Places on the host
    are absolute, or start with ``~/`` for the account's home.
    """

    name: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    secrets: str | None = None
    reads: Sequence[str] = ()
    extra: Sequence[str] = ()
    arguments: Sequence[str] = ()

    def options(self) -> list[str]:
        """The arguments of ``run`` after the name: options, the image, its arguments."""
        options = ["--net=host", "--restart=always", *self.extra]
        for name, value in self.environment.items():
            options += ["-e", f"{name}={value}"]
        if self.secrets is not None:
            options += ["--env-file", self.secrets]
        for outside, inside in {**self.volumes, "/etc/localtime": "/etc/localtime:ro"}.items():
            options += ["-v", f"{outside}:{inside}"]
        return [*options, "--label", f"{_LABEL}={self.made_from}", self.image, *self.arguments]

    @property
    def made_from(self) -> str:
        """Stays the same as long as it is described in the same way."""
        described = [
            self.image, dict(self.environment), dict(self.volumes), self.secrets,
            list(self.extra), list(self.arguments),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()


@dataclass(frozen=True)
class RunContainer(Step):
    """Have a container run as it is described."""

    engine: str
    container: Container

    def execute(self, lab: Lab) -> str:
        host, it = lab.host(self.host), self.container
        files = [*([it.secrets] if it.secrets else []), *it.reads]
        current = [_CURRENT, "sh", self.engine, it.name, it.made_from, *files]
        if host.run(["sh", "-c", *current], timeout=_ENGINE_S).ok:
            return "unchanged"
        make = ["sh", "-c", _MAKE, "sh", self.engine, it.name, *_at_home(host, it.options())]
        host.run(make, timeout=_ENGINE_S).check(advice=f"see {self.engine} logs {it.name}")
        return "done"

    def describe(self) -> str:
        argv = [self.engine, "run", "-d", "--name", self.container.name]
        return shlex.join([*argv, *self.container.options()])


def _at_home(host: Host, options: list[str]) -> list[str]:
    """``options`` with ``~/`` as the account's home: an engine takes absolute places only."""
    if not any(option.startswith("~/") for option in options):
        return options
    home = host.check(["pwd"]).strip()
    return [f"{home}/{o[2:]}" if o.startswith("~/") else o for o in options]


def pull(engine: str, host: str, image: str) -> Command:
    """Bring an image, unless the host has it."""
    return Command(
        f"pull {image}",
        host,
        [engine, "pull", image],
        unless=[engine, "image", "inspect", image],
        timeout=PULL_S,
    )


def remove(engine: str, host: str, name: str) -> Command:
    """Remove a container, if it is there; what it keeps on the host stays."""
    return Command(
        f"remove {name}", host, ["sh", "-c", _GONE, "sh", engine, name], timeout=_ENGINE_S
    )


def private_directory(host: str, path: str) -> Command:
    """A directory for secrets, which the account alone may enter."""
    return Command(
        "keep its secrets to itself",
        host,
        ["install", "-d", "-m", "700", path],
        unless=["sh", "-c", '[ "$(stat -c %a "$1")" = 700 ]', "sh", path],
    )


def environment_file(values: Mapping[str, str]) -> bytes:
    """An environment file's content, which has a line for each value and no quoting."""
    for name, value in values.items():
        if "\n" in value or value != value.strip():
            raise ConfigError(f"{name} has a line break or outer blanks: no file can carry it")
    return "".join(f"{name}={value}\n" for name, value in values.items()).encode()
