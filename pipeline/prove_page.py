"""What was proven, as text for a terminal and as a page with a heat map that stands alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from blueprints.evidence import Verdict
from blueprints.model import Blueprint
from pipeline.prove_log import Log
from pipeline.prove_outcomes import STATES, Seen, Summary, Tried
from pipeline.prove_plan import all_pairs
from reports.heat_map import Cell, Row, heat_map
from reports.page import COLOURS, Html, cell, listing, number, page, table, tag
from reports.table import aligned
from reports.text import one_line

#: What can come of a fault and a criterion → its colour in the heat map.
_OUTCOMES = {
    "flipped, as declared": "#1c5fb0",
    "stayed, as it must": "#b7bfc7",
    "stayed, though it might flip": "#e0b000",
    "wrong: flipped undeclared, or its own fault did not flip it": COLOURS["FAIL"],
}
_FLIPPED, _STAYED, _KEPT, _WRONG = _OUTCOMES

_HEAD = ("criterion", "state", "fault", "says")
_FLIP_HEAD = ("fault", "criterion", "verdict", "says")


@dataclass(frozen=True)
class Telling:
    """What there is to tell."""

    blueprint: Blueprint
    lab: str
    found: Summary
    log: Log

    @property
    def conclusion(self) -> str:
        found = self.found
        told = [f"{len(found.ids(state))} {state}" for state in STATES]
        return ", ".join([*told, f"{len(found.undeclared_flips)} undeclared flips"])

    @property
    def coverage(self) -> str:
        """Of all pairs of a fault and a criterion, how many were tried."""
        tried = sum(len(one.faulty) for one in self.log.tried.values())
        there, faults = all_pairs(self.blueprint), len(self.blueprint.faults)
        return (
            f"{tried} of all {there} pairs of a fault and a criterion were tried "
            f"({tried / there:.1%}), with {len(self.log.tried)} of {faults} faults"
        )

    @property
    def remarks(self) -> list[str]:
        """Each further lab and why it was made; what a blast radius names and did not flip."""
        labs = [f"lab {n} was made: {why}" for n, why in enumerate(self.log.labs[1:], 2)]
        kept = []
        for tried in self.log.tried.values():
            named = self.blueprint.faults[tried.trial.fault].blast
            if ids := [i for i in tried.trial.within if i in named and _stayed(tried, i)]:
                kept.append(
                    f"{tried.trial.fault} declares that it flips {', '.join(ids)}, which stayed"
                )
        return [*labs, *kept]


def as_text(told: Telling) -> str:
    proofs = [(p.id, p.state, p.fault or "-", one_line(p.says)) for p in told.found.criteria]
    flips = [
        (f.fault, f.criterion, f.verdict, one_line(f.says)) for f in told.found.undeclared_flips
    ]
    parts = [
        aligned([_HEAD, *proofs]),
        ["Undeclared flips:", *aligned([_FLIP_HEAD, *flips])] if flips else [],
        [*map(one_line, told.remarks)],
        [told.coverage, told.conclusion],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def as_html(told: Telling) -> bytes:
    """The page. A heat map has a row for each fault that was tried, a column a criterion."""
    found = told.found
    good = not found.undeclared_flips and not found.ids("unproven")
    parts = [
        tag("p", told.conclusion, class_="good" if good else "bad"),
        tag("p", told.coverage),
        listing(told.remarks) if told.remarks else Html(""),
    ]
    if found.undeclared_flips:
        flips = [(f.fault, f.criterion, f.verdict, f.says) for f in found.undeclared_flips]
        parts += [tag("h2", "Undeclared flips"), table(_FLIP_HEAD, flips)]
    if told.log.tried:
        parts += [tag("h2", "Layer by layer"), _by_layer(told)]
        parts += [tag("h2", "Fault by fault"), _legend(), _heat_map(told)]
    parts += [tag("h2", "Proofs"), table(_HEAD, _proofs(found))]
    return page(f"Proofs of {told.blueprint.name} on {told.lab}", parts)


def _proofs(found: Summary) -> Iterable[Sequence[str]]:
    as_verdict = {"proven": "PASS", "unproven": "FAIL", "skipped": "SKIP"}
    for proof in found.criteria:
        state = cell(proof.state, as_verdict[proof.state])
        yield (proof.id, state, proof.fault or "-", proof.says)


def _by_layer(told: Telling) -> Html:
    """How many of a layer's criteria each layer's faults flipped, of how many that they met."""
    met: Counter[tuple[str, str]] = Counter()
    flipped: Counter[tuple[str, str]] = Counter()
    for fault, tried in told.log.tried.items():
        for identifier, seen in _faulty(told, fault):
            both = (tried.trial.layer, told.blueprint.criterion(identifier).layer)
            met[both] += 1
            flipped[both] += seen.verdict != Verdict.PASS
    layers = told.blueprint.layers
    rows = [
        (
            f"faults of {fault}",
            *(number(f"{flipped[fault, layer]} of {met[fault, layer]}") for layer in layers),
        )
        for fault in layers
        if any(met[fault, layer] for layer in layers)
    ]
    return table(("flipped", *layers), rows)


def _legend() -> Html:
    boxes = "".join(
        f'<svg width="12" height="12" role="presentation"><rect width="12" height="12" '
        f'fill="{colour}"/></svg> {outcome} &#160; '
        for outcome, colour in _OUTCOMES.items()
    )
    return Html(f"<p>{boxes} (shaded: the fault's declared blast radius)</p>")


def _heat_map(told: Telling) -> Html:
    blueprint = told.blueprint
    faults = [fault for fault in blueprint.faults if fault in told.log.tried]
    rows = [
        Row(
            fault,
            {i: _cell(told, fault, i, seen) for i, seen in _faulty(told, fault)},
            frozenset(c.id for c in blueprint.criteria if blueprint.in_blast(fault, c)),
        )
        for fault in faults
    ]
    columns = [
        (c.layer, c.id)
        for c in sorted(blueprint.criteria, key=lambda c: blueprint.layers.index(c.layer))
    ]
    return heat_map("What each fault did to the criteria that it met", columns, rows)


def _faulty(told: Telling, fault: str) -> Iterable[tuple[str, Seen]]:
    known = told.blueprint.by_id
    return ((i, seen) for i, seen in told.log.tried[fault].faulty.items() if i in known)


def _cell(told: Telling, fault: str, identifier: str, seen: Seen) -> Cell:
    tried, criterion = told.log.tried[fault], told.blueprint.criterion(identifier)
    flipped = not _stayed(tried, identifier)
    if identifier in tried.trial.own:
        wanted = told.blueprint.expected(fault, criterion).verdict
        outcome = _FLIPPED if seen.verdict == wanted else _WRONG
    elif identifier in tried.trial.within:
        outcome = _FLIPPED if flipped else _KEPT
    else:
        outcome = _WRONG if flipped else _STAYED
    return Cell(_OUTCOMES[outcome], f"{outcome}: {seen}")


def _stayed(tried: Tried, identifier: str) -> bool:
    """Whether what passed on the clean lab, as all do that are tried, passed with the fault."""
    return tried.faulty.get(identifier, Seen(Verdict.PASS, "")).verdict == Verdict.PASS
