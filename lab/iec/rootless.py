"""What a machine must allow and have so that a cluster can run there without root.

The cluster enters namespaces of its own by `ENTER`; `lacking` tries just that, and what Felix and
the node agent then need: its programs, filters with connection tracking, sets, bridges, tunnels.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from lab import debian

#: A user namespace in which we are root; all else belongs to it. The first process there is
#: killed when the one that waits for it is, and takes all others with it (pid_namespaces(7)).
ENTER = (
    "unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--uts",
    "--fork", "--kill-child=KILL", "--mount-proc",
)  # fmt: skip

#: Where programs are looked for: an ordinary account's PATH often leaves out what is in sbin.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: command → the Debian package that has it
_COMMANDS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "iptables-nft-save": "iptables",
    "iptables-nft-restore": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
}

#: iptables takes a protocol's name from here; without it Felix ends at each named port.
PROTOCOLS = Path("/etc/protocols")

_TRIAL = """
mount -t tmpfs tmpfs /run && mkdir /run/lock &&
ip link add trial0 type bridge && ip link add trial1 type veth peer name trial2 &&
ip link add trial3 type vxlan id 5 dstport 4789 local 127.0.0.1 &&
ipset create trial hash:net && echo 1 >/proc/sys/net/ipv4/ip_forward &&
iptables-nft -A FORWARD -m set --match-set trial src -m conntrack --ctstate NEW -j ACCEPT
"""
_TRIAL_TIMEOUT_S = 15.0


@cache
def lacking() -> str | None:
    """What this machine lacks for a cluster without root, and what to do; None when nothing."""
    packages = debian.lacking(_COMMANDS, path=PATH)
    if not PROTOCOLS.exists():
        packages.add("netbase")
    if packages:
        return f"the embedded cluster needs {debian.told(packages)}"
    try:
        tried = subprocess.run(
            [*ENTER, "sh", "-c", _TRIAL],
            env={"PATH": PATH},
            capture_output=True,
            text=True,
            timeout=_TRIAL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the embedded cluster lives in a user namespace, which cannot be tried: {error}"
    if tried.returncode != 0:
        words = tried.stderr.strip().splitlines() or [f"status {tried.returncode}"]
        return (
            f"the embedded cluster lives in a user namespace with networks of its own, which this "
            f"machine refuses ({words[-1]}): allow it (sysctl user.max_user_namespaces, "
            "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or "
            "run outside a container"
        )
    return None
