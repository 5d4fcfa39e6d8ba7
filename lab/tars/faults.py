"""What can go wrong with Tars on request; whoever does the faulty act looks at its flag."""

from __future__ import annotations

from lab.faults import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("tars.echo-wrong", ("tars-agent",), "the echo servant returns altered values"),
    Fault("tars.echo-slow", ("tars-agent",), "the echo servant answers each echo 100 ms late"),
    Fault("tars.echo-deaf", ("tars-agent",), "the echo servant never answers an echo"),
)
