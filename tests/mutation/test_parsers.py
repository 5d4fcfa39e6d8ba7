"""Every parser of foreign bytes, for a moment; ``./iec4 bench parsers`` has the million each."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mutation.catalogue import TARGETS
from benchmarks.mutation.target import Target
from benchmarks.mutation.trial import Trial

#: Processor seconds for one parser.
_MOMENT_S = 0.1


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_mutated_inputs_are_read_or_refused_as_documented(target: Target) -> None:
    trial = Trial(target)
    accepted = 0
    for seed in target.seeds()[:20]:
        try:
            target.parse(seed)
            accepted += 1
        except target.errors:
            continue
    assert accepted, f"{target.name} accepts none of its seeds: it is tried on nothing"
    inputs = target.mutator()
    until = time.process_time() + _MOMENT_S
    for data in inputs.batch(0):
        trial.read(data)
        if time.process_time() > until:
            break
    assert [found.to_json() for found in trial.found.values()] == []


def test_each_parser_has_a_name_of_its_own() -> None:
    names = [target.name for target in TARGETS]
    assert len(set(names)) == len(names)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def _is_json(seed: bytes) -> bool:
    try:
        return isinstance(json.loads(seed), dict | list)
    except ValueError:
        return False


#: By parser, the seeds that are JSON.
_OF_JSON = {
    target.name: (target, found)
    for target in TARGETS
    if target.text and (found := [seed for seed in target.seeds() if _is_json(seed)])
}


@pytest.mark.parametrize("name", _OF_JSON)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_documents_of_other_shapes(name: str, data: st.DataObject) -> None:
    """A seed in which any one value, at any depth, is one of another shape."""
    target, seeds = _OF_JSON[name]
    document = json.loads(data.draw(st.sampled_from(seeds)))
    changed = _with_one_changed(document, data)
    trial = Trial(target)
    trial.read(json.dumps(changed).encode())
    assert [found.to_json() for found in trial.found.values()] == []


def _with_one_changed(document: object, data: st.DataObject) -> object:
    inside = list(document) if isinstance(document, dict) else []
    inside = list(range(len(document))) if isinstance(document, list) else inside
    if not inside or data.draw(st.integers(0, 4)) == 0:
        return data.draw(_VALUES)
    key = data.draw(st.sampled_from(inside))
    found = dict(document) if isinstance(document, dict) else list(document)  # type: ignore[call-overload]
    found[key] = _with_one_changed(found[key], data)
    return found
