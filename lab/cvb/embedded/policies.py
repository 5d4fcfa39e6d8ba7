"""Policies: what becomes of an application's frames. No socket, no clock."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from typing import Any

from lab.cvb.contracts import Code, Detection, Policy, Target

#: Applications that an edge has policies of, at most.
APPLICATIONS = 4096
#: Members of Detection that a policy can redact: without the others there is none.
REDACTABLE = frozenset({"track", "plate"})
#: Shares travel as 32-bit floats: 0.7 arrives as 0.699999988.
_DIGITS = 6

_MEMBERS = tuple(Policy.__struct_fields__)


class Policies:
    """The newest policy of each application."""

    def __init__(self) -> None:
        self._of: dict[str, Policy] = {}

    def set(self, policy: Policy, *, any_revision: bool = False) -> Code:
        """Take a policy, if it is the next one of its application (or ``any_revision``)."""
        if not _is_well_formed(policy):
            return Code.MALFORMED
        present = self._of.get(policy.application)
        following = (present.revision if present else 0) + 1
        if policy.revision != following and not any_revision:
            return Code.STALE
        if present is None and len(self._of) >= APPLICATIONS:
            return Code.FULL
        self._of[policy.application] = policy
        return Code.DONE

    def get(self, application: str) -> Policy | None:
        return self._of.get(application)

    def another(self, application: str) -> Policy | None:
        """The policy of the newest other application, its own where there is no other."""
        others = (self._of[name] for name in reversed(self._of) if name != application)
        return next(others, self._of.get(application))

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._of.values())

    def to_json(self) -> str:
        """What `from_json` reads after a restart."""
        return json.dumps([{name: getattr(one, name) for name in _MEMBERS} for one in self])

    @classmethod
    def from_json(cls, text: str) -> Policies:
        """Raises `ValueError` for what is none."""
        policies = cls()
        try:
            kept = [_policy(given) for given in json.loads(text)]
        except (AttributeError, KeyError, OverflowError, RecursionError, TypeError) as error:
            raise ValueError(f"these are no policies: {error!r}") from None
        policies._of = {policy.application: policy for policy in kept}
        return policies


def _policy(given: dict[str, Any]) -> Policy:
    values = {**given, "target": Target(given["target"])}
    policy = Policy(**{**values, "fallback": [Target(one) for one in given["fallback"]]})
    if not _is_well_formed(policy):
        raise ValueError(f"a policy of {policy.application!r} is out of range")
    return policy


def _is_well_formed(policy: Policy) -> bool:
    ways = (policy.target, *policy.fallback)
    return (
        bool(policy.application)
        and policy.deadline_ms > 0
        and policy.retention_ms >= 0
        and math.isfinite(policy.sampling)
        and 0 <= policy.sampling <= 1
        and len(set(ways)) == len(ways)
        and REDACTABLE.issuperset(policy.redacted)
    )


def is_sampled(sequence: int, share: float) -> bool:
    """Whether a frame is within a share of its source's, which are evenly spread.

    Of 0.25 every fourth is; of frames with sequences 1 to n, share times n, rounded down.
    """
    share = round(share, _DIGITS)
    slack = 10.0**-_DIGITS
    return math.floor(sequence * share + slack) > math.floor((sequence - 1) * share + slack)


def redacted(detections: list[Detection], members: Collection[str]) -> list[Detection]:
    """The detections without those members of theirs."""
    if not members:
        return detections
    plate, track = "plate" in members, "track" in members
    return [
        Detection(
            "" if track else one.track,
            one.kind,
            one.position,
            one.velocity,
            one.confidence,
            None if plate else one.plate,
        )
        for one in detections
    ]
