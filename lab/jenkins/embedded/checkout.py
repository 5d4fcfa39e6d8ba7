"""Fetching source code with git: a job's, on its node, and a pipeline's Jenkinsfile."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
from pathlib import Path
from xml.etree.ElementTree import Element

from lab.jenkins.embedded.building import BuildFailed, Running
from lab.jenkins.embedded.console import Console

_FETCH_S = 60.0
_SCRIPT = """#!/bin/sh -e
git init -q .
git fetch -q --force -- {url} '+refs/heads/*:refs/remotes/origin/*'
git checkout -q -f {branch}
echo "Checking out Revision $(git rev-parse HEAD) ({branch})"
"""


async def checkout(build: Running, scm: Element | None) -> bool:
    """Bring the workspace to the branch that ``scm`` names; whether that worked.

    Every source but git is passed over, as NullSCM is. Raises `nodes.NodeDown`.
    """
    if scm is None or scm.get("class") != "hudson.plugins.git.GitSCM":
        return True
    url, name = _place(scm)
    branch = f"refs/remotes/origin/{name}"
    build.console.line(f"Fetching upstream changes from {url}")
    script = _SCRIPT.format(url=shlex.quote(url), branch=shlex.quote(branch))
    return await build.step(script) == 0


async def jenkinsfile(job: Element, log: Console) -> str:
    """The text of a pipeline job's Jenkinsfile, from its definition or its repository.

    Raises `BuildFailed` when there is none.
    """
    definition = job.find("definition")
    if definition is None:
        raise BuildFailed("the job has no definition")
    script = definition.findtext("script")
    if script is not None:
        return script
    scm = definition.find("scm")
    if scm is None:
        raise BuildFailed("the job has neither a script nor a repository")
    path = definition.findtext("scriptPath") or "Jenkinsfile"
    url, branch = _place(scm)
    with tempfile.TemporaryDirectory(prefix="jenkins-") as scratch:
        await _git(scratch, "init", "-q", ".")
        await _git(scratch, "fetch", "-q", "--depth", "1", "--", url, branch)
        try:
            text = await _git(scratch, "show", f"FETCH_HEAD:{path}")
        except BuildFailed:
            raise BuildFailed(f"Unable to find {path} from git {url}") from None
    log.line(f"Obtained {path} from git {url}")
    return text


def _place(scm: Element) -> tuple[str, str]:
    """Repository and branch."""
    url = scm.findtext("userRemoteConfigs/*/url") or ""
    named = scm.findtext("branches/*/name") or "master"
    return url, named.removeprefix("*/").removeprefix("origin/")


async def _git(directory: str, *argv: str) -> str:
    """Run git on the controller; returns its output. Raises `BuildFailed`."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *argv,
        cwd=Path(directory),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _FETCH_S)
    except BaseException as error:
        process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise BuildFailed(f"git {argv[0]} did not end within {_FETCH_S:g} s") from None
        raise
    if process.returncode != 0:
        raise BuildFailed(f"git {argv[0]}: {errors.decode(errors='replace').strip()}")
    return output.decode(errors="replace")
