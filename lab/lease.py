"""A lab is leased: one run at a time, and whoever comes second is told who holds it.

The lease is a file in the home of the suite's account on the lab's first host. All times
are that host's clock, so holders need not agree on theirs. Its states:

- absent: taken by ``ln``, which makes the name or fails, never both;
- live: its holder renews it well before it expires, by replacing the file;
- expired, or held for the very run for which it is asked again: its holder is dead. Whoever
  makes the directory ``lease.takeover-TOKEN`` alone may remove the lease of that token; both
  then go on as if it were absent.

``python3 -m lab.lease DIRECTORY`` holds one in a directory of this machine until it is
interrupted: by itself, that is what a run does to the lab that it works on.
"""

from __future__ import annotations

import argparse
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import HostError, LabError, LeaseHeld
from lab.host.base import Host
from lab.host.local import LocalHost
from lab.interruption import interruptible

if TYPE_CHECKING:
    from lab.session import Lab

#: What a host runs this module from (`lab.payload.python_runtime`).
MODULES = (
    "lab/__init__.py",
    "lab/errors.py",
    "lab/interruption.py",
    "lab/lease.py",
    "lab/secrets.py",
    "lab/host/__init__.py",
    "lab/host/base.py",
    "lab/host/forward.py",
    "lab/host/local.py",
    "lab/host/output.py",
)

#: A lease that was not renewed for so long belongs to a dead holder. Seconds.
TTL_S = 120.0
_TIMEOUT_S = 15.0
#: How often to try again when another contender was quicker.
_TRIES = 5

#: Where a lab's lease lies, from the account's home directory.
DIRECTORY = ".iec4"

# In every script $0 is the lease's directory.

#: Prints the host's time, then the lease as it stands (nothing when there is none).
_READ = 'date +%s; cat "$0/lease" 2>/dev/null || :'

#: $1 token, $2 content. Succeeds when the lease is ours now.
_TAKE = """
mkdir -p "$0" && printf %s "$2" >"$0/lease.$1" || exit 2
ln "$0/lease.$1" "$0/lease" 2>/dev/null
status=$?
rm -f "$0/lease.$1"
exit "$status"
"""

#: $1 the expired lease's token. The takeover directory stays: its token never comes again.
_REMOVE_EXPIRED = """
mkdir "$0/lease.takeover-$1" 2>/dev/null || exit 0
if grep -qF "$1" "$0/lease"; then rm -f "$0/lease"; fi
"""

#: $1 token, $2 the host's time at which it expires, $3 new content; fails when it is lost.
_RENEW = """
grep -qF "$1" "$0/lease" 2>/dev/null && [ "$(date +%s)" -lt "$2" ] || exit 1
printf %s "$3" >"$0/lease.$1" && mv -f "$0/lease.$1" "$0/lease"
"""

_RELEASE = 'if grep -qF "$1" "$0/lease" 2>/dev/null; then rm -f "$0/lease"; fi'


@dataclass(frozen=True)
class Place:
    """A directory on a host, where a lease lies."""

    host: Host
    directory: str = DIRECTORY

    def __str__(self) -> str:
        return f"{self.directory}/lease on {self.host.name}"

    def read(self) -> tuple[int, Record | None]:
        """The host's time, and the lease that is there. Raises `LabError` if it is damaged."""
        argv = ["sh", "-c", _READ, self.directory]
        now, _, text = self.host.check(argv, timeout=_TIMEOUT_S).partition("\n")
        if not text:
            return int(now), None
        try:
            return int(now), Record.read(text)
        except ValueError as error:
            raise LabError(
                f"the lease on {self.host.name} cannot be read",
                found=f"{text[:60]!r} in {self.directory}/lease",
                expected=str(error),
                advice=f"remove {self.directory}/lease from the account's home there if no run is "
                "under way",
            ) from None

    def script(self, script: str, *args: str) -> bool:
        return self.host.run(["sh", "-c", script, self.directory, *args], timeout=_TIMEOUT_S).ok


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

    @classmethod
    def read(cls, text: str) -> Record:
        """The record that a file's text says; raises `ValueError` with what it should be."""
        kinds = {field.name: int if field.type == "int" else str for field in fields(cls)}
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
            if isinstance(found, dict) and {k: type(v) for k, v in found.items()} == kinds:
                return cls(**found)
        raise ValueError(f"JSON with {', '.join(kinds)}")


