"""Where a Jenkins is, and as whom one speaks to it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from blueprints.errors import ConfigError

#: Where the token is looked for when no reference is given.
TOKEN = "JENKINS_TOKEN"  # noqa: S105  a variable's name


@dataclass(frozen=True)
class Access:
    """``url`` may have a context path; ``token`` is a reference (env: or file:) to an API token,
    or to a password; ``ca`` vouches for the server instead of the machine's own CAs."""

    url: str
    user: str | None = None
    token: str | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("Jenkins needs a URL: http(s)://HOST[:PORT][/PATH]")
        if parts.username or parts.password:
            raise ConfigError("no credentials in Jenkins' URL; give --user and --token REFERENCE")
        if parts.query or parts.fragment:
            raise ConfigError(f"Jenkins' URL ends with its path; found {self.url}")
        if (self.user is None) != (self.token is None):
            given, missing = ("a user", "--token") if self.user else ("a token", "--user")
            raise ConfigError(f"{given} alone does not log in; give {missing} too")

    @property
    def base(self) -> str:
        """The URL with its last slash, below which all paths lie."""
        return self.url.rstrip("/") + "/"


def access(
    url: str | None, user: str | None = None, token: str | None = None, ca: Path | None = None
) -> Access:
    """What a person or the environment says; raises `ConfigError` when it is not enough."""
    if not url:
        raise ConfigError("which Jenkins? give --jenkins URL, or set JENKINS_URL")
    if token is None and user is not None and TOKEN in os.environ:
        token = f"env:{TOKEN}"
    return Access(url, user, token, ca)


def job_path(name: str) -> str:
    """``a/b`` in a folder as the path of its URL, with the last slash: ``job/a/job/b/``."""
    parts = name.strip("/").split("/")
    if not all(part.strip() and part not in (".", "..") for part in parts):
        raise ConfigError(f"{name!r} is no job's name; in a folder it is FOLDER/NAME")
    return "".join(f"job/{quote(part, safe='')}/" for part in parts)
