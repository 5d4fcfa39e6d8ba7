"""The process that knows what a declarative Jenkinsfile means, and what is said to it.

``declarative/`` (Groovy) has the semantics: sections and their order, conditions, environment,
time-outs, results, ``post``. Whatever touches the world it asks of its host, `pipeline`, in
JSON objects, one a line, on its standard output; the answers come on its standard input.

First it is told what to execute::

    {"jenkinsfile": TEXT, "params": {NAME: VALUE}, "env": {NAME: TEXT}, "source": BOOLEAN,
     "number": N, "startTimeInMillis": N}

``source``: whether the job has source code to check out. These are not answered::

    {"do": "say", "text": TEXT}     a line for the log
    {"do": "mark", "text": TEXT}    the same, behind "[Pipeline] "
    {"do": "end", "result": RESULT, "error": TEXT or null}     the last one

These are, each before anything else is said; the value is null unless said otherwise::

    {"do": "node", "label": LABEL}  take a node, "" is any → its variables, {NAME: TEXT}
    {"do": "leave"}                 give it back; always done, whatever has ended
    {"do": "checkout"}              bring the source code to it
    {"do": "sh", "script": TEXT, "env": {NAME: TEXT}}      → exit status
    {"do": "build", "job": NAME}    have another job built → {"number": N, "result": RESULT}
    {"do": "archive", "artifacts": PATTERN, "excludes": PATTERN, "allowEmpty": BOOLEAN}
    {"do": "junit", "results": PATTERN, "allowEmpty": BOOLEAN}

``"within": SECONDS`` in one of these says when it is to be ended. The answers::

    {"value": …, "result": RESULT}  done; what the build's result has come to by it
    {"failed": WHY}
    {"timedOut": true}              ``within`` was over; what ran has been ended
    {"stopped": true}               so it was by a person's stop, which counts once
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from lab.jenkins.embedded.building import BuildFailed

#: Quick to start rather than quick in the long run.
_JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m")
#: How long it may take from an answer to its next message, and to start, seconds.
_THINKING_S = 60.0
_LONGEST_LINE = 16 * 1024 * 1024

MISSING = (
    "pipeline jobs need Java and Groovy, and this Jenkins (embedded) was deployed without: "
    "install them (on Debian: apt install default-jre-headless maven), "
    "run ./iec4 jobs groovy, and deploy it again"
)


class Groovy:
    """One build's process; see `started`."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self._process = process
        self._errors = errors

    async def tell(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None, "it was started with a pipe"
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        with suppress(ConnectionError):  # then `hear` says how it ended
            await self._process.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        """Its next message. Raises `BuildFailed` when it says no more."""
        assert self._process.stdout is not None, "it was started with a pipe"
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), _THINKING_S)
        except TimeoutError:
            raise BuildFailed(f"the Jenkinsfile computes for more than {_THINKING_S:g} s") from None
        if not line:
            said = self._errors.read_text(errors="replace").strip()
            raise BuildFailed(f"Groovy has ended without a result: {said or 'it said nothing'}")
        message: dict[str, Any] = json.loads(line)
        return message


@asynccontextmanager
async def started(classpath: str, errors: Path) -> AsyncIterator[Groovy]:
    """Start one, and end it; ``errors``: a file for what it says besides.

    ``classpath``: Groovy, and ``declarative/`` compiled. Raises `BuildFailed` where they were
    not brought, or there is no Java.
    """
    there = all(Path(place).exists() for place in classpath.split(":"))
    if not classpath or not there or shutil.which("java") is None:
        raise BuildFailed(MISSING)
    with errors.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_JAVA,
            "-cp",
            classpath,
            "Execute",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=_LONGEST_LINE,
        )
    try:
        yield Groovy(process, errors)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()
