"""What Akraino's security evaluation names, as it keeps it: ``blueprints/security``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from blueprints.errors import ConfigError
from blueprints.model import DIRECTORY, Maturity

SECURITY = DIRECTORY / "security" / "akraino.json"


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


def security_rules() -> SecurityRules:
    """Read the file as Akraino keeps it, unmodified. Raises `ConfigError`."""
    try:
        data = json.loads(SECURITY.read_bytes())
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
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{SECURITY}: not Akraino's list of security checks: {error}") from None
