"""Hosts over SSH, by paramiko."""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import secrets
import select
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import paramiko

from lab.errors import CommandTimeout, HostError, HostUnreachable, TransferCorrupted
from lab.host import connection
from lab.host.base import CommandResult, Host
from lab.host.forward import Stream, forward
from lab.host.output import Output
from lab.inventory import Account, HostEntry

#: Channels at once on one connection; sshd's own limit (MaxSessions) is 10.
_CHANNELS = 8
#: How long an answer to one SSH or SFTP request may take, seconds.
_REQUEST_TIMEOUT = 30.0
#: After its time-out a command gets TERM, this many seconds later KILL.
_KILL_AFTER = 1
#: What the host may need on top of that to report the end of a command that it killed.
_REPORT_GRACE = 2.0
#: A command has ended and its output is silent for so long: something that it left
#: behind holds the output open (a daemon that was not detached), and is not waited for.
_SILENCE = 1.0
_POLL = 0.2
#: OpenSSH takes SFTP packets of up to 256 KiB; every server takes requests of 32 KiB.
_SFTP_REQUEST = 32 * 1024

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Compares, sets the mode and moves into place, or removes; prints the checksum found.
_COMMIT = """
sum=$(sha256sum <"$1") || exit
sum=${sum%% *}
echo "$sum"
if [ "$sum" = "$3" ] && chmod "$4" "$1" && mv -fT "$1" "$2"; then exit 0; fi
rm -f "$1"
exit 1
"""


