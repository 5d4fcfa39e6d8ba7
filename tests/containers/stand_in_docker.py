#!/usr/bin/env python3
"""Stands in for docker on a loopback host: it records each argv, and runs programs for images.

In ``~/docker``: ``argv`` has a JSON list a line, ``programs`` says what an image's container
runs, ``images`` has what was pulled, ``containers/NAME`` what was made of ``run``.
"""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

HOME = Path.home() / "docker"
CONTAINERS = HOME / "containers"
#: What `run` is given with a value after it.
WITH_VALUE = {"--name", "-e", "--env-file", "-v", "--label", "--ulimit"}
STATE = '{{.State.Running}} {{index .Config.Labels "iec4.made-from"}}'


def fail(text: str) -> None:
    sys.exit(f"Error: {text}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def container(name: str) -> dict[str, Any]:
    file = CONTAINERS / name
    if not file.exists():
        fail(f"No such object: {name}")
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def run(arguments: list[str]) -> None:
    given: dict[str, list[str]] = {}
    while arguments[0].startswith("-"):
        option = arguments.pop(0)
        given.setdefault(option, []).append(arguments.pop(0) if option in WITH_VALUE else "")
    image = arguments[0]  # what comes after it is the image's own
    if image not in json.loads((HOME / "images").read_text()):
        fail(f"Unable to find image {image!r} locally")
    [name] = given["--name"]
    for volume in given.get("-v", []):
        if not volume.startswith("/"):
            fail(
                f"{volume.partition(':')[0]!r} includes invalid characters for a local volume name"
            )
    if (CONTAINERS / name).exists():
        fail(f"Conflict. The container name {name!r} is already in use")
    environment = dict(pair.split("=", 1) for pair in given.get("-e", []))
    for file in given.get("--env-file", []):
        environment |= dict(line.split("=", 1) for line in Path(file).read_text().splitlines())
    program = json.loads((HOME / "programs").read_text())[image]
    with (HOME / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            program["argv"],
            env={**os.environ, **environment, **program["environment"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    CONTAINERS.mkdir(exist_ok=True)
    made = {
        "pid": process.pid,
        "label": given["--label"][0].partition("=")[2],
        "created": datetime.datetime.now(datetime.UTC).isoformat(),
        "environment": environment,
    }
    (CONTAINERS / name).write_text(json.dumps(made))
    say(name)


def main() -> None:
    HOME.mkdir(exist_ok=True)
    with (HOME / "argv").open("a") as argv:
        argv.write(json.dumps(sys.argv[1:]) + "\n")
    images = HOME / "images"
    there = json.loads(images.read_text()) if images.exists() else []
    match sys.argv[1:]:
        case ["version", "--format", "{{.Server.Version}}"]:
            say("29.1.0")
        case ["image", "inspect", image]:
            if image not in there:
                fail(f"No such image: {image}")
        case ["pull", image]:
            images.write_text(json.dumps([*there, image]))
        case ["inspect", "-f", form, name] if form == STATE:
            running = Path(f"/proc/{container(name)['pid']}").exists()
            say(f"{str(running).lower()} {container(name)['label']}")
        case ["inspect", "-f", "{{.Created}}", name]:
            say(container(name)["created"])
        case ["inspect", name]:
            say(json.dumps(container(name)))
        case ["rm", "-f", name]:
            with suppress(ProcessLookupError):
                os.killpg(container(name)["pid"], signal.SIGKILL)
            (CONTAINERS / name).unlink()
        case ["run", "-d", *arguments]:
            run(arguments)
        case _:
            fail(f"docker does not know {sys.argv[1:]}")


if __name__ == "__main__":
    main()
