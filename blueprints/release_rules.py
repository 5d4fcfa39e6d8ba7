"""What Akraino asks of a release, as data: ``blueprints/release``."""

from __future__ import annotations

from pydantic import Field

from blueprints.config import Document, Model
from blueprints.model import DIRECTORY

RELEASE = DIRECTORY / "release" / "akraino.yaml"


class ReleaseRules(Model):
    """What is asked of every release."""

    mandatory_tests: dict[str, tuple[str, ...]]
    labs: int = Field(gt=0)
    incubation_releases: int = Field(ge=0)
    exception_notice_days: int = Field(ge=0)
    vuls_score: float = Field(gt=0, le=10)


def release_rules() -> ReleaseRules:
    """Raises `ConfigError`."""
    return Document(RELEASE).load(ReleaseRules)
