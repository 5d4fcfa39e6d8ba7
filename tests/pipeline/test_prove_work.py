"""Proving on a lab that is a table: whatever its faults do, what is told of it is so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.model import Blueprint
from pipeline.progress import Progress
from pipeline.prove_log import Log
from pipeline.prove_outcomes import Seen, Summary, summary
from pipeline.prove_plan import by_sample, by_sentinels
from pipeline.prove_work import Prover
from tests.pipeline.proofs import Bench, blueprint

IDS = ("OS-01", "OS-02", "K8S-01", "K8S-02", "PAAS-01", "PAAS-02")
FAULTS = tuple(f"f.{identifier}" for identifier in IDS)
SMALL = blueprint(
    list(zip(IDS, FAULTS, strict=True)),
    {fault: [identifier] for identifier, fault in zip(IDS, FAULTS, strict=True)},
)
OWN = {fault: [identifier] for identifier, fault in zip(IDS, FAULTS, strict=True)}


def proven(of: Blueprint, bench: Bench, log: Log, *, many: int | None = None) -> Summary:
    able = of.by_id.keys()
    trials = (
        by_sentinels(of, of.criteria, able)
        if many is None
        else by_sample(of, of.criteria, able, many=many, seed=1)
    )
    Prover(of, bench, log, Progress("quiet")).prove(log.left(trials))
    return summary(of, of.criteria, log.clean, log.tried)


def test_what_its_fault_flips_is_proven(tmp_path: Path) -> None:
    bench = Bench(OWN)
    found = proven(SMALL, bench, Log(tmp_path))
    assert found.ids("proven") == list(IDS)
    assert (found.exit_code, found.undeclared_flips, bench.renewals) == (0, (), [])
    assert bench.injected == set()
    cleared = [name for name, _ in bench.judged if name.endswith("-cleared")]
    assert len(cleared) == 3  # one look for each layer's two


def test_what_nothing_flips_is_unproven_after_a_second_try(tmp_path: Path) -> None:
    bench = Bench({**OWN, "f.K8S-02": []})
    found = proven(SMALL, bench, Log(tmp_path))
    assert found.ids("unproven") == ["K8S-02"]
    assert found.exit_code == 1
    [proof] = [proof for proof in found.criteria if proof.id == "K8S-02"]
    assert proof.says == "with the fault: PASS; expected FAIL (tried 2 times)"


def test_what_has_no_verdict_on_the_clean_lab_says_why(tmp_path: Path) -> None:
    class Broken(Bench):
        def judge(self, name: str, ids: Iterable[str]) -> dict[str, Seen]:
            seen = super().judge(name, ids)
            return seen | {"OS-02": Seen("NONE", "pytest broke")} if "OS-02" in seen else seen

    found = proven(SMALL, Broken(OWN), Log(tmp_path))
    assert found.ids("unproven") == ["OS-02"]
    assert found.criteria[1].says == "clean lab: NONE pytest broke"


def test_a_verdict_for_another_reason_proves_nothing(tmp_path: Path) -> None:
    of = blueprint([("OS-01", "f")], {"f": ["OS-01"]})
    of.criteria[0].__dict__["fails_with"] = "refused"
    found = proven(of, Bench({"f": ["OS-01"]}), Log(tmp_path))
    assert found.ids("unproven") == ["OS-01"]
    assert "does not say /refused/" in found.criteria[0].says


#: One fault more, which breaks the lab for the first criterion.
BROKEN = blueprint(
    [("OS-01", "f"), ("OS-02", "g")],
    {"f": ["OS-01"], "g": ["OS-02"], "down": ["os"]},
    breaks={"down": {"OS-01": "^blocked"}},
)


def test_a_broken_lab_is_an_error(tmp_path: Path) -> None:
    table = {"f": ["OS-01"], "g": ["OS-02"]}
    found = proven(BROKEN, Bench(table, breaks={"down": ["OS-01"]}), Log(tmp_path))
    assert found.ids("proven") == ["OS-01", "OS-02"]


@pytest.mark.parametrize(
    ("down", "says"),
    [
        ({"down": ["OS-01"]}, "down: with the fault: FAIL it is broken; expected ERROR"),
        ({}, "down: with the fault: PASS; expected ERROR"),
    ],
)
def test_a_broken_lab_that_is_no_error_leaves_its_criterion_unproven(
    down: dict[str, list[str]], says: str, tmp_path: Path
) -> None:
    found = proven(BROKEN, Bench({"f": ["OS-01"], "g": ["OS-02"], **down}), Log(tmp_path))
    assert found.ids("unproven") == ["OS-01"]
    assert found.criteria[0].says == f"{says} (tried 2 times)"


def test_what_skips_is_neither_proven_nor_wrong(tmp_path: Path) -> None:
    found = proven(SMALL, Bench(OWN, skips=frozenset({"OS-02"})), Log(tmp_path))
    assert found.ids("skipped") == ["OS-02"]
    assert found.exit_code == 0
    nothing = proven(SMALL, Bench(OWN, skips=frozenset(IDS)), Log(tmp_path / "none"))
    assert nothing.exit_code == 4


def test_a_flip_by_chance_is_told_and_no_flip(tmp_path: Path) -> None:
    found = proven(SMALL, Bench(OWN, flaky={"PAAS-01"}), Log(tmp_path))
    assert found.undeclared_flips == ()
    assert found.exit_code == 0
    assert [proof.id for proof in found.criteria if "tried 2 times" in proof.says] == ["OS-01"]


def test_a_ruined_lab_is_made_anew_and_only_its_ruin_is_unproven(tmp_path: Path) -> None:
    bench = Bench(OWN, ruins={"f.OS-01": ["OS-01", "PAAS-01"]})
    found = proven(SMALL, bench, Log(tmp_path))
    # Once after the batch, once after the fault had the lab for itself.
    assert len(bench.renewals) == 2
    assert "f.OS-01" in bench.renewals[1]
    assert "f.OS-02" not in bench.renewals[1]
    assert found.ids("unproven") == ["OS-01"]
    assert [(flip.fault, flip.criterion) for flip in found.undeclared_flips] == [
        ("f.OS-01", "PAAS-01")
    ]


def test_what_was_tried_is_not_tried_again(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Dying(Bench):
        def inject(self, fault: str) -> None:
            if fault == "f.K8S-02":
                raise Killed
            super().inject(fault)

    log = Log(tmp_path)
    trials = by_sentinels(SMALL, SMALL.criteria, SMALL.by_id.keys())
    with pytest.raises(Killed):
        Prover(SMALL, Dying(OWN), log, Progress("quiet")).prove(trials)
    assert summary(SMALL, SMALL.criteria, log.clean, log.tried).ids("proven") == ["OS-01", "OS-02"]
    with (tmp_path / "log.jsonl").open("a") as torn:
        torn.write('{"tried": {"trial": {"fault": "f.K8S-01"')

    bench = Bench(OWN)
    found = proven(SMALL, bench, Log(tmp_path))
    assert found.ids("proven") == list(IDS)
    faulty = [name for name, _ in bench.judged if name.endswith("-faulty")]
    assert faulty == [f"{identifier}-faulty" for identifier in IDS[2:]]
    assert proven(SMALL, Bench({}), Log(tmp_path)) == found  # nothing is left to try


flipping = st.fixed_dictionaries({fault: st.sets(st.sampled_from(IDS)) for fault in FAULTS})


@given(flips=flipping, ruins=flipping, skips=st.frozensets(st.sampled_from(IDS), max_size=2))
@settings(max_examples=50, deadline=None)
def test_all_that_a_whole_matrix_tells_is_so(
    flips: dict[str, set[str]],
    ruins: dict[str, set[str]],
    skips: frozenset[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("log")
    found = proven(SMALL, Bench(flips, ruins, skips), Log(directory), many=len(IDS))
    there = [i for i in IDS if i not in skips]
    wrong = {
        (f"f.{own}", other)
        for own in there
        for other in there
        if other != own and other in flips[f"f.{own}"] | ruins[f"f.{own}"]
    }
    assert {(flip.fault, flip.criterion) for flip in found.undeclared_flips} == wrong
    assert set(found.ids("skipped")) == set(skips)
    assert set(found.ids("proven")) == {
        own
        for own in there
        if own in flips[f"f.{own}"]
        and own not in ruins[f"f.{own}"]
        and not any(fault == f"f.{own}" for fault, _ in wrong)
    }
