"""What an inventory says about a Jenkins that is to be installed: ``systems.jenkins.install``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from blueprints.config import Model
from blueprints.errors import Unshown
from lab.references import Reference

#: What becomes a file's name on the host, and a variable's in the configuration.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_SHA256 = r"^[0-9a-f]{64}$"
_LISTEN = r"^[^\s:/]+:[0-9]{1,5}$"


def _check_place(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme in ("http", "https") and parts.hostname:
        if parts.username or parts.password:
            raise Unshown("a place holds no credentials")
    elif not value.startswith(("/", "~/")):
        raise ValueError("a place reads http(s)://HOST/… or is an absolute path on this machine")
    return value


Place = Annotated[str, AfterValidator(_check_place)]


class War(Model):
    """Jenkins itself; ``at``: a URL, or a path on the machine that deploys."""

    at: Place
    sha256: str = Field(pattern=_SHA256)


class PluginFiles(Model):
    """Where plugins come from: ``at`` is a place with ``{name}`` and ``{version}`` in it.

    ``sums``: a file as ``sha256sum`` writes it, which names the last part of each place.
    ``also``: more plugins, NAME → version; what those of a site depend on must be among them.
    """

    at: Place
    sums: Path
    also: dict[Name, str] = Field(default_factory=dict)

    @field_validator("at")
    @classmethod
    def _of_each(cls, value: str) -> str:
        if "{name}" not in value or re.search(r"\{(?!name\}|version\})", value):
            raise ValueError("the plugins' place holds {name}, and {version} if need be")
        return value

    def place(self, name: str, version: str) -> str:
        return self.at.replace("{name}", name).replace("{version}", version)


class Credential(Model):
    """A credential for jobs, one of: ``text``; ``file``; ``user`` with ``password`` or ``key``."""

    text: Reference | None = None
    file: Reference | None = None
    user: str | None = None
    password: Reference | None = None
    key: Reference | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Credential:
        given = frozenset(self.model_dump(exclude_none=True))
        kinds = ({"text"}, {"file"}, {"user", "password"}, {"user", "key"})
        if given not in kinds:
            raise ValueError(
                "a credential is {text: REF}, {file: REF}, {user: NAME, password: REF} "
                f"or {{user: NAME, key: REF}}; found {', '.join(sorted(given)) or 'nothing'}"
            )
        return self

    @property
    def reference(self) -> str:
        """The reference to its secret part."""
        return self.text or self.file or self.password or self.key or ""


class JenkinsInstall(Model):
    """A Jenkins to install. Secrets stand here by reference.

    ``agents``: host → labels of the agent there; it logs in as the host's last account, and
    works below ``agent_directory``. ``admins`` and ``readers``: account → password.
    ``labs``: those whose jobs this master runs, besides the inventory's own.
    ``resource_root``: the URL of its second name, which serves reports. ``listen``: ADDRESS:PORT
    on the host, where that is not the endpoint's (behind a proxy that ends TLS).
    """

    war: War
    plugins: PluginFiles
    agents: dict[str, tuple[Name, ...]] = Field(min_length=1)
    agent_directory: str = Field(default="/home/{account}/iec4-agent", pattern="^/")
    admins: dict[Name, Reference] = Field(default_factory=dict)
    readers: dict[Name, Reference] = Field(default_factory=dict)
    credentials: dict[Name, Credential] = Field(default_factory=dict)
    labs: tuple[str, ...] = ()
    resource_root: str | None = None
    listen: str | None = Field(default=None, pattern=_LISTEN)

    @field_validator("resource_root")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("the resource root reads http(s)://HOST")
        return value

    def references(self) -> list[str]:
        """Every secret that it names."""
        credentials = (credential.reference for credential in self.credentials.values())
        return [*self.admins.values(), *self.readers.values(), *credentials]
