"""A lab's time server: it tells this machine's clock to the lab's network, and never sets it."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.deep.inside import DIES_WITH_US

#: Its own stratum: far from a reference clock, as nobody knows what disciplines this machine's.
STRATUM = 8
_DIRECTORY = "time"
_TIMEOUT_S = 15.0


def start(
    state: Path,
    within: Sequence[str],
    network: ipaddress.IPv4Network,
    address: ipaddress.IPv4Address,
) -> None:
    """Start chronyd at ``address``; ``within`` enters the network namespace of the bridge."""
    ip = ["ip", "address", "add", f"{address}/{network.prefixlen}", "dev", "lab"]
    subprocess.run([*within, *ip], check=True, timeout=_TIMEOUT_S)
    place = state / _DIRECTORY
    place.mkdir()
    lines = [
        f"local stratum {STRATUM}",
        f"allow {network}",
        f"bindaddress {address}",
        "cmdport 0",
        "bindcmdaddress /",
        f"pidfile {place}/pid",
    ]
    (place / "chrony.conf").write_text("".join(f"{line}\n" for line in lines))
    argv = ["chronyd", "-x", "-d", "-u", "root", "-f", str(place / "chrony.conf")]
    subprocess.Popen([*DIES_WITH_US, *within, *argv], stdin=subprocess.DEVNULL)
