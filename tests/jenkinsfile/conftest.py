"""An agent with Groovy on it. ``./iec4`` is a stand-in unless a test says else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import ToolMissing
from tests.jenkinsfile.groovy import groovy_jar
from tests.jenkinsfile.runner import Agent, compile_runner

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


@pytest.fixture(scope="session")
def classpath(tmp_path_factory: pytest.TempPathFactory) -> str:
    try:
        groovy = groovy_jar()
    except ToolMissing as missing:
        pytest.skip(str(missing))
    return compile_runner(groovy, tmp_path_factory.mktemp("declarative"))


@pytest.fixture
def agent(classpath: str, tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path, classpath)
    script = agent.source / "iec4"
    script.write_text(STAND_IN)
    script.chmod(0o755)
    yield agent
    agent.close()
