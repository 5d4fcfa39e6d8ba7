"""Use cases of the classroom as data: who sends what, who takes whose streams, what is kept."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from blueprints.errors import ConfigError, nearest

#: The part that there are many of.
STUDENT = "student"
#: The extra participants who keep the header-only students honest; each takes in another way
#: what the students of its classroom take.
OBSERVERS = ("decoding", "decrypting")
#: One more, who costs as much as fifty others, and comes when asked for.
BROWSER = "browser"
FILE = Path(__file__).with_name("profiles.yaml")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Picture(_Data):
    """What a camera sends: pixels, pictures and kbit a second."""

    width: int = Field(default=320, ge=64, le=1920)
    height: int = Field(default=240, ge=64, le=1080)
    rate: int = Field(default=15, ge=1, le=60)
    kbps: int = Field(default=150, ge=50, le=4000)


class Sends(_Data):
    """What a part publishes."""

    audio: bool = False
    video: Picture | None = None

    @property
    def media(self) -> tuple[str, ...]:
        return ("audio",) * self.audio + ("video",) * (self.video is not None)

    @model_validator(mode="after")
    def _something(self) -> Sends:
        if not self.media:
            raise ValueError("who sends, sends audio or video")
        return self


class Part(_Data):
    """One part of a use case; ``takes`` names the parts whose streams it receives."""

    sends: Sends | None = None
    takes: tuple[str, ...] = ()


class Profile(_Data):
    """A use case; ``slo`` holds objectives as `perf.study.Objective` reads them."""

    title: str
    parts: dict[str, Part]
    classroom_size: int | None = Field(default=None, ge=1)
    slo: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _playable(self) -> Profile:
        if STUDENT not in self.parts:
            raise ValueError(f"a profile has a part {STUDENT!r}")
        for name, part in self.parts.items():
            if name in (*OBSERVERS, BROWSER):
                raise ValueError(f"{name!r} is an observer's name, not a part's")
            for other in part.takes:
                if other not in self.parts:
                    raise ValueError(f"{name} takes {other!r}; {nearest(other, self.parts)}")
                if self.parts[other].sends is None:
                    raise ValueError(f"{name} takes {other}, who sends nothing")
        return self

    @property
    def staff(self) -> tuple[str, ...]:
        """The parts that are played once in each classroom."""
        return tuple(name for name in self.parts if name != STUDENT)

    def classroom_of(self, student: int) -> int:
        """The number of the classroom in which student number ``student`` (from 0) sits."""
        return 0 if self.classroom_size is None else student // self.classroom_size


@cache
def profiles() -> dict[str, Profile]:
    """All of them by name; raises `ConfigError` when the file is not as it must be."""
    try:
        data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
        return {name: Profile.model_validate(found) for name, found in data.items()}
    except (ValidationError, yaml.YAMLError, AttributeError) as error:
        raise ConfigError(f"{FILE.name}: {error}") from None


def profile(name: str) -> Profile:
    """One by its name; raises `ConfigError` that says what there is."""
    found = profiles()
    if name not in found:
        raise ConfigError(f"unknown profile {name!r}; {nearest(name, found)}")
    return found[name]
