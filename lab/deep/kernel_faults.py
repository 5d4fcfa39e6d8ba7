"""What can go wrong with a deep lab's virtual machine, whose kernel and clock are its own."""

from __future__ import annotations

from lab.deep.act import Act
from lab.faultflags import Fault

#: The role of the virtual machine.
_ROLES = ("student",)

_CHRONY = "/etc/chrony/conf.d/iec4.conf"
_DEBIANS = "/etc/chrony/chrony.conf"
_BARRED = "/etc/modprobe.d/barred.conf"
_REPORT = "/var/lib/vuls/report.json"
_GRAVE = (
    '{"family": "debian", "release": "12", "scannedCves": {"CVE-2021-44228": '
    '{"cveContents": {"nvd": [{"cvss3Score": 10}]}}}}'
)


def _until_told(pattern: str) -> str:
    """Waits until what chrony tells of its clock, by commas, is so."""
    return f"\nuntil chronyc -n -c tracking | grep -Eq '{pattern}'; do sleep 0.2; done"


_AGAIN = "systemctl restart chrony"
_SYNCHRONIZED = _until_told(",Normal$")

#: What is left to be corrected is seconds; it and what the last measurement found are little.
_OFF = r"^([^,]*,){4}-?[23]\..*,Normal$"
_RIGHT = r"^([^,]*,){4}-?0\.0[^,]*,-?0\.0.*,Normal$"

#: name → what it does, in words and in deed
_OWN = {
    "os.clock-undisciplined": (
        "nothing keeps the host's clock right",
        Act((), "systemctl stop chrony", f"systemctl start chrony{_SYNCHRONIZED}"),
    ),
    "os.clock-alone": (
        "the host takes its own clock for the time",
        Act(
            (_CHRONY,),
            f"echo local >{_CHRONY}\n{_AGAIN}{_until_told('^7F7F')}",
            f"{_AGAIN}{_SYNCHRONIZED}",
        ),
    ),
    "os.clock-drifted": (
        "the host's clock is three seconds ahead of its time server's",
        # Slowly corrected, as if the daemon could not: it steps no more, and hardly slews.
        Act(
            (_CHRONY, _DEBIANS),
            f"sed -i /^makestep/d {_CHRONY} {_DEBIANS}\n"
            f"echo maxslewrate 100 >>{_CHRONY}\n"
            f"date --set '+3 seconds' >/run/set\n{_AGAIN}{_until_told(_OFF)}",
            f"{_AGAIN}{_until_told(_RIGHT)}",
        ),
    ),
    "os.module-barred": (
        "a kernel module that Calico needs may not be loaded",
        Act((_BARRED,), f"echo install ipip /bin/false >{_BARRED}"),
    ),
    "os.cores-dumped": (
        "what runs with another's rights on the host dumps its memory",
        Act((), "sysctl -qw fs.suid_dumpable=2", "sysctl -qw fs.suid_dumpable=0"),
    ),
    "os.link-slow": (
        "the host's network interface runs at 100 Mbit/s",
        Act(
            (),
            "ethtool -s eth0 speed 100 duplex full",
            "ethtool -s eth0 speed 10000 duplex full",
        ),
    ),
    "os.vulnerable": (
        "Vuls reports a grave vulnerability of the host",
        Act((_REPORT,), f"echo '{_GRAVE}' >{_REPORT}"),
    ),
}

KERNEL_FAULTS = tuple(Fault(name, _ROLES, words) for name, (words, _) in _OWN.items())
#: name → what is done to the machine.
KERNEL_ACTS = {name: act for name, (_, act) in _OWN.items()}
