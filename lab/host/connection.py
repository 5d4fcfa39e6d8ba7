"""Opening an SSH connection: reach the server, verify its key, log in; or only try to.

paramiko's `Transport` is used as it is: it reads no configuration, no ``known_hosts``,
no key file and asks no agent by itself, so nothing but what the inventory names is tried.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import paramiko

from blueprints.errors import ConfigError
from lab.errors import HostKeyMismatch, HostUnreachable, LoginRefused
from lab.host import keys
from lab.inventory import Account, HostEntry

#: AES-GCM needs no separate MAC: twice as fast here as paramiko's first choice.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
#: A peer that acknowledges nothing for so long is gone (TCP_USER_TIMEOUT).
_PEER_GONE_MS = 20_000
_KEEPALIVE_S = 15
#: Bytes that may be under way in each direction of a channel.
_WINDOW = 8 * 1024 * 1024

# Every failure reaches the caller as an exception; paramiko would log its traceback as well.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class _Deadline:
    """One time-out for all that opening a connection takes."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._end = time.monotonic() + timeout

    def left(self) -> float:
        """Seconds left; never 0, which would mean "do not wait" or "for ever"."""
        return max(self._end - time.monotonic(), 0.001)

    @property
    def over(self) -> bool:
        """Whether it has come, or is so near that waiting for it was what failed."""
        return self.left() < 0.05


def connect(
    name: str, entry: HostEntry, account: Account | None, *, timeout: float
) -> paramiko.Transport:
    """An authenticated connection to a host whose key is the pinned one.

    ``timeout``: seconds for all of it. Raises `ConfigError` for what the inventory leaves
    open, `HostUnreachable`, `HostKeyMismatch`, `LoginRefused`.
    """
    if entry.host_key is None:
        raise ConfigError(f"hosts.{name}.host_key is missing; ./iec4 lab check says how to get it")
    if account is None or account.key is None:
        raise ConfigError(f"hosts.{name}.accounts names no account with a key")
    key = keys.load(account.key)
    deadline = _Deadline(timeout)
    transport = _reach(name, entry, deadline)
    try:
        _verify(name, entry.host_key, _presented(transport))
        if not _accepts(name, entry, transport, deadline, account.name, key=key):
            raise LoginRefused(
                f"{name} refused the account {account.name}",
                found=f"its key {account.key} was refused",
                expected=f"{keys.fingerprint(_public(key))} among the account's authorized keys",
                advice="have the key authorized on the host, or correct the inventory",
            )
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(_KEEPALIVE_S)
    return transport


@dataclass(frozen=True)
class LoginAttempt:
    """What a host's SSH server did with one login.

    ``methods``: the authentication methods that it offered (empty when it asked for none).
    ``host_key``: the public key that it presented, which is *not* verified here.
    """

    user: str
    accepted: bool
    methods: tuple[str, ...]
    host_key: str

    @property
    def outcome(self) -> str:
        return "accepted" if self.accepted else "refused"

    @property
    def fingerprint(self) -> str:
        """Of the key that was presented, as ``ssh-keygen -l`` shows it."""
        return keys.fingerprint(self.host_key)


def try_login(
    name: str,
    entry: HostEntry,
    *,
    user: str,
    key: keys.Key | None = None,
    password: str | None = None,
    timeout: float | None = None,
) -> LoginAttempt:
    """Try to log in, and say what happened: a refusal is a result, not an error.

    With neither ``key`` nor ``password`` no credential is offered. A password is also
    offered as the answer to a keyboard-interactive question. ``timeout``: seconds, by
    default the host's ``connect_timeout``. Raises `HostUnreachable`.
    """
    deadline = _Deadline(timeout or entry.connect_timeout)
    methods: tuple[str, ...] = ()
    with closing(_reach(name, entry, deadline)) as transport:
        with _lost_is_unreachable(name, entry, transport, deadline):
            try:
                transport.auth_none(user)
            except paramiko.BadAuthenticationType as refusal:
                methods = tuple(refusal.allowed_types)
        if transport.is_authenticated() or (key is None and password is None):
            accepted = transport.is_authenticated()
            return LoginAttempt(user, accepted, methods, _presented(transport))
    # On a connection of its own: paramiko asks for the authentication service before each
    # attempt, and a server may end a connection that asks twice.
    with closing(_reach(name, entry, deadline)) as transport:
        accepted = _accepts(name, entry, transport, deadline, user, key=key, password=password)
        return LoginAttempt(user, accepted, methods, _presented(transport))


