"""Exceptions from what a release must show, as data with an owner and an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydantic import Field

from blueprints.config import Document, Model
from blueprints.model import DIRECTORY, Maturity

PLACE = DIRECTORY / "exceptions"


class Approval(Model):
    """Who granted an exception, when, and where that is written down."""

    by: str = Field(min_length=1)
    on: date
    reference: str = Field(min_length=1)


class Entry(Model):
    """One exception. ``covers`` is the subject of a line of the gate's page."""

    id: str = Field(pattern=r"^EX-\d{2,4}$")
    covers: str = Field(min_length=1)
    labs: tuple[str, ...] = ()
    maturity: tuple[Maturity, ...] = ("incubation", "mature")
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=10)
    mitigation: str = Field(min_length=3)
    submitted: date
    approval: Approval
    expires: date


class File(Model):
    """``blueprints/exceptions/<blueprint>.yaml``. ``releases``: those made in incubation."""

    releases: tuple[str, ...] = ()
    exceptions: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Granted:
    """An exception, and where it stands (``file:line:column``)."""

    entry: Entry
    where: str

    def covers(self, subject: str, lab: str, maturity: Maturity) -> bool:
        """Whether it is about ``subject`` in ``lab``; what is about no lab has ''."""
        entry = self.entry
        return (
            entry.covers == subject
            and maturity in entry.maturity
            and (not entry.labs or not lab or lab in entry.labs)
        )

    def invalid(self, release: date, notice_days: int) -> str:
        """Why it does not hold for a release on that day; empty when it does."""
        entry = self.entry
        if entry.expires < release:
            return f"it expired on {entry.expires}"
        if entry.approval.on < entry.submitted:
            return f"it was approved on {entry.approval.on}, before it was submitted"
        if entry.approval.on > release:
            return f"it is approved on {entry.approval.on} only, after the release"
        if entry.approval.by == entry.owner:
            return f"{entry.owner} owns it and approved it; another must"
        if entry.submitted + timedelta(days=notice_days) > release:
            return (
                f"it was submitted on {entry.submitted}; at least {notice_days} days before "
                f"the release on {release} are asked for"
            )
        return ""


@dataclass(frozen=True)
class Exceptions:
    """All exceptions of a blueprint, and its releases in incubation so far."""

    releases: tuple[str, ...] = ()
    granted: tuple[Granted, ...] = ()

    def valid(self, lab: str, maturity: Maturity, day: date, notice_days: int) -> set[str]:
        """The subjects that are excepted in ``lab`` on that day."""
        return {
            g.entry.covers
            for g in self.granted
            if g.covers(g.entry.covers, lab, maturity) and not g.invalid(day, notice_days)
        }


def load(blueprint: str, file: Path | None = None) -> Exceptions:
    """The exceptions of ``blueprint``, from ``file`` if given; none where there is no file.

    Raises `ConfigError` with file, line and column for what does not fit.
    """
    file = file or PLACE / f"{blueprint}.yaml"
    if file.parent == PLACE and not file.exists():
        return Exceptions()
    document = Document(file)
    content = document.load(File)
    ids = [entry.id for entry in content.exceptions]
    for number, identifier in enumerate(ids):
        if identifier in ids[:number]:
            raise document.error(
                "exceptions", number, "id", says=f"{identifier} stands here a second time"
            )
    return Exceptions(
        content.releases,
        tuple(
            Granted(entry, document.where("exceptions", number))
            for number, entry in enumerate(content.exceptions)
        ),
    )
