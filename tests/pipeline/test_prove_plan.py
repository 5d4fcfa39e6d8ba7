"""What is planned to be tried: which trials, with what judged, in which batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blueprints import model
from blueprints.model import Blueprint
from pipeline.prove_plan import BATCH, all_pairs, batches, by_sample, by_sentinels, pairs
from tests.pipeline.proofs import LAYERS, blueprint

_PREFIXES = ("OS", "K8S", "PAAS")
_FAULTS = tuple(f"f{n}" for n in range(6))


@st.composite
def blueprints(draw: st.DrawFn) -> Blueprint:
    """Criteria of three layers, each with a fault that some share, and blast radii of any kind."""
    ids = [f"{prefix}-{n:02}" for prefix in _PREFIXES for n in range(1, draw(st.integers(2, 7)))]
    targets = st.lists(st.sampled_from([*ids, *LAYERS]), unique=True, max_size=5)
    return blueprint(
        [(identifier, draw(st.sampled_from(_FAULTS))) for identifier in ids],
        {fault: draw(targets) for fault in _FAULTS},
        alone=draw(st.sets(st.sampled_from(ids))),
    )


@given(of=blueprints(), many=st.integers(1, 12), seed=st.integers(), data=st.data())
def test_every_able_criterion_is_the_own_of_one_trial(
    of: Blueprint, many: int, seed: int, data: st.DataObject
) -> None:
    able = data.draw(st.sets(st.sampled_from(sorted(of.by_id))))
    for trials in (
        by_sentinels(of, of.criteria, able),
        by_sample(of, of.criteria, able, many=many, seed=seed),
    ):
        owned = [identifier for trial in trials for identifier in trial.own]
        assert sorted(owned) == sorted(able)
        for trial in trials:
            assert len(set(trial.judged)) == len(trial.judged)
            assert set(trial.judged) <= able
            assert all(of.in_blast(trial.fault, of.criterion(i)) for i in trial.within)
            assert not any(of.in_blast(trial.fault, of.criterion(i)) for i in trial.outside)


@given(of=blueprints(), seed=st.integers())
def test_a_larger_sample_holds_the_smaller_one_and_the_largest_is_all(
    of: Blueprint, seed: int
) -> None:
    able = of.by_id.keys()
    smaller = {t.fault: t for t in by_sample(of, of.criteria, able, many=2, seed=seed)}
    for larger in by_sample(of, of.criteria, able, many=len(of.criteria), seed=seed):
        assert set(smaller[larger.fault].judged) <= set(larger.judged)
        assert set(larger.judged) == set(able)
    assert all(len(trial.outside) <= 2 for trial in smaller.values())


@given(of=blueprints(), seed=st.integers(), data=st.data())
def test_what_is_drawn_for_a_fault_does_not_depend_on_what_else_is_asked(
    of: Blueprint, seed: int, data: st.DataObject
) -> None:
    able = of.by_id.keys()
    whole = {t.fault: t for t in by_sample(of, of.criteria, able, many=3, seed=seed)}
    fault = data.draw(st.sampled_from(sorted(whole)))
    chosen = [c for c in of.criteria if c.fault == fault]
    assert by_sample(of, chosen, able, many=3, seed=seed) == [whole[fault]]


@given(of=blueprints())
def test_batches_keep_the_order_and_end_with_what_may_ruin_the_lab(of: Blueprint) -> None:
    trials = by_sentinels(of, of.criteria, of.by_id.keys())
    made = batches(trials)
    assert [trial for batch in made for trial in batch] == trials
    for batch in made:
        assert 0 < len(batch) <= BATCH
        assert len({(trial.apart, trial.layer) for trial in batch}) == 1
        assert not any(trial.ruinous for trial in batch[:-1])
    # What needs the lab alone comes after all that does not.
    assert [trial.apart for trial in trials] == sorted(trial.apart for trial in trials)


def test_sentinels_watch_every_other_layer_unless_the_fault_may_flip_them() -> None:
    of = blueprint(
        [("OS-01", None), ("K8S-01", "f"), ("K8S-02", "g"), ("PAAS-01", None), ("PAAS-02", "g")],
        {"f": ["K8S-01", "os"], "g": ["K8S-02", "PAAS-02"]},
    )
    f, g = by_sentinels(of, of.criteria, of.by_id.keys())
    assert (f.own, f.within, f.outside, f.ruinous) == (("K8S-01",), (), ("PAAS-01",), True)
    assert (g.own, g.within, g.outside, g.ruinous) == (("K8S-02", "PAAS-02"), (), ("OS-01",), False)
    assert pairs([f, g]) == 5
    assert all_pairs(of) == 10


def test_the_blueprint_is_proven_in_few_looks() -> None:
    of = model.load()
    trials = by_sentinels(of, of.criteria, of.by_id.keys())
    assert {identifier for trial in trials for identifier in trial.own} == of.by_id.keys()
    assert len(batches(trials)) < len(trials) / 3