class SshHost(Host):
    """A host of the inventory, as one of its accounts (the first unless said).

    The connection opens on first use and stays; it may be used from several threads. When
    it was lost, the next command opens it again, once; a command that may have started is
    never run a second time. ``connect_timeout`` (seconds) replaces the inventory's.
    ``overflow``: where output goes that is too large for memory; without it only the last
    part is kept.
    """

    def __init__(
        self,
        name: str,
        entry: HostEntry,
        *,
        overflow: Path | None = None,
        account: Account | None = None,
        connect_timeout: float | None = None,
    ) -> None:
        self.name = name
        self.entry = entry
        self.account = account or next(iter(entry.accounts), None)
        self._overflow = overflow
        self._connect_timeout = connect_timeout or entry.connect_timeout
        self._open: paramiko.Transport | None = None
        self._opening = threading.Lock()
        self._slots = threading.BoundedSemaphore(_CHANNELS)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 30.0,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        sudo: bool = False,
    ) -> CommandResult:
        if sudo and not self.entry.sudo:
            raise HostError(
                f"a command on {self.name} needs sudo: {shlex.join(argv)[:80]}",
                found=f"sudo is not allowed by the inventory (hosts.{self.name}.sudo)",
                expected="sudo: true, and an account that may run sudo without a password",
                advice="allow it in the inventory if the lab's owner agrees",
            )
        line = _command_line(argv, timeout=timeout, env=env or {}, sudo=sudo)
        with self._channel() as channel:
            started = time.monotonic()
            self._start(channel, line)
            if stdin is None:
                with suppress(EOFError, OSError, paramiko.SSHException):
                    channel.shutdown_write()  # a connection lost here shows below
            else:
                threading.Thread(target=_feed, args=(channel, stdin), daemon=True).start()
            outputs = (
                Output(self._overflow, self.name, "stdout"),
                Output(self._overflow, self.name, "stderr"),
            )
            try:
                _collect(channel, *outputs, until=started + timeout + _KILL_AFTER + _REPORT_GRACE)
            finally:
                (stdout, stdout_file), (stderr, stderr_file) = (o.close() for o in outputs)
            duration = time.monotonic() - started
            status = channel.exit_status if channel.exit_status_ready() else -1
            alive = channel.get_transport().is_active()
        result = CommandResult(
            self.name, tuple(argv), status, stdout, stderr, duration, stdout_file, stderr_file
        )
        self._check_ended(result, timeout, alive=alive)
        return result

    def _check_ended(self, result: CommandResult, timeout: float, *, alive: bool) -> None:
        killed = result.status in (124, 128 + 9, 128 + 15)
        late = result.duration_s >= timeout
        if (killed or result.status == -1) and late and alive:
            raise CommandTimeout(
                f"{result.display} on {self.name} ran past its time-out",
                found=f"no end within {timeout:g} s; {result.last_line}"
                if result.stdout or result.stderr
                else f"no end and no output within {timeout:g} s",
                advice=f"it was ended on {self.name}"
                if killed
                else f"{self.name} does not say that it ended it; its own time-out will",
                evidence=result.text + result.error_text,
            )
        if result.status == -1:
            raise HostUnreachable(
                f"{self.name} was lost while {result.display} ran",
                found="the connection ended" if not alive else "no exit status",
                expected="its exit status",
                advice="it is not known how far the command came; it was not run again",
                evidence=result.text + result.error_text,
            )

    def _start(self, channel: paramiko.Channel, line: str) -> None:
        # exec_command waits without a limit; closing the channel ends that.
        watchdog = threading.Timer(_REQUEST_TIMEOUT, channel.close)
        watchdog.daemon = True
        watchdog.start()
        try:
            channel.exec_command(line)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise HostUnreachable(
                f"{self.name} did not start a command",
                found=str(error) or "the connection ended",
                expected=f"an answer within {_REQUEST_TIMEOUT:g} s",
                advice="it is not known whether the command ran; it was not run again",
            ) from error
        finally:
            watchdog.cancel()

    def put(self, source: Path | bytes, remote: str, *, mode: int = 0o644) -> str:
        directory, base = posixpath.split(remote)
        unfinished = posixpath.join(directory, f".{base}.{secrets.token_hex(4)}.part")
        with self._sftp(f"write {remote}") as sftp, _opened(source) as content:
            try:
                digest = _upload(sftp, content, unfinished)
            except BaseException:
                with suppress(OSError, paramiko.SSHException, EOFError):
                    sftp.remove(unfinished)
                raise
        commit = ["sh", "-c", _COMMIT, "sh", unfinished, remote, digest, f"{mode:o}"]
        result = self.run(commit, timeout=120)
        found = result.text.strip()
        if found and found != digest:
            raise TransferCorrupted(
                f"{remote} arrived damaged on {self.name}",
                found=f"SHA-256 {found}",
                expected=f"SHA-256 {digest}",
                advice="it was removed there; check the host's disk, and copy again",
            )
        result.check()
        return digest

    def get(self, remote: str, local: Path) -> str:
        unfinished = local.with_name(f".{local.name}.{secrets.token_hex(4)}.part")
        try:
            with self._sftp(f"read {remote}") as sftp, unfinished.open("wb") as file:
                size, digest = _download(sftp, remote, file)
            # Only what was read is compared: a log may have grown since.
            script = 'head -c "$2" <"$1" | sha256sum'
            there = self.run(["sh", "-c", script, "sh", remote, str(size)], timeout=120)
            found = there.check().text.split()[0]
            if found != digest:
                raise TransferCorrupted(
                    f"{remote} of {self.name} arrived damaged",
                    found=f"SHA-256 {digest}",
                    expected=f"SHA-256 {found}",
                    advice="the file may have been written meanwhile; copy it again",
                )
            unfinished.replace(local)
        finally:
            unfinished.unlink(missing_ok=True)
        return digest

    def tunnel(self, port: int, *, address: str = "127.0.0.1") -> AbstractContextManager[int]:
        def open_stream() -> Stream:
            return self._open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0))

        return forward(open_stream)

    def close(self) -> None:
        with self._opening:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _transport(self, lost: paramiko.Transport | None = None) -> paramiko.Transport:
        """The open connection, opened anew when there is none or it is ``lost``."""
        with self._opening:
            if self._open is not None and (self._open is lost or not self._open.is_active()):
                self._open.close()
                self._open = None
            if self._open is None:
                self._open = connection.connect(
                    self.name, self.entry, self.account, timeout=self._connect_timeout
                )
            return self._open

    def _open_channel(
        self,
        kind: str = "session",
        to: tuple[str, int] | None = None,
        origin: tuple[str, int] | None = None,
    ) -> paramiko.Channel:
        lost = None
        for last_try in (False, True):
            transport = self._transport(lost)
            try:
                channel = transport.open_channel(kind, to, origin, timeout=_REQUEST_TIMEOUT)
            except paramiko.ChannelException as error:
                raise HostError(
                    f"{self.name} refused {'a tunnel' if to else 'a command channel'}",
                    found=error.text,
                    expected="an open channel",
                ) from error
            except (paramiko.SSHException, EOFError, OSError) as error:
                if last_try:
                    raise HostUnreachable(
                        f"{self.name} opened no channel", found=str(error) or "connection ended"
                    ) from error
                lost = transport
            else:
                channel.settimeout(_REQUEST_TIMEOUT)
                return channel
        raise AssertionError  # the second turn returns or raises

    @contextmanager
    def _channel(self) -> Iterator[paramiko.Channel]:
        with self._slots:
            channel = self._open_channel()
            try:
                yield channel
            finally:
                channel.close()

    @contextmanager
    def _sftp(self, purpose: str) -> Iterator[paramiko.SFTPClient]:
        with self._channel() as channel:
            watchdog = threading.Timer(_REQUEST_TIMEOUT, channel.close)
            watchdog.daemon = True
            watchdog.start()
            try:
                channel.invoke_subsystem("sftp")
                sftp = paramiko.SFTPClient(channel)
                watchdog.cancel()
                yield sftp
            except (paramiko.SSHException, EOFError, TimeoutError) as error:
                raise HostUnreachable(
                    f"{self.name} was lost: could not {purpose}",
                    found=str(error) or "the connection ended",
                ) from error
            except OSError as error:
                raise HostError(
                    f"{self.name}: could not {purpose}", found=error.strerror or str(error)
                ) from error
            finally:
                watchdog.cancel()


