"""This machine as a host: the same contract as over SSH, by child processes."""

from __future__ import annotations

import hashlib
import os
import secrets
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO

from lab.errors import CommandTimeout, HostError
from lab.host.base import CommandResult, Host
from lab.host.forward import Stream, forward
from lab.host.output import Output

_PIECE = 64 * 1024
_KILL_AFTER = 1.0
_CONNECT_TIMEOUT = 5.0
#: See `lab.host.ssh`: a command's left-behind child may hold its output open.
_SILENCE = 1.0
_POLL = 0.2


class LocalHost(Host):
    """This machine, with ``home`` as the account's home directory.

    ``sudo`` says whether commands may use it; ``overflow`` is as in `SshHost`.
    """

    def __init__(
        self,
        name: str = "localhost",
        *,
        home: Path | None = None,
        sudo: bool = False,
        overflow: Path | None = None,
    ) -> None:
        self.name = name
        self.home = home or Path.home()
        self._sudo = sudo
        self._overflow = overflow

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 30.0,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        sudo: bool = False,
    ) -> CommandResult:
        if sudo and not self._sudo:
            raise HostError(
                f"a command on {self.name} needs sudo: {shlex.join(argv)[:80]}",
                found="sudo is not allowed here",
                expected="an account that may run sudo without a password",
            )
        line = ["sudo", "-n", "--", *argv] if sudo else list(argv)
        started = time.monotonic()
        stdout = Output(self._overflow, self.name, "stdout")
        stderr = Output(self._overflow, self.name, "stderr")
        try:
            process = subprocess.Popen(
                line,
                cwd=self.home,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            # As a shell says it: 127 for what is not there, 126 for what cannot be run.
            status = 127 if isinstance(error, FileNotFoundError) else 126
            stderr.write(f"{argv[0]}: {error.strerror}\n".encode())
            ended = True
        else:
            try:
                ended = _converse(process, stdin or b"", stdout, stderr, until=started + timeout)
            finally:
                status = _end(process)
        (out, out_file), (err, err_file) = stdout.close(), stderr.close()
        duration = time.monotonic() - started
        result = CommandResult(
            self.name, tuple(argv), status, out, err, duration, out_file, err_file
        )
        if not ended:
            raise CommandTimeout(
                f"{result.display} on {self.name} ran past its time-out",
                found=f"no end within {timeout:g} s; {result.last_line}",
                advice="it was ended",
                evidence=result.text + result.error_text,
            )
        return result

    def put(self, source: Path | bytes, remote: str, *, mode: int = 0o644) -> str:
        target = self.home / remote
        unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                unfinished.write_bytes(source)
            else:
                shutil.copyfile(source, unfinished)
            unfinished.chmod(mode)
            unfinished.replace(target)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise HostError(
                f"{self.name}: could not write {remote}", found=error.strerror
            ) from error
        return _sha256(target)

    def get(self, remote: str, local: Path) -> str:
        unfinished = local.with_name(f".{local.name}.{secrets.token_hex(4)}.part")
        try:
            shutil.copyfile(self.home / remote, unfinished)
            unfinished.replace(local)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise HostError(
                f"{self.name}: could not read {remote}", found=error.strerror
            ) from error
        return _sha256(local)

    def tunnel(self, port: int, *, address: str = "127.0.0.1") -> AbstractContextManager[int]:
        def open_stream() -> Stream:
            stream = socket.create_connection((address, port), timeout=_CONNECT_TIMEOUT)
            stream.settimeout(None)
            return stream

        return forward(open_stream)

    def close(self) -> None:
        """Nothing is open between calls."""


def _converse(
    process: subprocess.Popen[bytes], stdin: bytes, stdout: Output, stderr: Output, *, until: float
) -> bool:
    """Feed and read a process; returns whether it ended before ``until`` (monotonic seconds)."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("subprocess gave a process no pipes")
    left = memoryview(stdin)
    last_data = time.monotonic()
    with selectors.DefaultSelector() as ready:
        os.set_blocking(process.stdin.fileno(), False)
        ready.register(process.stdin, selectors.EVENT_WRITE)
        ready.register(process.stdout, selectors.EVENT_READ, stdout)
        ready.register(process.stderr, selectors.EVENT_READ, stderr)

        def drop(stream: IO[bytes]) -> None:
            ready.unregister(stream)
            stream.close()

        while ready.get_map():
            now = time.monotonic()
            if now >= until:
                return False
            if process.poll() is not None and now - last_data > _SILENCE:
                return True
            for key, _ in ready.select(min(_POLL, until - now)):
                last_data = time.monotonic()
                stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
                if stream is process.stdin:
                    left = left[_write(process.stdin, left) :]
                    if not left:
                        drop(stream)
                elif data := os.read(stream.fileno(), _PIECE):
                    key.data.write(data)
                else:
                    drop(stream)
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(until - time.monotonic(), 0))
    return process.poll() is not None


def _write(pipe: IO[bytes], data: memoryview) -> int:
    """How many bytes the process took; all of them when it wants no more."""
    try:
        return os.write(pipe.fileno(), data[:_PIECE]) if data else 0
    except BrokenPipeError:
        return len(data)


def _end(process: subprocess.Popen[bytes]) -> int:
    """End what still runs of a process's group if the process does; its status as a shell's."""
    for number, patience in ((signal.SIGTERM, _KILL_AFTER), (signal.SIGKILL, None)):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    status = process.returncode
    return status if status >= 0 else 128 - status


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
