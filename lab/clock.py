"""Who disciplines a host's clock, and how well: what chrony, systemd-timesyncd or ntpd say of it.

Sources: chronyc(1), ``tracking`` as comma-separated values; timedatectl(1), ``timesync-status``;
ntpq(8), the system variables of association 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Asks whichever runs, as root; the first line names it, nothing when none does.
ASK = """
runs() { cat /proc/[0-9]*/comm 2>/dev/null | grep -qx "$1"; }
if runs chronyd; then echo chrony; LC_ALL=C chronyc -n -c tracking
elif runs systemd-timesyn; then echo timesyncd; LC_ALL=C timedatectl timesync-status
elif runs ntpd; then echo ntpd; LC_ALL=C ntpq -n -c 'rv 0 leap,stratum,refid,offset'
fi
"""

#: How chrony and ntpd call a clock that is its own reference.
_OWN = re.compile(r"^(127\.127\.\d+\.\d+|7F7F[0-9A-F]{4}|LOCAL|LOCL)?$")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_DURATION = re.compile(r"([+-]?)(?<![\d.])([\d.]+)\s*(min|ms|us|s)\b")


@dataclass(frozen=True)
class Discipline:
    """``source``: the server whose time it takes, empty for none but itself.

    ``offset_s``: how far the clock is from that server's, as the daemon measured it last.
    """

    daemon: str
    synchronized: bool
    source: str
    stratum: int
    offset_s: float


def read(text: str) -> Discipline | None:
    """What `ASK` printed; None when nothing disciplines the clock. Raises ValueError."""
    daemon, _, told = text.strip().partition("\n")
    if not daemon:
        return None
    try:
        return _READERS[daemon](told.strip())
    except (KeyError, IndexError, ValueError):
        raise ValueError(f"{daemon} says nothing of its clock: {told.strip()[:200]!r}") from None


def _chrony(told: str) -> Discipline:
    fields = told.split(",")
    source = "" if _OWN.match(fields[0]) else fields[1]
    # What is left to be corrected, and what the last measurement added to it.
    offset = max(float(fields[4]), float(fields[5]), key=abs)
    return Discipline("chrony", fields[13] != "Not synchronised", source, int(fields[2]), offset)


def _timesyncd(told: str) -> Discipline:
    fields = dict(re.findall(r"^[ \t]*([A-Z][\w ]*?):[ \t]*(.*)$", told, re.MULTILINE))
    if "Stratum" not in fields:  # no answer yet
        return Discipline("timesyncd", False, fields.get("Server", ""), 16, 0.0)
    return Discipline(
        "timesyncd",
        fields["Leap"] == "normal",
        fields["Server"].split()[0],
        int(fields["Stratum"]),
        _seconds(fields["Offset"]),
    )


def _seconds(text: str) -> float:
    """``+1min 2.5s`` or ``-316us``; the sign is that of all parts."""
    parts = _DURATION.findall(text)
    if not parts:
        raise ValueError(text)
    sum_s = sum(float(number) * _SECONDS[unit] for _, number, unit in parts)
    return -sum_s if parts[0][0] == "-" else sum_s


def _ntpd(told: str) -> Discipline:
    fields = dict(re.findall(r"\b(\w+)=\"?([^,\"\s]*)", told))
    source = "" if _OWN.match(fields["refid"]) else fields["refid"]
    return Discipline(
        "ntpd",
        fields["leap"] not in ("11", "3"),
        source,
        int(fields["stratum"]),
        float(fields["offset"]) / 1000,
    )


_READERS = {"chrony": _chrony, "timesyncd": _timesyncd, "ntpd": _ntpd}
