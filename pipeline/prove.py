"""``prove``: show that criteria can fail, and that nothing else fails with them.

For each criterion: clean → PASS, its fault injected → FAIL with the expected reason, what breaks
the lab for it → ERROR, cleared → PASS; meanwhile what the fault must not touch stays as it was:
one sentinel in every other layer, or criteria that chance picks. What SKIPs counts as skipped,
not as proven.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.evidence import Verdict
from blueprints.model import Blueprint, Criterion
from lab import faults
from lab import inventory as inventories
from lab.inventory import Inventory
from lab.task import Task
from pipeline import commands, prove_page, stages, story
from pipeline.progress import Progress
from pipeline.prove_lab import ProvingLab
from pipeline.prove_log import Log
from pipeline.prove_outcomes import Seen, summary
from pipeline.prove_plan import Trial, by_sample, by_sentinels
from pipeline.prove_work import Prover
from pipeline.rundir import RunDirectory, now
from reports.files import write_whole

#: What is written into the run directory: the page, and what ``--json`` prints.
PAGE, DOCUMENT = "proof.html", "proof.json"


@dataclass(frozen=True)
class Question:
    """What a person asks to have proven.

    ``lab``: a lab's name or its inventory file. ``sample``: how many criteria outside of a
    fault's blast radius, and how many within it, are judged with it; ``seed`` picks them.
    None: sentinels are.
    """

    blueprint: str
    lab: str
    only: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0


def prove(question: Question, *, run: Path | None, quiet: bool, as_json: bool) -> int:
    """Prove criteria on a lab of their own; 0 when all were, see `Summary.exit_code`."""
    blueprint = model.load(question.blueprint)
    template = inventories.load(question.lab)
    story.lifecycle_of(template)
    chosen = blueprint.select(question.only, question.layers)
    if not story.is_ours_to_make(template):  # whoever resumes may be in another directory
        question = replace(question, lab=str(template.file))
    directory = RunDirectory.create(
        run,
        blueprint=blueprint,
        lab=template.name,
        profile=template.profile,
        maturity="incubation",
        planned=[],  # what is judged lies in run directories below it
        asked={**commands.asked(), "proof": asdict(question)},
    )
    with directory.held():
        return _work(question, directory, blueprint, template, chosen, quiet=quiet, as_json=as_json)


def resume(path: Path, *, quiet: bool, as_json: bool) -> int:
    """Go on with what was interrupted; nothing that was tried is tried again."""
    directory = RunDirectory.open(path)
    asked = directory.state.asked.get("proof")
    if not isinstance(asked, dict):
        raise ConfigError(f"{path} is no run of prove; go on with it by ./iec4 run --resume")
    asked |= {name: tuple(asked[name]) for name in ("only", "layers")}
    question = Question(**asked)
    blueprint = model.load(question.blueprint)
    template = inventories.load(question.lab)
    chosen = blueprint.select(question.only, question.layers)
    with directory.held():
        directory.sweep()
        directory.state.interrupted, directory.state.ended = False, None
        return _work(question, directory, blueprint, template, chosen, quiet=quiet, as_json=as_json)


def _work(
    question: Question,
    directory: RunDirectory,
    blueprint: Blueprint,
    template: Inventory,
    chosen: Sequence[Criterion],
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    for criterion in chosen:
        for fault in blueprint.faults_of(criterion):
            faults.find(fault)  # one that a lab can inject
    log = Log(directory.path / "proof")
    progress = Progress.for_terminal(quiet=quiet or as_json)
    try:
        if not log.clean or log.left(_planned(question, blueprint, chosen, log)):
            needed = _needed(question, blueprint, chosen)
            with ProvingLab(template, blueprint, needed, directory, log, progress) as lab:
                log.saw_clean(_skipped(lab.inventory, blueprint))
                if trials := log.left(_planned(question, blueprint, chosen, log)):
                    Prover(blueprint, lab, log, progress).prove(trials)
    except KeyboardInterrupt:
        directory.state.interrupted = True
    finally:  # whatever happened, what was seen is told
        progress.close()
        directory.state.ended = now()
        directory.save()
        found = summary(blueprint, chosen, log.clean, log.tried)
        told = prove_page.Telling(blueprint, template.name, found, log)
        document = json.dumps(found.document(), indent=2)
        write_whole(directory.path / PAGE, prove_page.as_html(told))
        write_whole(directory.path / DOCUMENT, document.encode())
    stages.search(directory)
    print(document if as_json else f"{prove_page.as_text(told)}\npage: {directory.path / PAGE}")
    return 130 if directory.state.interrupted else found.exit_code


def _planned(
    question: Question, blueprint: Blueprint, chosen: Sequence[Criterion], log: Log
) -> list[Trial]:
    """The trials of what can be judged, as far as it is known that something cannot."""
    skipped = {i for i, seen in log.clean.items() if seen.verdict == Verdict.SKIP}
    able = blueprint.by_id.keys() - skipped
    if question.sample is None:
        return by_sentinels(blueprint, chosen, able)
    return by_sample(blueprint, chosen, able, many=question.sample, seed=question.seed)


def _needed(
    question: Question, blueprint: Blueprint, chosen: Sequence[Criterion]
) -> frozenset[str]:
    """Ids of all that may be judged: what they stand on is deployed."""
    if question.sample is not None:
        return frozenset(blueprint.by_id)
    return frozenset(c.id for c in chosen) | frozenset(blueprint.sentinels.values())


def _skipped(inventory: Inventory, blueprint: Blueprint) -> dict[str, Seen]:
    """What cannot be judged on a lab, and why."""
    task = Task(inventory, blueprint, disruptive=True, maturity="mature")
    reasons = {c.id: task.skip_reason(c) for c in blueprint.criteria}
    return {i: Seen(Verdict.SKIP, reason) for i, reason in reasons.items() if reason}
