"""What the hosts' operating system must be, as data."""

from pathlib import Path

import pytest

from blueprints import baseline, model
from blueprints.baseline import Size
from blueprints.errors import ConfigError


def test_sizes_are_the_bill_of_materials_unless_a_profile_has_smaller_ones():
    blueprint = model.load()
    required = baseline.load(blueprint)
    node = blueprint.bom["tars-agent"]

    assert required.size(blueprint, ("tars-agent", "dc"), "lab") == Size(
        cpus=node.cpus, memory_gib=node.memory_gib, disk_gib=node.disk_gib
    )
    assert (
        required.size(blueprint, ("tars-agent", "dc"), "embedded") == required.smaller["embedded"]
    )


def test_a_blueprint_without_one_is_told(tmp_path: Path):
    text = (model.DIRECTORY / "iec-type4.yaml").read_text()
    other = tmp_path / "other.yaml"
    other.write_text(text.replace("blueprint: iec-type4", "blueprint: other", 1))

    with pytest.raises(ConfigError, match="blueprint other has no baseline"):
        baseline.load(model.load(str(other)))
