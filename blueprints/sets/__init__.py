"""Sets of criteria that are judged together, as data: ``blueprints/sets/<blueprint>.yaml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from blueprints.config import Document, Model
from blueprints.errors import ConfigError, nearest
from blueprints.model import Blueprint, Criterion

DIRECTORY = Path(__file__).parent

#: The set of all criteria, which every blueprint has.
FULL = "full"


class CriteriaSet(Model):
    """Criteria for one purpose; all of the blueprint's unless it names some.

    ``within_s``: what a run of them may take on the embedded lab, warm, on 2 cores.
    """

    purpose: str
    within_s: int | None = Field(default=None, gt=0)
    criteria: tuple[str, ...] | None = None

    def has(self, criterion: Criterion) -> bool:
        return self.criteria is None or criterion.id in self.criteria


class _File(Model):
    sets: dict[str, CriteriaSet]


def load(blueprint: Blueprint) -> dict[str, CriteriaSet]:
    """The sets of a blueprint by name; ``full`` is one of them even where it ships none.

    Raises `ConfigError` with file and line where a set names what the blueprint has not.
    """
    sets = {FULL: CriteriaSet(purpose="all criteria")}
    path = DIRECTORY / f"{blueprint.name}.yaml"
    if not path.exists():
        return sets
    document = Document(path)
    sets |= document.load(_File).sets
    for name, chosen in sets.items():
        for i, identifier in enumerate(chosen.criteria or ()):
            if identifier not in blueprint.by_id:
                near = nearest(identifier, blueprint.by_id)
                raise document.error(
                    "sets", name, "criteria", i, says=f"unknown criterion {identifier!r}; {near}"
                )
    return sets


def find(blueprint: Blueprint, name: str) -> CriteriaSet:
    """The set of that name; raises `ConfigError` with the nearest names."""
    known = load(blueprint)
    if name not in known:
        raise ConfigError(f"unknown set {name!r}; {nearest(name, known)}")
    return known[name]
