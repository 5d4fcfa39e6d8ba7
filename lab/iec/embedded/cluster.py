"""The embedded cluster, seen from outside: its address, and the door into its namespaces.

    python3 -m lab.iec.embedded.cluster --home DIRECTORY --listen HOST:PORT --node NAME...

DIRECTORY has the programs in ``bin``. No root is needed: what enters the new user namespace is
root there alone. It says who it is in ``embedded``, and leaves ``admin.conf``, once it is up.
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
    parser.add_argument("--listen", required=True, help="HOST:PORT that clients use")
    parser.add_argument("--node", required=True, action="append", help="a node's name")
    arguments = parser.parse_args()
    address, _, port = arguments.listen.rpartition(":")
    listening = socket.create_server((address, int(port)), backlog=_BACKLOG)
    listening.set_inheritable(True)
    inside = [sys.executable, "-m", "lab.iec.embedded.inside", arguments.home, address]
    argv = [*ENTER, *inside, str(listening.fileno()), *arguments.node]
    os.execvp(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main()
