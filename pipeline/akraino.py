"""Does what Akraino's validation UI asks of Jenkins: judge a lab, submit, tell the UI.

The UI's words differ from ours: ``all`` is no layer, a silo that begins with ``snd-`` is the
sandbox's. They come over the network, so that names are taken, and no paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.model import Maturity
from pipeline import commands, story, submitting
from reports.exit_codes import ExitCode

ALL = "all"
#: What OPTIONAL may say: the UI's own words, and those of ci-management's jobs.
_YES, _NO = ("true", "yes"), ("false", "no", "")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UI = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Asked:
    """What the UI gives to the job, in its words."""

    submission_id: int
    blueprint: str
    layer: str
    version: str
    lab: str
    optional: str
    ui_ip: str

    @property
    def sandbox(self) -> bool:
        return self.lab.startswith(submitting.SANDBOX)

    @property
    def layers(self) -> tuple[str, ...]:
        return () if self.layer in (ALL, "") else (self.layer,)

    @property
    def with_optional(self) -> bool:
        """Raises `ConfigError` for a word that is neither yes nor no."""
        word = self.optional.lower()
        if word not in (*_YES, *_NO):
            raise ConfigError(f"OPTIONAL is true or false; found {self.optional!r}")
        return word in _YES

    def inventory(self, directory: Path | None) -> str:
        """The lab's inventory: its file in ``directory``, else the name of one of ours."""
        name = self.lab.removeprefix(submitting.SANDBOX)
        if not _NAME.fullmatch(name):
            raise ConfigError(f"LAB is a silo's name, like inwinstack; found {self.lab!r}")
        file = None if directory is None else directory / f"{name}.yaml"
        return str(file) if file is not None and file.exists() else name

    def url(self, scheme: str) -> str:
        """Where the UI listens."""
        if not _UI.fullmatch(self.ui_ip):
            raise ConfigError(f"UI_IP is HOST or HOST:PORT; found {self.ui_ip!r}")
        return f"{scheme}://{self.ui_ip}"


@dataclass(frozen=True)
class Site:
    """What the job's definition adds: where inventories lie, and where results go.

    ``key`` and ``credentials`` are references; ``scheme`` is the UI's, http or https; ``ca``
    vouches for Nexus and the UI.
    """

    labs: Path | None
    nexus: str | None
    credentials: str | None
    key: str | None
    scheme: str
    ca: Path | None = None


def answer(
    asked: Asked, site: Site, run: Path, *, maturity: Maturity, dry_run: bool = False
) -> int:
    """Judge, submit, tell the UI; with ``dry_run`` say what would be judged and sent.

    The exit code is the run's, unless the submission failed. Raises `ConfigError` before
    anything starts when what is asked makes no sense.
    """
    ui, inventory = asked.url(site.scheme), asked.inventory(site.labs)
    if not _NAME.fullmatch(asked.blueprint):
        raise ConfigError(f"BLUEPRINT is a name, like iec-type4; found {asked.blueprint!r}")
    blueprint = model.load(asked.blueprint)
    chosen = blueprint.select((), asked.layers)
    only: tuple[str, ...] = ()
    if not asked.with_optional:
        only = tuple(c.id for c in chosen if c.mandatory(maturity))
        if not only:
            raise ConfigError(f"nothing is mandatory in layer {asked.layer}; OPTIONAL=true judges")
    if dry_run:
        print(f"judge {', '.join(only or [c.id for c in chosen])} on {inventory}, in {run}")
        print(f"submit it to silo {asked.lab} on {site.nexus or 'no Nexus: --nexus names none'}")
        print(f"tell {ui} that submission {asked.submission_id} is done")
        return ExitCode.OK
    request = story.Request(
        lab=inventory,
        blueprint=asked.blueprint,
        only=only,
        layers=asked.layers if asked.with_optional else (),
        maturity=maturity,
        run=run,
        asked=commands.asked(),
    )
    verdict = commands.run(request, resume=None, quiet=False, as_json=False)
    if verdict == ExitCode.INTERRUPTED:
        return verdict
    submitted = submitting.submit(
        submitting.Request(
            run,
            version=asked.version or "master",
            silo=asked.lab,
            lab=inventory,
            sandbox=asked.sandbox,
            key=site.key,
            nexus=site.nexus,
            credentials=site.credentials,
            ui=ui,
            submission_id=asked.submission_id,
            ca=site.ca,
        )
    )
    return submitted or verdict
