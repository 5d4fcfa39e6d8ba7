"""What a virtual machine is given at boot: its name, its address, keys and accounts of the lab's.

A tar file that QEMU hands to the machine's firmware (fw_cfg); ``debian/root`` has the service
that unpacks it, ``debian/setup.sh`` is what it runs then.
"""

from __future__ import annotations

import io
import json
import shlex
import tarfile
from collections.abc import Mapping
from pathlib import Path

_SETUP = Path(__file__).with_name("debian") / "setup.sh"
#: What both kinds of machines of a deep lab have.
_ETC = Path(__file__).with_name("etc")
#: Where its SSH server listens: Lynis' maturity wants another port than the usual one.
PORT = 2022
#: What that wants of sshd beyond what all machines have; of an option the first value counts.
_SSHD = f"""Port {PORT}
AllowTcpForwarding no
Compression no
MaxSessions 2
TCPKeepAlive no
AuthorizedKeysFile /etc/ssh/keys/%u
"""


def write(
    place: Path,
    *,
    name: str,
    address: str,
    time_server: str,
    host_key: str,
    accounts: Mapping[str, str],
) -> None:
    """Write the file. ``address`` has its prefix's length; ``accounts``: name → public key."""
    own, _, _ = address.partition("/")
    facts = {"NAME": name, "ADDRESS": address, "ACCOUNTS": " ".join(accounts)}
    sshd = (_ETC / "ssh" / "sshd_config").read_text()
    files = {
        "run/iec4/machine": "".join(f"{key}={shlex.quote(text)}\n" for key, text in facts.items()),
        "run/iec4/setup.sh": _SETUP.read_text(),
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{own} {name}\n",
        "etc/ssh/ssh_host_ed25519_key": host_key,
        "etc/ssh/sshd_config": _SSHD + sshd,
        "etc/chrony/conf.d/iec4.conf": _TIME.format(server=time_server),
        "var/lib/vuls/report.json": json.dumps(_VULS | {"serverName": name}),
        **{f"etc/ssh/keys/{account}": f"{key}\n" for account, key in accounts.items()},
    }
    for file in sorted(_ETC.rglob("*")):
        if file.is_file():
            files.setdefault(f"etc/{file.relative_to(_ETC)}", file.read_text())
    place.touch(mode=0o600)
    with tarfile.open(place, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content.encode())
            member.mode = _mode(path)
            archive.addfile(member, io.BytesIO(content.encode()))


#: The first answers come within a second, and a step puts the clock right at once.
_TIME = "server {server} iburst minpoll 2 maxpoll 4\nmakestep 0.1 3\n"


#: A report in the form of Vuls', for the suite's own judgement to be proven on.
_VULS = {
    "jsonVersion": 4,
    "family": "debian",
    "release": "12",
    "scannedBy": "iec4, embedded: nothing was looked up",
    "scannedCves": {},
    "errors": [],
}


def _mode(path: str) -> int:
    if path.startswith("etc/sudoers"):
        return 0o440
    return 0o600 if path.endswith(("_key", "/sshd_config")) else 0o644
