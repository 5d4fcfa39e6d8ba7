"""workOut: what an edge or the data centre does for an edge. No socket, no clock."""

from __future__ import annotations

from lab.cvb import contracts
from lab.cvb.contracts import Code, Target, Work, WorkedOut
from lab.cvb.embedded.frames import is_plausible, is_sound
from lab.cvb.embedded.hazard import Rule
from lab.cvb.embedded.settings import Settings


def rule_of(settings: Settings) -> Rule:
    """The blueprint's rule."""
    return Rule(settings.horizon_s, settings.radius_m, settings.merge_m)


def work_out(
    asked: Work, rule: Rule, settings: Settings, *, by: Target, name: str, now_us: int
) -> WorkedOut:
    """The warnings that a frame makes due; who asked knows which episodes have begun before.

    ``name``: of the edge that works it out; the one that sends a warning puts in its own.
    """
    frame = asked.frame
    plausible = all(is_plausible(one, now_us, settings) for one in asked.vehicles)
    if not plausible or not is_sound(frame, now_us, settings):
        return WorkedOut(Code.MALFORMED, [])
    warnings = [
        contracts.Warning(
            frame.application,
            hazard.vehicle,
            frame.detections[hazard.detection].kind,
            frame.detections[hazard.detection].position,
            frame.at_us,
            now_us,
            hazard.collision_ms,
            by,
            name,
        )
        for hazard in rule.hazards(frame.detections, frame.at_us, asked.vehicles)
    ]
    return WorkedOut(Code.DONE, warnings)
