"""The one interface to a host, whatever carries it."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import CommandFailed

#: Bytes of each stream that a result keeps in memory; the rest lies in its file.
KEEP_BYTES = 256 * 1024


@dataclass(frozen=True)
class CommandResult:
    """What one command on one host did.

    ``stdout`` and ``stderr`` hold at most the last `KEEP_BYTES`; when there was more,
    ``stdout_file``/``stderr_file`` name a local file with all of it. ``status`` is the
    exit status, 128 + n when signal n ended the command.
    """

    host: str
    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes
    duration_s: float
    stdout_file: Path | None = None
    stderr_file: Path | None = None

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace")

    @property
    def error_text(self) -> str:
        return self.stderr.decode(errors="replace")

    @property
    def display(self) -> str:
        """The command as one line, cut to a readable length."""
        line = shlex.join(self.argv)
        return line if len(line) <= 120 else line[:117] + "..."

    @property
    def last_line(self) -> str:
        """The last non-empty line of stderr, else of stdout, for one-line messages."""
        for text in (self.error_text, self.text):
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines:
                return lines[-1]
        return "no output"

    def check(self, *, advice: str | None = None) -> CommandResult:
        """Return self; raise `CommandFailed` when the status is not 0."""
        if not self.ok:
            raise CommandFailed(self, advice=advice)
        return self


class Host(ABC):
    """A machine on which commands run and to which files are copied.

    Commands are argument lists, never shell strings: what needs a shell says so
    (``["sh", "-c", SCRIPT, "sh", arg, ...]``, with the arguments outside the script).
    Relative remote paths start at the account's home directory.
    """

    name: str

    @abstractmethod
    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 30.0,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        sudo: bool = False,
    ) -> CommandResult:
        """Run a command and return its result, whatever its status.

        Raises `HostUnreachable`, `HostKeyMismatch`, `LoginRefused`, or
        `CommandTimeout` after ``timeout`` seconds.
        """

    @abstractmethod
    def put(self, source: Path | bytes, remote: str, *, mode: int = 0o644) -> str:
        """Copy a file (or bytes) to the host, atomically; return its SHA-256 in hex.

        Raises `TransferCorrupted` when the other side computes another checksum.
        """

    @abstractmethod
    def get(self, remote: str, local: Path) -> str:
        """Copy a file from the host; return its SHA-256 in hex."""

    @abstractmethod
    def tunnel(self, port: int, *, address: str = "127.0.0.1") -> AbstractContextManager[int]:
        """A context manager: yields a local port that reaches ``address:port`` from the host."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection; the next call opens it again."""

    def check(self, argv: Sequence[str], *, timeout: float = 30.0) -> str:
        """Run a command that must succeed; return its stdout."""
        return self.run(argv, timeout=timeout).check().text
