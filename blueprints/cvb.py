"""The Connected Vehicle Blueprint's figures as data: ``blueprints/cvb.yaml``, which says them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field, model_validator

from blueprints.config import Document, Model
from blueprints.errors import ConfigError, nearest

FILE = Path(__file__).with_name("cvb.yaml")


class Hazard(Model):
    """When a warning is due."""

    horizon_ms: int = Field(gt=0)
    radius_m: float = Field(gt=0)
    episode_end_ms: int = Field(gt=0)


class Area(Model):
    """A rectangle in the site's plane, in metres; its west and south sides belong to it."""

    low: tuple[float, float]
    high: tuple[float, float]

    @model_validator(mode="after")
    def _some_ground(self) -> Area:
        if not (self.low[0] < self.high[0] and self.low[1] < self.high[1]):
            raise ValueError("low is the corner in the south-west, high that in the north-east")
        return self

    def holds(self, x: float, y: float) -> bool:
        """Whether a position lies in it."""
        return self.low[0] <= x < self.high[0] and self.low[1] <= y < self.high[1]


class FrameLimits(Model):
    """A camera's rate, and what a frame may hold."""

    rate_hz: int = Field(gt=0, le=1000)
    moment_off_ms: int = Field(gt=0)
    detections: int = Field(gt=0)


class Batching(Model):
    """How applications that are not urgent tell the data centre."""

    period_ms: int = Field(gt=0)
    bound: int = Field(gt=0)


class Objectives(Model):
    warning_p99_ms: float = Field(gt=0)


class Link(Model):
    """What a way through a network does to packets, each direction for itself."""

    delay_ms: float = Field(ge=0)
    jitter_ms: float = Field(ge=0)
    loss: float = Field(ge=0, lt=1)
    retransmission_ms: float = Field(ge=0)
    uplink_kbps: int = Field(gt=0)
    downlink_kbps: int = Field(gt=0)
    source: str


class Cvb(Model):
    """All of the blueprint's figures."""

    hazard: Hazard
    merge_m: float = Field(gt=0)
    site: dict[str, Area] = Field(min_length=1)
    frame: FrameLimits
    batch: Batching
    slo: Objectives
    access: dict[str, Link]
    wan: Link

    def link(self, name: str) -> Link:
        """An access profile by its name; raises `ConfigError` that says what there is."""
        if name not in self.access:
            raise ConfigError(f"unknown access profile {name!r}; {nearest(name, self.access)}")
        return self.access[name]


def load(file: Path = FILE) -> Cvb:
    """Read and validate; raises `ConfigError` that names the place of a fault."""
    return Document(file).load(Cvb)


@cache
def figures() -> Cvb:
    """The blueprint's own."""
    return load()
