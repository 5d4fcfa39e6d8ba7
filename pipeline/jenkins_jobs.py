"""What ``./iec4 jobs`` does below its arguments; each function returns an exit code."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blueprints.errors import ConfigError
from blueprints.guarded_xml import XmlRefused
from jobs.apply import delete, not_defined, put
from jobs.render import SITE, render
from lab.jenkins.access import Access
from lab.jenkins.client import Client
from lab.jenkins.defined import Compared, look
from lab.jenkins.drift import KINDS, Difference, Drift, compare
from pipeline.jenkins_builds import tell

#: Longer texts are cut where they are shown to a person; ``--json`` has them whole.
SHOWN = 100


def lint(site: Path | None) -> int:
    """Say what every rendered job lacks; 1 when one lacks something."""
    from jobs.lint import problems

    found = [
        f"{name}: {problem}"
        for name, xml in render(site=site or SITE).items()
        for problem in problems(xml)
    ]
    print("\n".join(found) if found else "every job has what it must have")
    return 1 if found else 0


def diff_files(rendered: Path, saved: Path, *, as_json: bool) -> int:
    """Compare two config.xml files in meaning; 1 when the difference matters."""
    try:
        drift = compare(_text(rendered), _text(saved))
    except XmlRefused as error:
        raise ConfigError(f"{rendered} or {saved}: {error}") from None
    if as_json:
        print(json.dumps({"differs": drift.matters, **by_kind(drift)}, indent=2))
    else:
        print("\n".join(told(saved.name, drift)))
    return 1 if drift.matters else 0


def diff(access: Access, site: Path | None, *, as_json: bool) -> int:
    """Compare every defined job with the one on Jenkins; 1 when one is missing or differs."""
    rendered, client = render(site=site or SITE), Client(access, notice=tell)
    compared = [look(client, name, xml) for name, xml in rendered.items()]
    extra = not_defined(client, rendered)
    if as_json:
        print(json.dumps(_document(access, compared, extra), indent=2))
    else:
        for job in compared:
            print("\n".join(told(job.name, job.drift) if job.drift else [f"{job.name}: missing"]))
        for name in extra:
            print(f"{name}: defined no more (./iec4 jobs prune)")
    return 1 if any(job.state != "same" for job in compared) else 0


def apply(access: Access, site: Path | None, *, dry_run: bool) -> int:
    """Create what is missing, update what differs, leave the rest alone."""
    rendered, client = render(site=site or SITE), Client(access, notice=tell)
    done = {"missing": "created", "differs": "updated", "same": "as defined"}
    if dry_run:
        done |= {"missing": "would be created", "differs": "would be updated"}
    for name, xml in rendered.items():
        state = look(client, name, xml).state if dry_run else put(client, name, xml)
        print(f"{name}: {done[state]}")
    for name in not_defined(client, rendered):
        print(f"{name}: defined no more; left there (./iec4 jobs prune)")
    return 0


def prune(access: Access, site: Path | None, *, yes: bool) -> int:
    """Delete, with ``yes``, the jobs that were made of definitions which are gone."""
    client = Client(access, notice=tell)
    extra = not_defined(client, render(site=site or SITE))
    for name in extra:
        if yes:
            delete(client, name)
        print(f"{name}: {'deleted' if yes else 'would be deleted, with its builds'}")
    if not extra:
        print("nothing to prune")
    elif not yes:
        print("give --yes to delete")
    return 0


def _document(access: Access, compared: list[Compared], extra: list[str]) -> dict[str, Any]:
    jobs = {
        job.name: {"state": job.state, **(by_kind(job.drift) if job.drift else {})}
        for job in compared
    }
    return {"jenkins": access.base, "jobs": jobs, "not_defined": extra}


def by_kind(drift: Drift) -> dict[str, list[dict[str, Any]]]:
    """The differences as JSON shows them: a list for each kind, empty ones too."""
    return {
        kind: [
            {key: value for key, value in asdict(found).items() if key != "kind"}
            for found in drift.of(kind)
        ]
        for kind in KINDS
    }


def told(name: str, drift: Drift) -> list[str]:
    """The differences in lines for a person: those that matter, and a count of the others."""
    harmless = sum(not found.matters for found in drift.differences)
    own = f" (beside {harmless} of Jenkins' own making)" if harmless else ""
    if not drift.matters:
        return [f"{name}: as defined{own.replace('beside', 'but for')}"]
    lines = [f"{name}: differs{own}"]
    for found in drift.differences:
        if found.matters:
            lines += [f"  {found.path}: {found.why}", *_sides(found)]
    return lines


def _sides(found: Difference) -> list[str]:
    """Both texts; of long ones the first line that differs."""
    old, new = found.rendered, found.saved
    if old is not None and new is not None:
        lines = zip(old.splitlines(), new.splitlines(), strict=False)
        old, new = next(((a, b) for a, b in lines if a != b), (old, new))
    return [
        f"    {side}: {text if len(text) <= SHOWN else text[:SHOWN] + '…'}"
        for side, text in (("defined", old), ("on Jenkins", new))
        if text is not None
    ]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
