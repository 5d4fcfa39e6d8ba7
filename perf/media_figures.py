"""What all students of a load had of the media in one window, as numbers that can be merged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from perf.histogram import Histogram

#: What `MediaFigures.figure` reads, each with its unit.
UNITS = {
    "students": "count",
    "first_frame_p95": "us",
    "loss": "%",
    "jitter_p95": "us",
    "delay_p50": "us",
    "delay_p95": "us",
    "delay_p99": "us",
    "delay_max": "us",
    "freezes": "count",
    "frame_rate": "%",
    "leave_p95": "us",
    "student_cpu": "%",
}


@dataclass
class MediaFigures:
    """Histograms are in microseconds. ``first_frame``: from asking for a stream; ``jitter``: one
    value a track; ``delay``: of each packet, from the publisher's socket, empty where the server
    gives packets other numbers; ``leave``: until the server had let go.

    ``expected`` and ``lost`` count packets, ``pictures`` those that came whole of
    ``pictures_sent``; ``silent`` tracks had not one packet in the window. ``students`` were
    there for all of it, and cost ``cpu_percent`` of a core together, those who send included.
    """

    first_frame: Histogram = field(default_factory=Histogram)
    jitter: Histogram = field(default_factory=Histogram)
    delay: Histogram = field(default_factory=Histogram)
    leave: Histogram = field(default_factory=Histogram)
    students: int = 0
    tracks: int = 0
    silent: int = 0
    expected: int = 0
    lost: int = 0
    duplicates: int = 0
    pictures: int = 0
    pictures_sent: int = 0
    freezes: int = 0
    cpu_percent: float = 0.0

    def figure(self, name: str) -> float | None:
        """A figure by its name in `UNITS`; None where nothing was there to measure."""
        match name:
            case "students" | "freezes":
                return float(getattr(self, name))
            case "loss":
                return 100 * self.lost / self.expected if self.expected else None
            case "frame_rate":
                return 100 * self.pictures / self.pictures_sent if self.pictures_sent else None
            case "student_cpu":
                return self.cpu_percent / self.students if self.students else None
        of, _, which = name.rpartition("_")
        histogram: Histogram = getattr(self, of)
        if not histogram.count:
            return None
        return histogram.max if which == "max" else histogram.percentile(float(which[1:]))

    def summary(self) -> str:
        """One line for people."""
        found = ((name, self.figure(name)) for name in ("loss", "delay_p95", "frame_rate"))
        told = [f"{name} {value:.4g} {UNITS[name]}" for name, value in found if value is not None]
        return f"{self.students} students: {', '.join([*told, f'{self.freezes} freezes'])}"

    def add(self, other: MediaFigures) -> None:
        """Take in what other students had at the same time."""
        for spec in fields(self):
            mine, more = getattr(self, spec.name), getattr(other, spec.name)
            if isinstance(mine, Histogram):
                mine.merge(more)
            else:
                setattr(self, spec.name, mine + more)

    @classmethod
    def of(cls, parts: Iterable[MediaFigures]) -> MediaFigures:
        """All of them together."""
        found = cls()
        for part in parts:
            found.add(part)
        return found

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            spec.name: value.to_json() if isinstance(value, Histogram) else value
            for spec in fields(self)
            for value in (getattr(self, spec.name),)
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MediaFigures:
        """Read what `to_json` gave; raises ValueError for anything else."""
        found = cls()
        try:
            for spec in fields(found):
                value = data[spec.name]
                default = getattr(found, spec.name)
                read = Histogram.from_json if isinstance(default, Histogram) else type(default)
                setattr(found, spec.name, read(value))
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"no media figures: {error!r}") from error
        return found
