"""The lab's error tree: every error says what was found, what was expected and what to do.

An error from here that reaches a runner outside a judged step is an ERROR of the
criterion (it could not be judged); inside one it is a FAIL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.host.base import CommandResult


class LabError(Exception):
    """Something in the lab is not as it must be.

    ``what`` is the one-line statement; ``found``, ``expected`` and ``advice`` complete
    it; ``evidence`` is longer text (a log's tail, an answer's body) for the report.
    """

    def __init__(
        self,
        what: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        advice: str | None = None,
        evidence: str | None = None,
    ) -> None:
        self.what = what
        self.found = found
        self.expected = expected
        self.advice = advice
        self.evidence = evidence
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what]
        if self.found is not None:
            parts.append(f"found: {self.found}")
        if self.expected is not None:
            parts.append(f"expected: {self.expected}")
        if self.advice is not None:
            parts.append(self.advice)
        return "; ".join(parts)


class HostError(LabError):
    """A host could not be used."""


class HostUnreachable(HostError):
    """No SSH server answered at the host's address within its time-out."""


class HostKeyMismatch(HostError):
    """The host presented another key than the one pinned in the inventory."""


class LoginRefused(HostError):
    """The host's SSH server refused the account."""


class CommandTimeout(HostError):
    """A command ran past its time-out; it was ended."""


class CommandFailed(HostError):
    """A command ended with another status than 0; ``result`` has all that is known."""

    def __init__(self, result: CommandResult, *, advice: str | None = None) -> None:
        self.result = result
        super().__init__(
            f"{result.display} failed on {result.host}",
            found=f"status {result.status}: {result.last_line}",
            expected="status 0",
            advice=advice,
            evidence=result.text + result.error_text,
        )


class TransferCorrupted(HostError):
    """A copied file has another checksum on the other side."""


class SystemDown(LabError):
    """A system (Tars master, classroom …) does not answer as itself."""


class DeployFailed(LabError):
    """A recipe's step failed; the steps before it were done, those after it were not."""


class WaitTimeout(LabError):
    """Something did not become true in time; the message has the last thing seen."""


class LeaseHeld(LabError):
    """Another run holds the lab."""


class ToolMissing(LabError):
    """A tool that the suite needs could not be had (Node, npm packages …)."""
