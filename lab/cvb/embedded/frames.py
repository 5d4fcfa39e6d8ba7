"""Which frames and vehicles' states are taken. No clock: moments are given, in microseconds."""

from __future__ import annotations

import math

from lab.cvb.contracts import Code, Frame, VehicleState
from lab.cvb.embedded.settings import Settings

#: Sources and applications whose sequences are followed, at most.
SEQUENCES = 4096


class Intake:
    """Tells malformed frames, and follows the sequence of each source and application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._last: dict[tuple[str, str], int] = {}

    def take(self, frame: Frame, now_us: int) -> Code:
        """Whether a frame is taken; one that is not changes nothing."""
        key = frame.source, frame.application
        last = self._last.get(key)
        if frame.sequence <= (last or 0) or not is_sound(frame, now_us, self._settings):
            return Code.MALFORMED
        if last is None and len(self._last) >= SEQUENCES:
            return Code.FULL
        self._last[key] = frame.sequence
        return Code.DONE


def is_sound(frame: Frame, now_us: int, settings: Settings) -> bool:
    """Whether every value of a frame but its sequence is within its range."""
    detections = frame.detections
    if abs(frame.at_us - now_us) > settings.moment_off_us or len(detections) > settings.detections:
        return False
    for one in detections:
        p, v = one.position, one.velocity
        # A sum is finite unless a member is not, or it is beyond every site.
        if not (0 <= one.confidence <= 1 and math.isfinite(p.x + p.y + v.x + v.y)):
            return False
    return True


def is_plausible(state: VehicleState, now_us: int, settings: Settings) -> bool:
    """Whether every value of a vehicle's state is within its range."""
    p, v = state.position, state.velocity
    near = abs(state.at_us - now_us) <= settings.moment_off_us
    return bool(state.vehicle) and near and math.isfinite(p.x + p.y + v.x + v.y)