def _command_line(
    argv: Sequence[str], *, timeout: float, env: Mapping[str, str], sudo: bool
) -> str:
    """A POSIX shell line that ends itself on the host when the time is over.

    coreutils' ``timeout`` signals its whole process group, which closing a channel does
    not do with OpenSSH. The shell turns death by signal n into status 128 + n, and what
    it says about that goes nowhere; stdout and stderr are the command's own.
    """
    for name in env:
        if not _ENV_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name an environment variable")
    words = ["timeout", "-k", str(_KILL_AFTER), f"{max(timeout, 0.001):.3f}"]
    if env:
        words += ["env", *(f"{name}={value}" for name, value in env.items())]
    if sudo:
        words = ["sudo", "-n", "--", *words]
    # In a subshell, because dash says what killed a command on the command's own stderr.
    return f"exec 3>&2 2>/dev/null; (exec {shlex.join([*words, *argv])} 2>&3 3>&-); exit $?"


def _feed(channel: paramiko.Channel, data: bytes) -> None:
    # A command may end, or close its input, before it has read everything.
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel.settimeout(None)
        channel.sendall(data)
        channel.shutdown_write()


def _collect(channel: paramiko.Channel, stdout: Output, stderr: Output, *, until: float) -> None:
    """Read both streams until the command has ended, or ``until`` (monotonic seconds)."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    last_data = time.monotonic()
    while (now := time.monotonic()) < until:
        poll.poll(min(_POLL, until - now) * 1000)
        # Asked before reading: what comes between a look at the streams and the end is read, too.
        ended = channel.eof_received or channel.closed
        while channel.recv_ready():
            stdout.write(channel.recv(1 << 16))
            last_data = time.monotonic()
        while channel.recv_stderr_ready():
            stderr.write(channel.recv_stderr(1 << 16))
            last_data = time.monotonic()
        if ended:
            channel.status_event.wait(max(until - time.monotonic(), 0))
            return
        if channel.exit_status_ready() and time.monotonic() - last_data > _SILENCE:
            return


@contextmanager
def _opened(source: Path | bytes) -> Iterator[BinaryIO]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        yield file


def _upload(sftp: paramiko.SFTPClient, content: BinaryIO, remote: str) -> str:
    """Write without waiting for each answer; returns the SHA-256 of what was sent."""
    try:
        file = sftp.open(remote, "wb")
    except FileNotFoundError:
        _make_parents(sftp, remote)
        file = sftp.open(remote, "wb")
    digest = hashlib.sha256()
    with file:
        file.set_pipelined(True)
        while piece := content.read(_SFTP_REQUEST):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _make_parents(sftp: paramiko.SFTPClient, remote: str) -> None:
    parents = []
    while (parent := posixpath.dirname(remote)) not in ("", "/"):
        parents.append(parent)
        remote = parent
    for parent in reversed(parents):
        with suppress(OSError):  # it is there; if it is not, opening the file says why
            sftp.mkdir(parent)


def _download(sftp: paramiko.SFTPClient, remote: str, local: BinaryIO) -> tuple[int, str]:
    digest = hashlib.sha256()
    with sftp.open(remote, "rb") as file:
        size = file.stat().st_size or 0
        file.prefetch(size, max_concurrent_requests=64)
        while piece := file.read(_SFTP_REQUEST):
            digest.update(piece)
            local.write(piece)
    return local.tell(), digest.hexdigest()
