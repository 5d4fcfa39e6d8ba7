"""Programs are found where they may be, in the version that is pinned."""

import re
from pathlib import Path

import pytest

from lab.iec import binaries
from lab.iec.binaries.catalogue import BINARIES
from lab.iec.binaries.finding import bin_directory
from tests.iec.binaries.programs import program


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache with nothing in it; KUBEBUILDER_ASSETS and PATH lead to ``assets`` and ``path``."""
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def in_cache(name: str) -> Path:
    return program(bin_directory() / BINARIES[name].place, "anything")


def test_assets_come_before_the_path_and_the_path_before_the_cache(tmp_path: Path) -> None:
    cached = in_cache("kubectl")
    assert binaries.find(["kubectl"]) == {"kubectl": cached}
    on_path = program(tmp_path / "path" / "kubectl", "Client Version: v1.34.4")
    assert binaries.find(["kubectl"]) == {"kubectl": on_path}
    asset = program(tmp_path / "assets" / "kubectl", "Client Version: v1.34.4")
    assert binaries.find(["kubectl"]) == {"kubectl": asset}


@pytest.mark.parametrize(
    ("says", "taken", "exactly"),
    [
        ("Client Version: v1.34.4", True, True),
        ("Client Version: v1.34.1", True, False),
        ("Client Version: v1.20.2", False, False),  # Debian's
        ("Client Version: v1.340.4", False, False),
        ("error: unknown flag", False, False),
    ],
)
def test_another_minor_version_is_refused(
    tmp_path: Path, says: str, taken: bool, exactly: bool
) -> None:
    program(tmp_path / "path" / "kubectl", says)
    assert ("kubectl" in binaries.find(["kubectl"])) is taken
    assert ("kubectl" in binaries.find(["kubectl"], exact=True)) is exactly


def test_what_cannot_say_its_version_is_believed_among_the_assets_alone(tmp_path: Path) -> None:
    program(tmp_path / "path" / "calico-check-status", "ready")
    assert binaries.find(["calico-check-status"]) == {}
    asset = program(tmp_path / "assets" / "calico-check-status", "ready")
    assert binaries.find(["calico-check-status"]) == {"calico-check-status": asset}


def test_a_directory_that_cannot_be_looked_into_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another's home, or here, as root may look everywhere, a name that is too long."""
    monkeypatch.setenv("PATH", f"/{'a' * 300}")
    assert binaries.find(["etcd"]) == {}


def test_what_is_not_finished_is_not_found() -> None:
    program(bin_directory() / "unfinished" / "etcd", "etcd Version: 3.6.14")
    assert binaries.find(["etcd"]) == {}


def test_what_is_missing_is_told_with_its_command_and_its_cost() -> None:
    lacking = binaries.missing(["etcd", "kubectl"])
    assert lacking is not None
    for part in ("etcd", "./iec4 lab build builds", "minutes", "GiB"):
        assert part in lacking
    in_cache("etcd")
    in_cache("kubectl")
    assert binaries.missing(["etcd", "kubectl"]) is None


def test_the_deep_lab_s_programs_are_built_by_another_command() -> None:
    assert "lab build --deep" in (binaries.missing(["kubelet"]) or "")


@pytest.mark.parametrize("name", sorted(BINARIES))
def test_every_module_pins_what_it_builds(name: str) -> None:
    binary = BINARIES[name]
    required = re.findall(
        r"^(?:require)?\s*(\S+) (v\S+)",
        (binary.module.directory / "go.mod").read_text(),
        re.MULTILINE,
    )
    ((module, version),) = [
        one for one in required if f"{binary.package}/".startswith(f"{one[0]}/")
    ]
    sums = (binary.module.directory / "go.sum").read_text()
    assert f"\n{module} {version} h1:" in sums
