"""Who may do what: accounts with passwords and API tokens, sessions and crumbs, permissions."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: The permissions of whoever may only read. An administrator has them all.
READER = frozenset({"Hudson.Read", "Item.Read", "View.Read"})


class WrongCredentials(Exception):
    """The request names a user that does not exist, or a wrong password or token."""


@dataclass(frozen=True)
class Account:
    """``role``: admin or reader. At least one of ``password`` and ``token`` opens it."""

    name: str
    role: Literal["admin", "reader"]
    password: str | None = None
    token: str | None = None

    def may(self, permission: str) -> bool:
        return self.role == "admin" or permission in READER


@dataclass(frozen=True)
class Caller:
    """Who a request comes from; ``account`` None: anonymous. With a token no crumb is needed."""

    account: Account | None
    by_token: bool = False

    @property
    def name(self) -> str:
        return self.account.name if self.account else "anonymous"

    def may(self, permission: str) -> bool:
        return self.account is not None and self.account.may(permission)


class Accounts:
    """The accounts of a file: ``{NAME: {"role": …, "password": …, "token": …}}``."""

    def __init__(self, file: Path) -> None:
        self._accounts = {
            name: Account(name, **given) for name, given in json.loads(file.read_text()).items()
        }
        self._crumb_key = secrets.token_bytes(32)

    def caller(self, authorization: str | None) -> Caller:
        """Who an Authorization header names. Raises `WrongCredentials`."""
        if authorization is None:
            return Caller(None)
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return Caller(None)
        try:
            user, _, given = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise WrongCredentials from None
        account = self._accounts.get(user)
        if account is None:
            raise WrongCredentials
        if account.token is not None and _same(account.token, given):
            return Caller(account, by_token=True)
        if account.password is not None and _same(account.password, given):
            return Caller(account)
        raise WrongCredentials

    def crumb(self, caller: Caller, session: str) -> str:
        """The crumb of a user in a session: 64 hexadecimal digits."""
        bound = f"{caller.name}\0{session}".encode()
        return hmac.new(self._crumb_key, bound, "sha256").hexdigest()

    def crumb_fits(self, caller: Caller, headers: Mapping[str, str], session: str | None) -> bool:
        """Whether a POST may go on: it brings a token, or its own session's crumb."""
        if caller.by_token:
            return True
        given = headers.get("Jenkins-Crumb")
        if given is None or session is None:
            return False
        return _same(self.crumb(caller, session), given)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
