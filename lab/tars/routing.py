"""Which endpoint of an object the next call goes to. No socket, no clock, no registry.

Rules of TarsCpp 3.0: a registry's list is asked for again every minute, and an empty answer
changes nothing; endpoints take turns, by weight when all of them have one; an endpoint
that cannot be connected to, or whose calls time out too often, is left out and tried again after
a while; when all are left out they are tried all the same, inactive ones last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from lab.tars.errors import InvalidEndpoint, ObjectNotFound

#: How often the registry is asked for an object's endpoints, seconds.
REFRESH_S = 60.0
#: How soon it is asked again after it did not answer, seconds.
RETRY_S = 10.0


class WeightType(IntEnum):
    """EndpointF.weightType: whether weights count."""

    LOOP = 0
    STATIC = 1


@dataclass(frozen=True)
class Endpoint:
    """Where an object is served: ``tcp -h HOST -p PORT -t TIMEOUT_MS …``."""

    host: str
    port: int
    transport: str = "tcp"
    timeout_ms: int = 3000
    weight: int = 0
    weight_type: int = WeightType.LOOP
    set_name: str = ""
    node_name: str = ""

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def __str__(self) -> str:
        return f"{self.transport} -h {self.host} -p {self.port} -t {self.timeout_ms}"


_TEXTS = {"h": "host", "s": "set_name"}
_NUMBERS = {"p": "port", "t": "timeout_ms", "w": "weight", "v": "weight_type"}
#: Options without a meaning here: grid, quality of service, authentication, group, station.
_IGNORED = {"g", "q", "e", "x", "y"}


def parse_endpoint(text: str) -> Endpoint:
    """An endpoint as registries and configurations write it; raises `InvalidEndpoint`."""
    transport, *words = text.split() or [""]
    if transport not in ("tcp", "udp", "ssl") or len(words) % 2:
        raise _invalid(text, "no tcp -h HOST -p PORT")
    values: dict[str, str | int] = {"transport": transport}
    for option, value in zip(words[::2], words[1::2], strict=True):
        name = option.removeprefix("-")
        if option == f"-{name}" and name in _TEXTS:
            values[_TEXTS[name]] = value
        elif option == f"-{name}" and name in _NUMBERS:
            try:
                values[_NUMBERS[name]] = int(value)
            except ValueError:
                raise _invalid(text, f"{option} {value} is no number") from None
        elif name not in _IGNORED:
            raise _invalid(text, f"unknown option {option}")
    if not values.get("host") or not 0 < int(values.get("port", 0)) < 2**16:
        raise _invalid(text, "no host, or no port from 1 to 65535")
    return Endpoint(**values)  # type: ignore[arg-type]


def _invalid(text: str, found: str) -> InvalidEndpoint:
    return InvalidEndpoint(
        f"{text!r} is no endpoint",
        found=found,
        expected="tcp -h HOST -p PORT [-t MS] [-w WEIGHT -v 1] [-s SET]",
    )


def parse_object(text: str) -> tuple[str, tuple[Endpoint, ...]]:
    """``Obj`` or ``Obj@ENDPOINT[:ENDPOINT…]``: its name, and the endpoints that it names.

    Raises `InvalidEndpoint`.
    """
    name, at, endpoints = text.partition("@")
    if not name.strip():
        raise _invalid(text, "no object's name")
    found = tuple(parse_endpoint(one) for one in endpoints.split(":")) if at else ()
    return name.strip(), found


@dataclass(frozen=True)
class Blocking:
    """When an endpoint is left out, and for how long; TarsCpp's defaults (@tars/rpc: 30 s).

    Within ``window_s``, at least ``timeouts`` failed calls that are more than ``ratio`` of all;
    or ``in_a_row`` failed ones over at least ``in_a_row_s``. One refused connection suffices.
    """

    timeouts: int = 2
    window_s: float = 60.0
    ratio: float = 0.5
    in_a_row: int = 5
    in_a_row_s: float = 5.0
    retry_s: float = 10.0


@dataclass
class _Health:
    """How an endpoint's calls have gone in the window that began at ``since``."""

    since: float = 0.0
    calls: int = 0
    failed: int = 0
    in_a_row: int = 0
    first_of_row: float = 0.0
    #: Left out until then, when one call tries it; None: it is not left out.
    blocked_until: float | None = None

    def succeeded(self, now: float, rules: Blocking) -> None:
        self.blocked_until = None
        self.in_a_row = 0
        self._count(now, rules)

    def refused(self, now: float, rules: Blocking) -> None:
        self.blocked_until = now + rules.retry_s

    def did_not_answer(self, now: float, rules: Blocking) -> None:
        self._count(now, rules)
        self.failed += 1
        self.in_a_row += 1
        if self.in_a_row == 1:
            self.first_of_row = now
        often = self.failed >= rules.timeouts and self.failed > rules.ratio * self.calls
        long = self.in_a_row >= rules.in_a_row and now - self.first_of_row >= rules.in_a_row_s
        if often or long or self.blocked_until is not None:
            self.blocked_until = now + rules.retry_s

    def _count(self, now: float, rules: Blocking) -> None:
        if now - self.since > rules.window_s:
            self.since, self.calls, self.failed = now, 0, 0
        self.calls += 1

    def usable(self, now: float) -> bool:
        return self.blocked_until is None or self.blocked_until <= now


