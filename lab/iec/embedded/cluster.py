"""The embedded cluster, seen from outside: its address, and the door into its namespaces.

    python3 -m lab.iec.embedded.cluster --home DIRECTORY --logs DIRECTORY --listen HOST:PORT \
        --node NAME...

The home has the programs in ``bin``. No root is needed: what enters the new user namespace is
root there alone. Once it is up there is ``admin.conf`` in the home, and ``up``: its process id.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys

from lab.iec.rootless import ENTER

_BACKLOG = 128


def main() -> None:
    parser = argparse.ArgumentParser(description="an embedded Kubernetes cluster with Calico")
    parser.add_argument("--home", required=True)
    parser.add_argument("--logs", required=True)
    parser.add_argument("--listen", required=True, help="HOST:PORT that clients use")
    parser.add_argument("--node", required=True, action="append", help="a node's name")
    arguments = parser.parse_args()
    address, _, port = arguments.listen.rpartition(":")
    listening = socket.create_server((address, int(port)), backlog=_BACKLOG)
    listening.set_inheritable(True)
    inside = [sys.executable, "-m", "lab.iec.embedded.inside", arguments.home, arguments.logs]
    argv = [*ENTER, *inside, address, str(listening.fileno()), str(os.getpid()), *arguments.node]
    os.execvp(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main()