class Lease:
    """A lease that is held; ``lost`` says why when it no longer is."""

    def __init__(self, place: Place, record: Record, ttl_s: float) -> None:
        self.lost: str | None = None
        self._place = place
        self._record = record
        self._ttl_s = ttl_s
        self._released = threading.Event()
        self._renewing = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._renewing.start()

    def _keep(self) -> None:
        while not self._released.wait(self._ttl_s / 4):
            try:
                now, found = self._place.read()
                record = Record(**{**asdict(self._record), "expires": now + round(self._ttl_s)})
                renewed = self._place.script(
                    _RENEW, record.token, str(self._record.expires), record.json
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
            self._place.script(_RELEASE, self._record.token)
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

    ``run`` names what one process at a time may work on: a lease in its name is of a process
    that was killed, and is taken over. ``beside``: the directory to keep the lease in when the
    lab has no host that can be reached at all (every system adopted). Raises `LeaseHeld` when
    another run holds it, and the `HostError` of its first host when that cannot be used.
    """
    place = Place(_keeper(lab, beside))
    with hold(place, f"lab {lab.inventory.name}", holder=holder, run=run, ttl_s=ttl_s) as held:
        yield held


@contextmanager
def hold(
    place: Place, what: str, *, holder: str, run: str = "", ttl_s: float = TTL_S
) -> Iterator[Lease]:
    """Hold the lease at ``place`` for the duration of the context; raises as `lease` does."""
    held = Lease(place, _take(place, what, holder, run, ttl_s), ttl_s)
    try:
        yield held
    finally:
        held.release()


def _keeper(lab: Lab, beside: Path | None) -> Host:
    first = next(iter(lab.inventory.hosts), None)
    if first is not None:
        return lab.host(first)
    return LocalHost(home=beside or Path.cwd())


def _take(place: Place, what: str, holder: str, run: str, ttl_s: float) -> Record:
    for _ in range(_TRIES):
        now, found = place.read()
        if found is not None and found.expires > now and not (run and found.run == run):
            raise LeaseHeld(
                f"{what} is in use",
                found=_who(found),
                expected="nobody",
                advice=f"wait for its end; if that run is dead, its lease ends by itself "
                f"{found.expires - now} s from now",
            )
        if found is not None:
            place.script(_REMOVE_EXPIRED, found.token)
        record = Record(holder, run, secrets.token_hex(8), now, now + round(ttl_s))
        if place.script(_TAKE, record.token, record.json):
            return record
    raise LeaseHeld(
        f"{what} could not be leased",
        found=f"another was quicker {_TRIES} times, or {place} cannot be replaced",
        advice="try again; if no run is under way, remove it",
    )


def _why_lost(found: Record | None, token: str) -> str:
    if found is None:
        return "the lease was removed"
    return "it was not renewed in time" if found.token == token else _who(found)


def _who(record: Record) -> str:
    since = datetime.fromtimestamp(record.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    run = f" ({record.run})" if record.run else ""
    return f"held by {record.holder}{run} since {since}"


def main() -> None:
    """Hold a lease in a directory of this machine until interrupted."""
    arguments = argparse.ArgumentParser(prog="python3 -m lab.lease", description=main.__doc__)
    arguments.add_argument("directory", help="where the lease lies")
    arguments.add_argument("--holder", required=True, help="in whose name")
    arguments.add_argument("--seconds", type=float, default=TTL_S, help="how long, at most")
    given = arguments.parse_args()
    place = Place(LocalHost(home=Path.cwd()), given.directory)
    with interruptible(), hold(place, given.directory, holder=given.holder):
        threading.Event().wait(given.seconds)


if __name__ == "__main__":
    main()
