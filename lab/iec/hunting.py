"""A hunt through a cluster by kube-hunter, from this machine, as nobody.

It looks at well-known ports of the hosts that the cluster is on and tries what is open there
without a name; nothing is changed (its active hunters are left off). It runs in an environment of
its own: it needs a setuptools with pkg_resources, and what the suite's own lock has not. Its
requirement netifaces, which would have to be compiled, is stood in for by netifaces2, and
dataclasses left out, by these two lines of ``uv pip compile --override``::

    netifaces ; python_version < '3'
    dataclasses ; python_version < '3'
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from blueprints.documents import parse_json
from blueprints.errors import Unacceptable
from lab.environments import virtual_environment
from lab.errors import LabError, ToolMissing
from lab.iec.client import ENDPOINT, SYSTEM
from lab.session import Lab

REQUIREMENTS = Path(__file__).with_name("kube-hunter.txt")
#: Ports on which kube-hunter 0.6.8 takes what answers for an API server.
API_PORTS = (443, 6443, 8080)
#: For a hunt, and for one connection of it (s).
TIMEOUT_S = 120.0
_NETWORK_S = 3
#: Beside each other; its own 800 threads are more than two cores can take.
_THREADS = 40
#: Roles whose hosts a cluster is on.
_ROLES = ("tars-master", "tars-agent")
#: What would make it trust or ask others than the hosts that it hunts on.
_MISLEADING = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_PROXIES = ("all_proxy", "http_proxy", "https_proxy", "no_proxy")


def targets(lab: Lab) -> list[str]:
    """The addresses to hunt on: the API server's, then those of the cluster's hosts.

    Raises `LabError` where kube-hunter would not look at the API server's port.
    """
    address, port = lab.address(SYSTEM, ENDPOINT)
    if port not in API_PORTS:
        raise LabError(
            "kube-hunter cannot find the API server",
            found=f"port {port}",
            expected=f"one of {', '.join(map(str, API_PORTS))}: it looks at no other",
        )
    hosts = [lab.inventory.hosts[name] for role in _ROLES for name in lab.inventory.with_role(role)]
    return list(dict.fromkeys([address, *(host.address for host in hosts if host.address)]))


def hunt(addresses: list[str]) -> bytes:
    """Hunt on ``addresses``; returns the report, in JSON.

    Raises `ToolMissing` when kube-hunter cannot be had, `LabError` when it leaves no report.
    """
    environment = virtual_environment(REQUIREMENTS)
    argv = [
        str(environment / "bin" / "python"), "-m", "kube_hunter", "--remote", *addresses,
        "--report", "json", "--log", "none", "--network-timeout", str(_NETWORK_S),
        "--num-worker-threads", str(_THREADS),
    ]  # fmt: skip
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _MISLEADING and name.lower() not in _PROXIES
    }
    try:
        done = subprocess.run(
            argv,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            "kube-hunter came to no end", found=f"{TIMEOUT_S:g} s", expected="a few seconds"
        ) from None
    except OSError as error:
        raise ToolMissing("kube-hunter cannot be started", found=str(error)) from None
    # Its report is the last line: what hunters print stands before it.
    report = done.stdout.strip().rpartition(b"\n")[2]
    try:
        parse_json(report)
    except Unacceptable as error:
        raise LabError(
            "kube-hunter left no report",
            found=f"status {done.returncode}, {error}",
            evidence=(done.stdout + done.stderr).decode(errors="replace")[-4000:],
        ) from None
    return report
