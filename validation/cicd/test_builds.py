"""Builds on a dedicated host: what they are told, what they leave, and how they end."""

import secrets
from collections.abc import Iterator
from functools import partial

import pytest

from blueprints.evidence import Evidence
from lab import lease
from lab.errors import LabError
from lab.host.base import Host
from lab.jenkins.trial import Trial
from lab.payload import python_runtime
from lab.recipe import Install
from lab.session import Lab
from lab.wait import wait_for

#: The label of the dedicated host's agent: its role.
LABEL = "dc"
#: How long an aborted script may take to let go, seconds. It holds for longer by itself.
RELEASE_S = 8.0
HOLD_S = 45

#: Holds a lease as a run does: by the same code, which travelled to the host.
_HOLDER = """cd {scratch}
exec env PYTHONPATH=runtime python3 -m lab.lease . --holder "$BUILD_TAG" --seconds {seconds}
"""
#: What that code needs of the host.
_PYTHON = "import sys; sys.exit(sys.version_info < (3, 11))"


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.with_role(LABEL)[0]


@pytest.fixture
def scratch(host: Host) -> Iterator[str]:
    """A directory on the dedicated host, where Jenkins' account may write too."""
    directory = host.check(["mktemp", "-d"]).strip()
    host.check(["chmod", "777", directory])
    try:
        yield directory
    finally:
        host.check(["rm", "-rf", directory])


@pytest.mark.criterion("CICD-08")
def test_artifacts_come_back_unchanged(lab: Lab, evidence: Evidence) -> None:
    command = "mkdir -p out && printf 'a\\000b\\r\\n\\377' >out/odd.bin"
    with Trial(lab, command, label=LABEL, archives="out/**") as trial:
        build, result = trial.run()
        assert result == "SUCCESS", trial.output
        with evidence.judge("the artifact is what the script wrote"):
            assert trial.artifacts(build) == ["out/odd.bin"], "the artifact is not listed"
            content = trial.client.get(f"{build.path}artifact/out/odd.bin").content
            assert content == b"a\0b\r\n\xff", f"the artifact has become {content!r}"


@pytest.fixture
def holder(lab: Lab, host: Host, scratch: str) -> str:
    """A script that holds the lease in ``scratch``."""
    if not host.run(["python3", "-c", _PYTHON]).ok:
        pytest.skip(f"capability missing: {host.name} has no python3 of 3.11 or newer")
    archive = partial(python_runtime, [], lease.MODULES)
    Install("bring the lease's code", host.name, f"{scratch}/runtime", archive).execute(lab)
    return _HOLDER.format(scratch=scratch, seconds=HOLD_S)


@pytest.mark.criterion("CICD-09")
def test_an_aborted_build_lets_go_of_its_lease(
    lab: Lab, host: Host, scratch: str, holder: str, evidence: Evidence
) -> None:
    place = lease.Place(host, scratch)
    with Trial(lab, holder, label=LABEL) as trial:
        build = trial.build_of(trial.start())
        wait_for(
            "the build's lease, or its end",
            lambda: place.read()[1] or trial.has_ended(build),
            timeout=20,
        )
        if place.read()[1] is None:
            trial.end_of(build)
            raise LabError("the build holds no lease", found=trial.output)
        with evidence.judge("the aborted build's lease is released"):
            trial.stop(build)
            result = trial.end_of(build)
            assert result == "ABORTED", f"the build ends as {result}; its lease does not matter"
            wait_for("the lease to be free", partial(_take, place), timeout=RELEASE_S)


def _take(place: lease.Place) -> bool:
    """Take the lease and give it back; raises `LeaseHeld` while somebody holds it."""
    with lease.hold(place, "what the build held", holder="who comes next"):
        return True


@pytest.mark.criterion("CICD-10")
def test_parameters_reach_the_script(lab: Lab, evidence: Evidence) -> None:
    value = f"{secrets.token_hex(8)} $HOME & <b> 'ä'"
    with (
        Trial(lab, "printf '[%s]\\n' \"$WHAT\"", label=LABEL, parameter="WHAT") as trial,
        evidence.judge("the script sees the parameter"),
    ):
        _, result = trial.run(WHAT=value)
        assert result == "SUCCESS", f"the build ends as {result}"
        assert f"[{value}]" in trial.output, "the parameter does not reach the script"


@pytest.mark.criterion("CICD-11")
def test_builds_of_a_job_run_one_after_the_other(
    lab: Lab, scratch: str, evidence: Evidence
) -> None:
    command = f'mkdir {scratch}/busy; echo "has begun $ROUND"; sleep 2; rmdir {scratch}/busy'
    with Trial(lab, command, label=LABEL, parameter="ROUND") as trial:
        first = trial.build_of(trial.start(ROUND="1"))
        with evidence.judge("the second build waits for the first"):
            second = trial.build_of(trial.start(ROUND="2"))
            results = [trial.end_of(first), trial.end_of(second)]
            assert results == ["SUCCESS"] * 2, f"they ran at the same time, and ended as {results}"
