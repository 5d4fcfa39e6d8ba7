"""Secrets by reference, and the one redactor.

An inventory names a secret as ``env:NAME``, ``file:PATH`` or ``agent:COMMENT`` (a key
held by the SSH agent; only SSH can use it). Resolving one registers its value, and every
spelling in which it travels, with the redactor that stands where text enters the run
directory.
"""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from lab.errors import LabError

if TYPE_CHECKING:
    from lab.inventory import Inventory

MASK = "[secret]"
#: Shorter values would turn up by chance in ordinary text; they are refused.
SHORTEST = 6


class SecretUnavailable(LabError):
    """A secret's reference leads nowhere."""


def resolve(reference: str) -> str:
    """Return the secret that ``reference`` names, and have it redacted from now on.

    Raises `SecretUnavailable`; the message names the reference, never a value.
    """
    kind, _, place = reference.partition(":")
    if kind == "env":
        value = os.environ.get(place)
        if value is None:
            raise SecretUnavailable(
                f"secret {reference} cannot be read",
                found="no such environment variable",
                expected=f"{place} in the environment",
                advice=f"export {place}, or bind it as a Jenkins credential",
            )
    elif kind == "file":
        try:
            value = Path(place).expanduser().read_text().rstrip("\n")
        except OSError as error:
            raise SecretUnavailable(
                f"secret {reference} cannot be read",
                found=error.strerror,
                expected="a readable file",
                advice="create it with mode 0600, or correct the inventory",
            ) from None
    else:
        raise SecretUnavailable(
            f"secret reference {kind!r} has no such kind",
            expected="env:NAME or file:PATH (agent:COMMENT for SSH keys)",
        )
    if len(value) < SHORTEST:
        raise SecretUnavailable(
            f"secret {reference} is too short to be told from ordinary text",
            found=f"{len(value)} characters",
            expected=f"at least {SHORTEST}",
        )
    for part in _secret_parts(value):
        redactor.add(part)
    return value


_KUBECONFIG = re.compile(r"^[\s{,]*['\"]?kind['\"]?\s*:\s*['\"]?Config\b", re.MULTILINE)
_ITS_SECRETS = re.compile(
    r"(?:key-data|token|password|secret)['\"]?\s*:\s*['\"]?([^\s'\",}]+)", re.IGNORECASE
)


def _secret_parts(value: str) -> list[str]:
    """What is secret in what a reference names: all of it, but of a kubeconfig its keys alone.

    The rest of one (``kind: Config``, the server's address) is ordinary text of every report.
    """
    if not _KUBECONFIG.search(value):
        return [value]
    found = _ITS_SECRETS.findall(value)
    for part in tuple(found):
        with suppress(ValueError):  # a token is no base64 of text
            found.append(base64.b64decode(part, validate=True).decode())
    return found


def spellings(value: str) -> set[str]:
    """The ways in which a secret travels: plain, in URLs, JSON, XML, Basic credentials."""
    found = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]}
    found |= {escape(value), escape(value, quote=False)}
    raw = value.encode()
    found |= {spelling.encode().decode("latin-1") for spelling in found}  # as bytes are searched
    # base64 of a text that ends in the secret ("user:secret"), at each of the three alignments;
    # the first characters depend on what stands before it, so they are left out.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        core = encoded[-(-shift * 8 // 6) :]
        found.add(core[:-1] if len(core) > SHORTEST else core)
    return {spelling for spelling in found if len(spelling) >= SHORTEST}


class Redactor:
    """Replaces every registered secret in text by `MASK`."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Redact ``value`` from now on; each line of a multi-line secret (a key) counts."""
        for part in {value, *value.splitlines()}:
            if len(part) >= SHORTEST and not part.startswith("-----"):
                self._values |= spellings(part)
        self._pattern = None

    @property
    def longest(self) -> int:
        """Length of the longest spelling, in characters; what a stream must hold back."""
        return max(map(len, self._values), default=0)

    def _compiled(self) -> re.Pattern[str] | None:
        if self._pattern is None and self._values:
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern

    def text(self, text: str) -> str:
        pattern = self._compiled()
        return pattern.sub(MASK, text) if pattern else text

    def data(self, data: bytes) -> bytes:
        """Redact bytes, without caring for their encoding."""
        return self.text(data.decode("latin-1")).encode("latin-1") if self._values else data

    def found_in(self, data: bytes) -> bool:
        pattern = self._compiled()
        return bool(pattern and pattern.search(data.decode("latin-1")))


#: The process's redactor; whatever resolves a secret adds to it.
redactor = Redactor()


def learn(inventory: Inventory) -> None:
    """Have every secret that ``inventory`` names redacted, as far as it can be read now."""
    references = [account.key for host in inventory.hosts.values() for account in host.accounts]
    for system in inventory.systems.values():
        references += system.secrets.values()
        for installed in (system.install, system.platform, system.openvidu):
            references += installed.references() if installed else ()
    for reference in references:
        if reference is not None and not reference.startswith("agent:"):
            try:
                resolve(reference)
            except SecretUnavailable:
                continue  # whoever needs it will say so; what cannot be read cannot leak
