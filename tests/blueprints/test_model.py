"""The blueprint is refused, with line and column, for everything that does not fit."""

from pathlib import Path

import pytest

from blueprints import model
from blueprints.errors import ConfigError
from blueprints.model import Limit, Pin
from lab.faults import catalogue

SHIPPED = model.DIRECTORY / "iec-type4.yaml"


@pytest.fixture(scope="module")
def blueprint() -> model.Blueprint:
    return model.load()


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text()
    assert old in text, "the shipped blueprint has changed: adapt this test"
    file = tmp_path / "changed.yaml"
    file.write_text(text.replace(old, new, 1))
    return file


REFUSED = [
    # (what stands there, what is written instead, what the error says, the line it names)
    (
        "title: A password is refused",
        "titel: x",
        "unknown key 'titel'; did you mean title",
        "titel",
    ),
    ("- id: OS-04", "- id: OS-03", "criterion OS-03 stands here a second time", "OS-03"),
    ('embedded: ">= 40 packets"', 'embedded: ">= 40"', "has no unit", '">= 40"'),
    ('embedded: ">= 40 packets"', 'embedded: ">= 4 ells"', "unknown unit 'ells'", "ells"),
    ('embedded: ">= 40 packets"', 'embedded: "quick"', "is no threshold", "quick"),
    ("roles: [tars-agent]\n", "roles: [tars-agnet]\n", "did you mean tars-agent", "tars-agnet"),
    ("stands_on: [tars]", "capabilities: [kmv]", "unknown capability 'kmv'; did you", "kmv"),
    ("fault: os.permit-root", "fault: os.rot", "unknown fault 'os.rot'; did you mean", "os.rot"),
    ("layer: os", "layer: so", "unknown layer 'so'", "layer: so"),
    ("- id: OS-04", "- id: PAAS-99", "is no id of layer os; expected OS-NN", "PAAS-99"),
    ("runner: pytest", "runner: perl", "runner: input should be 'pytest', 'robot'", "perl"),
    ("{os: OS-01", "{os: OS-77", "unknown criterion 'OS-77'", "OS-77"),
    ("[PAAS-03]", "[PAAS-99]", "unknown criterion or layer 'PAAS-99'", "PAAS-99"),
    ("    runner: pytest\n    fault: os.o", "    fault: os.o", "runner is missing", "- id: OS-01"),
]


@pytest.mark.parametrize(("old", "new", "says", "at"), REFUSED)
def test_refused_with_line_and_column(
    tmp_path: Path, old: str, new: str, says: str, at: str
) -> None:
    file = changed(tmp_path, old, new)

    with pytest.raises(ConfigError) as caught:
        model.load(str(file))

    place, text = str(caught.value).removeprefix(f"{file}:").split(": ", 1)
    assert says in text
    line, column = map(int, place.split(":"))
    shown = file.read_text().splitlines()[line - 1]
    assert at in shown
    assert column <= len(shown)


def test_broken_yaml_names_its_place(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("blueprint: [\n  a\nlayers: x\n")
    with pytest.raises(ConfigError, match=r"broken\.yaml:\d+:\d+: not valid YAML"):
        model.load(str(file))


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    file = changed(tmp_path, "title: IEC Type 4", "title: again\ntitle: IEC Type 4")
    with pytest.raises(ConfigError, match="'title' stands here a second time"):
        model.load(str(file))


def test_every_fault_is_one_that_a_lab_can_inject(blueprint: model.Blueprint) -> None:
    assert set(blueprint.faults) == set(catalogue())


def test_every_criterion_has_a_fault_whose_blast_reaches_it(blueprint: model.Blueprint) -> None:
    for criterion in blueprint.criteria:
        assert criterion.fault is not None, criterion.id
        assert blueprint.in_blast(criterion.fault, criterion), criterion.id


def test_every_fault_shows_something_within_its_blast(blueprint: model.Blueprint) -> None:
    shows: dict[str, list[model.Criterion]] = {name: [] for name in blueprint.faults}
    for criterion in blueprint.criteria:
        for fault in blueprint.faults_of(criterion):
            shows[fault].append(criterion)
    assert [name for name, shown in shows.items() if not shown] == []
    assert all(blueprint.in_blast(name, c) for name, shown in shows.items() for c in shown)


def test_every_system_has_one_liveness_criterion(blueprint: model.Blueprint) -> None:
    judged = [c.liveness_of for c in blueprint.criteria if c.liveness_of]
    assert sorted(judged) == sorted(set(judged)) == ["classroom", "cvb", "iec", "jenkins", "tars"]


def test_select_by_id_and_layer(blueprint: model.Blueprint) -> None:
    assert [c.id for c in blueprint.select(only=["os-02"])] == ["OS-02"]
    assert {c.layer for c in blueprint.select(layers=["os", "saas"])} == {"os", "saas"}
    assert len(blueprint.select()) == len(blueprint.criteria)
    with pytest.raises(ConfigError, match="did you mean OS-"):
        blueprint.select(only=["OS-99"])
    with pytest.raises(ConfigError, match="unknown layer 'pas'; did you mean paas"):
        blueprint.select(layers=["pas"])
    with pytest.raises(ConfigError, match="both one of OS-01 and in layer paas"):
        blueprint.select(only=["OS-01"], layers=["paas"])


@pytest.mark.parametrize(
    ("text", "meets", "misses"),
    [
        ("<= 5 ms", 5, 5.1),
        (">= 2 s", 2, 1.9),
        ("< 1 %", 0.9, 1),
        ("> 0 count", 1, 0),
        ("<= -60 dB", -60, -59.9),
    ],
)
def test_limits_compare(text: str, meets: float, misses: float) -> None:
    limit = Limit.parse(text)
    assert limit.met_by(meets)
    assert not limit.met_by(misses)
    assert str(limit) == text


@pytest.mark.parametrize(
    ("deviation", "version"),
    [("1.34.4, built from its modules", "1.34.4"), ("an embedded one", "1.19.0"), (None, "1.19.0")],
)
def test_a_pin_s_version_is_that_of_the_profile_s_deviation(
    deviation: str | None, version: str
) -> None:
    deviations = {} if deviation is None else {"embedded": deviation}
    pin = Pin(version="1.19.0", licence="Apache-2.0", deviations=deviations)
    assert (pin.on("embedded"), pin.on("lab")) == (version, "1.19.0")
