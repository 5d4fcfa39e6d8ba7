"""Sets of criteria: what is in them, and what is said of one that does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueprints import model, sets
from blueprints.errors import ConfigError
from pipeline.story import Request


def test_the_fast_set_has_something_of_every_layer_with_its_sentinel_and_liveness() -> None:
    blueprint = model.load()
    fast = sets.find(blueprint, "fast")
    chosen = [c for c in blueprint.criteria if fast.has(c)]
    assert {c.layer for c in chosen} == set(blueprint.layers)
    assert set(blueprint.sentinels.values()) <= {c.id for c in chosen}
    assert {c.liveness_of for c in blueprint.criteria} == {c.liveness_of for c in chosen}


def test_full_is_all_and_the_default() -> None:
    blueprint = model.load()
    assert Request().select(blueprint) == list(blueprint.criteria)


def test_a_set_and_other_choices_hold_together() -> None:
    blueprint = model.load()
    chosen = Request(chosen_set="fast", layers=("cicd",)).select(blueprint)
    assert "CICD-01" in {c.id for c in chosen}
    assert {c.layer for c in chosen} == {"cicd"}
    with pytest.raises(ConfigError, match="set fast has none of SAAS-30"):
        Request(chosen_set="fast", only=("SAAS-30",)).select(blueprint)


def test_what_a_set_misnames_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "DIRECTORY", tmp_path)
    file = tmp_path / "iec-type4.yaml"
    file.write_text("sets:\n  mine:\n    purpose: mine\n    criteria: [OS-01, OS-1]\n")
    with pytest.raises(ConfigError, match=r"iec-type4\.yaml:4:23: unknown criterion 'OS-1'; did"):
        sets.load(model.load())
    file.write_text("sets: {}\n")
    with pytest.raises(ConfigError, match="unknown set 'fats'"):
        sets.find(model.load(), "fats")
