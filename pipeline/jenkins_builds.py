"""Triggers and follows builds for ``./iec4 jobs``; each function returns an exit code."""

from __future__ import annotations

import sys

from blueprints.errors import ConfigError
from lab import secrets
from lab.jenkins.access import Access, job_path
from lab.jenkins.client import Client
from lab.jenkins.following import Build, Cancelled, Follower
from lab.jenkins.triggering import Asked, Request, look_up, prepare
from lab.jenkins.triggering import trigger as ask

#: Exit codes by Jenkins' results, in the words of README's table: what was aborted could not be
#: judged, what was not built or was cancelled did not run.
EXIT_CODES = {"SUCCESS": 0, "UNSTABLE": 1, "FAILURE": 1, "ABORTED": 3, "NOT_BUILT": 4}
CANCELLED = 4
#: Seconds that Jenkins may be away while a build is followed: a restart with new plugins.
AWAY_S = 1800.0
INTERRUPTED = 130


def tell(sentence: str) -> None:
    """To the person, beside the build's log."""
    print(secrets.redactor.text(f"iec4: {sentence}"), file=sys.stderr, flush=True)


def show(lines: str) -> None:
    """The build's log as it comes."""
    print(secrets.redactor.text(lines), end="", flush=True)


def values(plain: list[str], secret: list[str]) -> dict[str, str]:
    """Parameters of ``NAME=VALUE`` and ``NAME=REFERENCE`` words; raises `ConfigError`."""
    found: dict[str, str] = {}
    for word in (*plain, *secret):
        name, equals, _ = word.partition("=")
        if not (name and equals):
            raise ConfigError("a parameter is NAME=VALUE, a secret one NAME=env:VARIABLE")
        if name in found:
            raise ConfigError(f"parameter {name} is given twice")
        found[name] = word
    texts = {name: word.partition("=")[2] for name, word in found.items()}
    references = {word.partition("=")[0] for word in secret}
    return {n: secrets.resolve(t) if n in references else t for n, t in texts.items()}


def trigger(
    access: Access,
    job: str,
    given: dict[str, str],
    *,
    wait: bool,
    stop_on_interrupt: bool,
    timeout: float,
    dry_run: bool,
) -> int:
    """Ask for a build; with ``wait`` follow it, its result is the exit code."""
    client = Client(access, notice=tell, patience=min(AWAY_S, timeout))
    request = prepare(client, job, given)
    if dry_run:
        print(f"POST {access.base}{request.path} with {', '.join(given) or 'no parameters'}")
        return 0
    follower = Follower(client, log=show, notice=tell, timeout=timeout)
    following = _Following(follower, job)
    try:
        following.asked = ask(client, request)
        tell(_asked(following.asked))
        return following.to_the_end() if wait else 0
    except KeyboardInterrupt:
        if stop_on_interrupt and following.asked is None:
            following.asked = _in_flight(client, request)
        return following.interrupted(stop=stop_on_interrupt)


def watch(
    access: Access, job: str, number: int | None, *, stop_on_interrupt: bool, timeout: float
) -> int:
    """Follow a build that was triggered by whomever; the last one unless ``number`` is given."""
    client = Client(access, notice=tell, patience=min(AWAY_S, timeout))
    if number is None:
        number = int(client.json(f"{job_path(job)}lastBuild/", tree="number")["number"])
    follower = Follower(client, log=show, notice=tell, timeout=timeout)
    following = _Following(follower, job)
    following.asked = Asked(job, number=number)
    try:
        return following.to_the_end()
    except KeyboardInterrupt:
        return following.interrupted(stop=stop_on_interrupt)


class _Following:
    """How far a build that was asked for has come."""

    def __init__(self, follower: Follower, job: str) -> None:
        self.asked: Asked | None = None
        self._follower = follower
        self._job = job
        self._build: Build | None = None

    def to_the_end(self) -> int:
        if self.asked is None:
            raise ValueError("nothing was asked for")
        try:
            self._build = self._follower.build_of(self.asked)
        except Cancelled as cancelled:
            tell(str(cancelled))
            return CANCELLED
        tell(f"{self._build} runs")
        result = self._follower.result_of(self._build)
        tell(f"{self._build}: {result}")
        return EXIT_CODES.get(result, 3)

    def interrupted(self, *, stop: bool) -> int:
        if self.asked is None:
            tell("interrupted before Jenkins was asked")
        elif stop:
            tell(f"interrupted; stopping {self._build or self._job}")
            tell(f"{self._build or self._job}: {self._follower.stop(self.asked, self._build)}")
        else:
            tell(f"interrupted; {self._build or self._job} goes on (./iec4 jobs watch)")
        return INTERRUPTED


def _in_flight(client: Client, request: Request) -> Asked | None:
    """What came of a request that was interrupted before it was answered."""
    tell("interrupted while Jenkins was asked; looking whether it has taken it")
    return look_up(client, request)


def _asked(asked: Asked) -> str:
    if asked.number is not None:
        return f"{asked.job} was triggered: build #{asked.number}"
    joined = ", which was there already and takes this one in" if asked.merged else ""
    return f"{asked.job} was triggered: queue item {asked.item}{joined}"
