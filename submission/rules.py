"""What Akraino asks of a release, as data: ``blueprints/release`` and ``blueprints/security``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from blueprints.config import Document, Model
from blueprints.errors import ConfigError
from blueprints.model import DIRECTORY, Maturity
from submission.untrusted import Unacceptable, parse_json, read_bytes

RELEASE = DIRECTORY / "release" / "akraino.yaml"
SECURITY = DIRECTORY / "security" / "akraino.json"


class ReleaseRules(Model):
    """What is asked of every release."""

    mandatory_tests: dict[str, tuple[str, ...]]
    labs: int = Field(gt=0)
    incubation_releases: int = Field(ge=0)
    exception_notice_days: int = Field(ge=0)
    vuls_score: float = Field(gt=0, le=10)


@dataclass(frozen=True)
class SecurityRules:
    """What Akraino's security evaluation names.

    ``lynis``: maturity → lines by which a check is found in a log. ``vuls``: operating
    system (``ubuntu2004``) → CVE → why it is excepted there. ``kube_hunter``: id of a
    finding → what it is called and what helps.
    """

    lynis: Mapping[Maturity, tuple[str, ...]]
    vuls: Mapping[str, Mapping[str, str]]
    kube_hunter: Mapping[str, tuple[str, ...]]


def release_rules() -> ReleaseRules:
    """Raises `ConfigError`."""
    return Document(RELEASE).load(ReleaseRules)


def security_rules() -> SecurityRules:
    """Read the file as Akraino keeps it, unmodified. Raises `ConfigError`."""
    try:
        data = parse_json(read_bytes(SECURITY))
        hunted = data["kube-hunter"]
        return SecurityRules(
            lynis={
                "incubation": tuple(data["lynis"]["incubation"]),
                "mature": tuple(data["lynis"]["maturity"]),
            },
            vuls={
                system: {cve: ", ".join(why) for cve, why in excepted.items()}
                for system, excepted in data["vuls"].items()
            },
            kube_hunter={
                name: tuple(says) for phase in hunted.values() for name, says in phase.items()
            },
        )
    except (Unacceptable, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{SECURITY}: not Akraino's list of security checks: {error}") from None