def _reach(name: str, entry: HostEntry, deadline: _Deadline) -> paramiko.Transport:
    """TCP, banner and key exchange; the server's key is known then, not verified."""
    if entry.address is None:
        raise ConfigError(f"hosts.{name}.address is missing")
    try:
        sock = socket.create_connection((entry.address, entry.port), timeout=deadline.left())
    except OSError as error:
        raise _unreachable(name, entry, deadline, error) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _PEER_GONE_MS)
    transport = paramiko.Transport(sock, default_window_size=_WINDOW)
    transport.banner_timeout = transport.handshake_timeout = deadline.left()
    options = transport.get_security_options()
    options.ciphers = _CIPHERS
    options.key_types = _pinned_type_first(tuple(options.key_types), entry.host_key)
    try:
        transport.start_client(timeout=deadline.left())
        if not transport.initial_kex_done:
            raise TimeoutError
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise _unreachable(name, entry, deadline, error) from error
    except BaseException:
        transport.close()
        raise
    return transport


def _pinned_type_first(known: tuple[str, ...], pinned: str | None) -> tuple[str, ...]:
    """A server with keys of several types then presents the pinned one, as OpenSSH has it."""
    kind = pinned.split()[0] if pinned else ""
    wanted = ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)
    return tuple(sorted(known, key=lambda name: name not in wanted))


def _presented(transport: paramiko.Transport) -> str:
    return _public(transport.get_remote_server_key())


def _public(key: keys.Key) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def _verify(name: str, pinned: str, presented: str) -> None:
    if not keys.same_public(pinned, presented):
        raise HostKeyMismatch(
            f"{name} presented another host key than the pinned one",
            found=keys.fingerprint(presented),
            expected=keys.fingerprint(pinned),
            advice="nothing was sent to it; if the host was set up anew, compare the key on its "
            "console and correct the inventory, else somebody stands between",
        )


def _accepts(
    name: str,
    entry: HostEntry,
    transport: paramiko.Transport,
    deadline: _Deadline,
    user: str,
    *,
    key: keys.Key | None = None,
    password: str | None = None,
) -> bool:
    with _lost_is_unreachable(name, entry, transport, deadline):
        try:
            if key is not None:
                transport.auth_publickey(user, key)
            elif password is not None:
                transport.auth_password(user, password)
        except paramiko.BadAuthenticationType:
            return False  # the server does not take this kind of credential at all
    return transport.is_authenticated()


@contextmanager
def _lost_is_unreachable(
    name: str, entry: HostEntry, transport: paramiko.Transport, deadline: _Deadline
) -> Iterator[None]:
    """A refusal passes silently; no answer, or the end of the connection, does not.

    paramiko raises `AuthenticationException` for all of them.
    """
    transport.auth_timeout = deadline.left()
    try:
        yield
    except paramiko.BadAuthenticationType:
        raise
    except paramiko.AuthenticationException as error:
        if not transport.is_active() or deadline.over:
            raise _unreachable(name, entry, deadline, error) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise _unreachable(name, entry, deadline, error) from error


def _unreachable(
    name: str, entry: HostEntry, deadline: _Deadline, error: Exception
) -> HostUnreachable:
    cause = error.__cause__ or error.__context__ or error
    if deadline.over or isinstance(error, TimeoutError):
        found = f"no answer within {deadline.timeout:g} s"
    elif isinstance(cause, EOFError) or isinstance(error, EOFError) or "EOF" in str(error):
        found = "the connection was closed before the login"
    elif isinstance(error, OSError):
        found = error.strerror or str(error)
    else:
        found = str(error)
    return HostUnreachable(
        f"{name} cannot be reached",
        found=f"{found} ({entry.address}:{entry.port})",
        expected="an SSH server",
        advice="check that the host is up and the address and port in the inventory are right",
    )
