"""What ``criteria import`` does below its arguments."""

from __future__ import annotations

from pathlib import Path

from blueprints import model
from blueprints.errors import ConfigError
from reports.files import write_whole
from reports.text import one_line
from submission import bluval


def import_bluval(file: Path, tests: Path | None, output: Path | None) -> int:
    """Make a blueprint of a BluVal layer file; say what is in it."""
    if tests is not None and not tests.is_dir():
        raise ConfigError(f"{tests} is no directory; give the one with <layer>/<test> in it")
    found = bluval.read(file, tests.resolve() if tests else None)
    target = output or Path(f"{found.blueprint.blueprint}.yaml")
    write_whole(target, bluval.as_yaml(found.blueprint, file.name).encode())
    blueprint = model.load(str(target))
    for note in found.notes:
        print(f"note: {one_line(note)}")
    for criterion in blueprint.criteria:
        assert criterion.bluval is not None
        where = Path(criterion.layer, criterion.bluval.what)
        there = (
            "" if blueprint.suites and (blueprint.suites / where).is_dir() else ", no suite: SKIP"
        )
        kind = "optional" if criterion.mandatory_at == "never" else "mandatory"
        print(one_line(f"{criterion.id} {criterion.title} ({where}, {kind}{there})"))
    print(f"The blueprint: {target}; ./iec4 run --blueprint {target}")
    return 0
