"""A Jenkins with Groovy. ``./iec4`` is a stand-in unless a test says else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jenkins_double.running import Master, running_master, with_groovy
from tests.jenkinsfile.agent import Agent

#: Writes down how it was called, and whether its lab lives. ``fails`` and ``blocks``, files
#: beside it, name commands that do.
STAND_IN = r"""#!/bin/sh
lab=; if kill -0 "$(cat lab.pid 2>/dev/null)" 2>/dev/null; then lab=' lab'; fi
{ printf '%s|' "$@"; echo "$lab"; } >>calls
case "$1" in
"$(cat fails 2>/dev/null)") exit 1 ;;
"$(cat blocks 2>/dev/null)")
    trap 'echo stopped >>calls; exit 143' TERM
    : >ready; sleep 100 & wait ;;
esac
case "$1 $2" in
"lab up") setsid sleep 100 & echo $! >lab.pid ;;
"report --run") mkdir -p "$3"; echo '<testsuite><testcase/></testsuite>' >"$3/junit.xml" ;;
esac
"""


@pytest.fixture(scope="module")
def jenkins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    options = with_groovy()
    with running_master(tmp_path_factory.mktemp("jenkins"), "--labels", "iec4", *options) as master:
        yield master


@pytest.fixture
def agent(jenkins: Master, tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(jenkins, tmp_path, f"job-{len(jenkins.get('/api/json')['jobs'])}")
    script = agent.source / "iec4"
    script.write_text(STAND_IN)
    script.chmod(0o755)
    yield agent
    agent.close()
