"""The circumstances of a run, as its reports tell them: lab, versions, declared deviations."""

from __future__ import annotations

from reports.results import RunResults
from reports.text import lab_words


def environment(results: RunResults) -> dict[str, str]:
    """What the results depend on, in the order in which a person wants to read it."""
    lab = lab_words(results.lab, results.profile)
    return {
        "run": results.id,
        "blueprint": results.blueprint,
        "lab": lab,
        "SLO profile": results.profile,
        "maturity": results.maturity,
        **results.versions,
        **{f"deviation from {d.name} {d.pinned}": d.instead for d in results.deviations},
        **({"lost evidence": "; ".join(results.damage)} if results.damage else {}),
    }
