"""Whether a bundle is what it says: its signature, every file of it, and that it reads well.

Needs no network. A bundle from anywhere is taken for hostile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from blueprints.errors import Unacceptable
from blueprints.model import Blueprint
from reports.results import RunResults
from submission.attestation import ATTESTATION, mismatches, verified
from submission.untrusted import read_bytes, read_zip
from submission.validity import problems, timestamp


@dataclass(frozen=True)
class Claim:
    """What an attestation says of its run."""

    run: str
    blueprint: str
    lab: str
    profile: str
    maturity: str
    began: datetime
    result: str
    sandbox: bool


@dataclass(frozen=True)
class Verdict:
    """``problems`` is empty for a sound bundle; ``claim`` is None where none could be read."""

    claim: Claim | None
    problems: tuple[str, ...]


def facts(run: RunResults, blueprint: Blueprint, *, sandbox: bool) -> dict[str, Any]:
    """What an attestation says beside the results: the in-toto predicate's configuration.

    Resource descriptors of run.json and of the blueprint, the first with what it is about.
    """
    assert run.started is not None, "a run that ended began"
    about = {
        "run": run.id,
        "blueprint": run.blueprint,
        "lab": run.lab,
        "profile": run.profile,
        "maturity": run.maturity,
        "began": run.started.isoformat(),
        "sandbox": sandbox,
        "versions": run.versions,
        "deviations": {d.name: d.instead for d in run.deviations},
    }
    return {
        "configuration": [
            {**_resource(run.directory / "run.json"), "annotations": about},
            _resource(blueprint.file),
        ]
    }


def _resource(file: Path) -> dict[str, Any]:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return {"name": file.name, "digest": {"sha256": digest}}


def verify(bundle: Path, key: Ed25519PublicKey) -> Verdict:
    """Check a bundle against the public key of whoever is to have signed it."""
    try:
        files = read_zip(bundle)
        envelope = files.pop(ATTESTATION, None)
        if envelope is None:
            raise Unacceptable(f"it is not signed: no {ATTESTATION} in it")
        statement = verified(envelope, key)
        claim = _claim(statement)
    except Unacceptable as error:
        return Verdict(None, (str(error),))
    found = mismatches(statement, files)
    found += problems(
        files,
        run=claim.run,
        blueprint=claim.blueprint,
        began=claim.began,
        stamp=timestamp(claim.began),
    )
    return Verdict(claim, tuple(found))


def _claim(statement: Mapping[str, Any]) -> Claim:
    try:
        predicate = statement["predicate"]
        about = predicate["configuration"][0]["annotations"]
        texts = [about[name] for name in ("run", "blueprint", "lab", "profile", "maturity")]
        began = datetime.fromisoformat(about["began"])
        result, sandbox = predicate["result"], about["sandbox"]
        if not all(isinstance(text, str) for text in (*texts, result)) or began.tzinfo is None:
            raise ValueError
    except (KeyError, TypeError, ValueError, IndexError):
        raise Unacceptable("the attestation does not say of which run it is") from None
    run, blueprint, lab, profile, maturity = texts
    return Claim(run, blueprint, lab, profile, maturity, began, result, sandbox is not False)


def locate(place: Path) -> Path:
    """The bundle that ``place`` means: itself, or that of a run directory."""
    inside = place / "submission" / "bundle.zip"
    return inside if inside.is_file() else place


def key_beside(bundle: Path) -> bytes | None:
    """The public key that was written beside a bundle when it was made, if it still lies there."""
    try:
        return read_bytes(bundle.with_name("public-key.pem"), limit=4096)
    except Unacceptable:
        return None
