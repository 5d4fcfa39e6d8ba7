"""A lab is leased: one run at a time, and whoever comes second is told who holds it.

The lease is a file in the home of the suite's account on the lab's first host. All times
are that host's clock, so holders need not agree on theirs. Its states:

- absent: taken by ``ln``, which makes the name or fails, never both;
- live: its holder renews it well before it expires, by replacing the file;
- expired: its holder is dead. Whoever makes the directory ``lease.takeover-TOKEN`` alone
  may remove the lease of that token; both then go on as if it were absent.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from lab.errors import HostError, LabError, LeaseHeld
from lab.host.base import Host
from lab.host.local import LocalHost
from lab.session import Lab

#: A lease that was not renewed for so long belongs to a dead holder. Seconds.
TTL_S = 120.0
_TIMEOUT_S = 15.0
#: How often to try again when another contender was quicker.
_TRIES = 5

_DIRECTORY = ".iec4"
_FILE = f"{_DIRECTORY}/lease"

#: Prints the host's time, then the lease as it stands (nothing when there is none).
_READ = f"date +%s; cat {_FILE} 2>/dev/null || :"

#: $1 token, $2 content. Succeeds when the lease is ours now.
_TAKE = f"""
mkdir -p {_DIRECTORY} && printf %s "$2" >"{_FILE}.$1" || exit 2
ln "{_FILE}.$1" {_FILE} 2>/dev/null
status=$?
rm -f "{_FILE}.$1"
exit "$status"
"""

#: $1 the expired lease's token. The takeover directory stays: its token never comes again.
_REMOVE_EXPIRED = f"""
mkdir "{_FILE}.takeover-$1" 2>/dev/null || exit 0
if grep -qF "$1" {_FILE}; then rm -f {_FILE}; fi
"""

#: $1 token, $2 the host's time at which it expires, $3 new content; fails when it is lost.
_RENEW = f"""
grep -qF "$1" {_FILE} 2>/dev/null && [ "$(date +%s)" -lt "$2" ] || exit 1
printf %s "$3" >"{_FILE}.$1" && mv -f "{_FILE}.$1" {_FILE}
"""

_RELEASE = f'if grep -qF "$1" {_FILE} 2>/dev/null; then rm -f {_FILE}; fi'


@dataclass(frozen=True)
class Record:
    """What the lease's file says. Times in seconds since 1970 on the lab's first host."""

    holder: str
    run: str
    token: str
    since: int
    expires: int

    @property
    def json(self) -> str:
        return json.dumps(asdict(self))


class Lease:
    """A lease that is held; ``lost`` says why when it no longer is."""

    def __init__(self, host: Host, record: Record, ttl_s: float) -> None:
        self.lost: str | None = None
        self._host = host
        self._record = record
        self._ttl_s = ttl_s
        self._released = threading.Event()
        self._renewing = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._renewing.start()

    def _keep(self) -> None:
        while not self._released.wait(self._ttl_s / 4):
            try:
                now, found = _read(self._host)
                record = Record(**{**asdict(self._record), "expires": now + round(self._ttl_s)})
                renewed = _script(
                    self._host,
                    _RENEW,
                    record.token,
                    str(self._record.expires),
                    record.json,
                )
            except LabError:
                continue  # the host may come back before the lease expires
            if not renewed:
                self.lost = _why_lost(found, record.token)
                return
            self._record = record

    def release(self) -> None:
        """Give the lab back; a host that does not answer lets the lease expire instead."""
        self._released.set()
        self._renewing.join(_TIMEOUT_S)
        try:
            _script(self._host, _RELEASE, self._record.token)
        except HostError as error:
            self.lost = str(error)


@contextmanager
def lease(
    lab: Lab,
    *,
    holder: str,
    run: str = "",
    ttl_s: float = TTL_S,
    beside: Path | None = None,
) -> Iterator[Lease]:
    """Hold a lab for the duration of the context.

    ``beside``: the directory to keep the lease in when the lab has no host that can be
    reached at all (every system adopted). Raises `LeaseHeld` when another run holds it,
    and the `HostError` of its first host when that cannot be used.
    """
    host = _keeper(lab, beside)
    held = Lease(host, _take(host, holder, run, ttl_s, lab.inventory.name), ttl_s)
    try:
        yield held
    finally:
        held.release()


def _keeper(lab: Lab, beside: Path | None) -> Host:
    first = next(iter(lab.inventory.hosts), None)
    if first is not None:
        return lab.host(first)
    return LocalHost(home=beside or Path.cwd())


def _take(host: Host, holder: str, run: str, ttl_s: float, lab: str) -> Record:
    for _ in range(_TRIES):
        now, found = _read(host)
        if found is not None and found.expires > now:
            raise LeaseHeld(
                f"lab {lab} is in use",
                found=_who(found),
                expected="nobody",
                advice=f"wait for its end; if that run is dead, its lease ends by itself "
                f"{found.expires - now} s from now",
            )
        if found is not None:
            _script(host, _REMOVE_EXPIRED, found.token)
        record = Record(holder, run, secrets.token_hex(8), now, now + round(ttl_s))
        if _script(host, _TAKE, record.token, record.json):
            return record
    raise LeaseHeld(
        f"lab {lab} could not be leased",
        found=f"another was quicker {_TRIES} times, or {_FILE} on {host.name} cannot be replaced",
        advice=f"try again; if no run is under way, remove {_FILE} from the account's home there",
    )


def _read(host: Host) -> tuple[int, Record | None]:
    """The host's time, and the lease that is there."""
    now, _, text = host.check(["sh", "-c", _READ], timeout=_TIMEOUT_S).partition("\n")
    if not text:
        return int(now), None
    try:
        return int(now), Record(**json.loads(text))
    except (ValueError, TypeError):
        raise LabError(
            f"the lease on {host.name} cannot be read",
            found=f"{text[:60]!r} in {_FILE}",
            expected=f"JSON with {', '.join(field.name for field in fields(Record))}",
            advice=f"remove {_FILE} from the account's home there if no run is under way",
        ) from None


def _script(host: Host, script: str, *args: str) -> bool:
    return host.run(["sh", "-c", script, "sh", *args], timeout=_TIMEOUT_S).ok


def _why_lost(found: Record | None, token: str) -> str:
    if found is None:
        return "the lease was removed"
    return "it was not renewed in time" if found.token == token else _who(found)


def _who(record: Record) -> str:
    since = datetime.fromtimestamp(record.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    run = f" ({record.run})" if record.run else ""
    return f"held by {record.holder}{run} since {since}"
