"""Fetching a job's source code with the node's git."""

from __future__ import annotations

import shlex
from xml.etree.ElementTree import Element

from lab.jenkins.embedded.building import Running

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
    url = scm.findtext("userRemoteConfigs/*/url") or ""
    named = scm.findtext("branches/*/name") or "master"
    branch = f"refs/remotes/origin/{named.removeprefix('*/').removeprefix('origin/')}"
    build.console.line(f"Fetching upstream changes from {url}")
    script = _SCRIPT.format(url=shlex.quote(url), branch=shlex.quote(branch))
    return await build.step(script) == 0
