"""Who may call the HTTP API: the loopback's own, and whoever has a token or logged in.

As recorded from TarsWeb 3.0.15, but for its mistakes: it believes the header X-Forwarded-For,
and accepts a token after it has expired and after it was switched off. These are faults here,
so that the criteria on them can be proven. Tokens are kept as their SHA-256.
"""

from __future__ import annotations

import secrets
from hashlib import scrypt, sha256

from lab.faultflags import FaultFlags
from lab.tars.embedded.store import Row, Store, now

#: Peers that need no log-in; exactly these, not the whole of 127.0.0.0/8.
WHITE_LIST = ("127.0.0.1", "localhost")
ADMIN = "admin"
_NEVER = "9999-12-31 23:59:59"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS token (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, digest TEXT NOT NULL UNIQUE,
    valid INTEGER NOT NULL, expire_time TEXT NOT NULL, update_time TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ticket (digest TEXT PRIMARY KEY, uid TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS user (uid TEXT PRIMARY KEY, salt BLOB NOT NULL, digest BLOB NOT NULL);
"""


class Access:
    """Users, tokens and tickets of a platform."""

    def __init__(self, store: Store, flags: FaultFlags) -> None:
        self._store = store
        self._flags = flags
        store.define(_SCHEMA)

    def allowed(self, peer: str, forwarded_for: str, ticket: str | None) -> bool:
        """Whether a client may call: its address, the one that it claims, its token or ticket."""
        if forwarded_for and self._flags.active("tars.forwarded-trusted"):
            peer = forwarded_for
        return peer in WHITE_LIST or (ticket is not None and self._known(ticket))

    def _known(self, ticket: str) -> bool:
        digest = _digest(ticket)
        token = self._store.row("SELECT * FROM token WHERE digest = ?", digest)
        if token is not None:
            good = token["valid"] and token["expire_time"] >= now()
            return bool(good) or self._flags.active("tars.expired-accepted")
        return self._store.row("SELECT uid FROM ticket WHERE digest = ?", digest) is not None

    def add_token(self, uid: str, expire_time: str) -> Row:
        """Make a token; its row, with ``token`` in it this once."""
        token = secrets.token_hex(20)
        return {**self._keep(token, uid, expire_time), "token": token}

    def have_token(self, token: str) -> None:
        """Keep a token that somebody else made; one that is known is left as it is."""
        if self._store.row("SELECT id FROM token WHERE digest = ?", _digest(token)) is None:
            self._keep(token, ADMIN, _NEVER)

    def _keep(self, token: str, uid: str, expire_time: str) -> Row:
        return self._store.insert(
            "token",
            {
                "uid": uid,
                "digest": _digest(token),
                "valid": 1,
                "expire_time": expire_time,
                "update_time": now(),
            },
        )

    def switch_token(self, token: str, *, valid: bool) -> None:
        """Mark a token; it is accepted all the same."""
        self._store.write("UPDATE token SET valid = ? WHERE digest = ?", valid, _digest(token))

    def delete_token(self, token_id: object) -> None:
        """Forget the token of that number."""
        self._store.write("DELETE FROM token WHERE id = ?", token_id)

    def has_password(self, uid: str) -> bool:
        return self._store.row("SELECT uid FROM user WHERE uid = ?", uid) is not None

    def set_password(self, uid: str, password: str) -> None:
        salt = secrets.token_bytes(16)
        row = {"uid": uid, "salt": salt, "digest": _hardened(password, salt)}
        self._store.insert("user", row)

    def log_in(self, uid: str, password: str) -> str | None:
        """A ticket for a user; None when user or password are wrong."""
        user = self._store.row("SELECT * FROM user WHERE uid = ?", uid)
        if user is None or not secrets.compare_digest(
            user["digest"], _hardened(password, user["salt"])
        ):
            return None
        ticket = secrets.token_hex(20)
        self._store.insert("ticket", {"digest": _digest(ticket), "uid": uid})
        return ticket


def _digest(ticket: str) -> str:
    return sha256(ticket.encode()).hexdigest()


def _hardened(password: str, salt: bytes) -> bytes:
    return scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)
