"""Ends a build's processes with the build, and with the embedded Jenkins should it be killed.

    python3 -m lab.jenkins.embedded.keeper COOKIE

Waits until its standard input closes, then ends every process that has the cookie in its
environment: what a build started, daemons too, unless they took it out (as Jenkins has it).
"""

from __future__ import annotations

import os
import sys

from lab.loopback.cleanup import end, environment, running

#: The environment variable by which Jenkins finds what a build has started.
COOKIE = "JENKINS_NODE_COOKIE"


def of_build(cookie: str) -> list[int]:
    """Pids of the processes of a build."""
    me = os.getpid()
    return [p.pid for p in running() if p.pid != me and environment(p.pid).get(COOKIE) == cookie]


def main() -> None:
    os.setsid()
    sys.stdin.buffer.read()
    end(lambda: of_build(sys.argv[1]))


if __name__ == "__main__":
    main()