@dataclass
class Route:
    """An object's endpoints as a client knows them, and their turns.

    ``refresh_s`` None: they were named explicitly and are never asked for.
    """

    name: str
    refresh_s: float | None = REFRESH_S
    rules: Blocking = field(default_factory=Blocking)
    active: tuple[Endpoint, ...] = ()
    inactive: tuple[Endpoint, ...] = ()
    _due: float | None = None
    _turn: int = -1
    _health: dict[Endpoint, _Health] = field(default_factory=dict)
    #: Of the smooth weighted turns: what each endpoint has saved up.
    _credit: dict[Endpoint, int] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether there is an endpoint to call."""
        return bool(self.active or self.inactive)

    def is_due(self, now: float) -> bool:
        """Whether the registry should be asked."""
        if self.refresh_s is None:
            return False
        return self._due is None or now >= self._due

    def update(
        self, active: Iterable[Endpoint], inactive: Iterable[Endpoint] = (), *, now: float
    ) -> None:
        """What the registry said. Without an active endpoint, the ones known stay."""
        fresh = tuple(active)
        if fresh or not self.active:
            self.active, self.inactive = fresh, tuple(inactive)
            there = {*self.active, *self.inactive}
            self._health = {one: kept for one, kept in self._health.items() if one in there}
            self._credit = {one: kept for one, kept in self._credit.items() if one in there}
        self._due = now + (self.refresh_s or 0)

    def postpone(self, now: float) -> None:
        """The registry did not answer: go on with what is known, and ask again soon."""
        self._due = now + min(RETRY_S, self.refresh_s or RETRY_S)

    def choose(self, now: float, *, key: int | None = None) -> Endpoint:
        """The endpoint for the next call; calls with the same ``key`` go to the same one.

        Raises `ObjectNotFound`.
        """
        usable = [one for one in self.active if self._of(one).usable(now)]
        candidates = usable or list(self.active) or list(self.inactive)
        if not candidates:
            raise ObjectNotFound(
                f"{self.name} has no endpoint",
                found="none in the registry's answer" if self.refresh_s else "none",
                expected="at least one active endpoint",
                advice="check that the server is deployed and started",
            )
        if key is not None:
            chosen = self._by_key(key, usable or candidates)
        elif all(one.weight_type == WeightType.STATIC for one in candidates):
            chosen = self._by_weight(candidates)
        else:
            self._turn += 1
            chosen = candidates[self._turn % len(candidates)]
        health = self._of(chosen)
        if health.blocked_until is not None:
            # One call tries it; the others leave it out until that has succeeded.
            health.blocked_until = now + self.rules.retry_s
        return chosen

    def _by_key(self, key: int, candidates: list[Endpoint]) -> Endpoint:
        """By the whole list, so that an endpoint left out moves its own keys only."""
        everything = self.active or self.inactive
        chosen = everything[key % len(everything)]
        return chosen if chosen in candidates else candidates[key % len(candidates)]

    def _by_weight(self, candidates: list[Endpoint]) -> Endpoint:
        """Smooth turns: in any stretch, each endpoint has its share as evenly as it goes."""
        weights = {one: max(one.weight, 0) for one in candidates}
        if not any(weights.values()):
            weights = dict.fromkeys(candidates, 1)
        for one, weight in weights.items():
            self._credit[one] = self._credit.get(one, 0) + weight
        chosen = max(candidates, key=lambda one: self._credit[one])
        self._credit[chosen] -= sum(weights.values())
        return chosen

    def _of(self, endpoint: Endpoint) -> _Health:
        return self._health.setdefault(endpoint, _Health())

    def succeeded(self, endpoint: Endpoint, now: float) -> None:
        """A call to it was answered, whatever the iRet."""
        self._of(endpoint).succeeded(now, self.rules)

    def refused(self, endpoint: Endpoint, now: float) -> None:
        """It could not be connected to."""
        self._of(endpoint).refused(now, self.rules)

    def did_not_answer(self, endpoint: Endpoint, now: float) -> None:
        """A call to it timed out, or its connection broke."""
        self._of(endpoint).did_not_answer(now, self.rules)

    def blocked(self, now: float) -> tuple[Endpoint, ...]:
        """The endpoints that are left out at the moment."""
        return tuple(one for one in self.active if not self._of(one).usable(now))
