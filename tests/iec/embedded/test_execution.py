"""Commands in pods by the suite's own client: bounded, and told what became of them."""

from __future__ import annotations

import time

import pytest

from lab.errors import CommandTimeout, LabError
from lab.iec.client import Refused
from lab.iec.execution import LIMIT, execute
from lab.iec.workload import Place, Work

pytestmark = pytest.mark.xdist_group("embedded cluster")


@pytest.fixture
def busy(place: Place) -> Place:
    """A place with a pod ``busy`` that does nothing."""
    place.pods({"busy": Work()})
    return place


def test_output_errors_and_status_come_back(busy: Place) -> None:
    done = busy.execute("busy", "sh", "-c", 'printf %s "$1"; echo bad >&2; exit 3', "sh", "a b&c=d")
    assert (done.status, done.stdout, done.stderr) == (3, "a b&c=d", "bad\n")
    with pytest.raises(LabError, match="status 3: bad"):
        done.check()


def test_what_takes_too_long_is_left(busy: Place) -> None:
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=f"sleep 60 in pod {busy.name}/busy"):
        busy.execute("busy", "sleep", "60", timeout=0.5)
    assert time.monotonic() - began < 5


def test_what_says_too_much_is_left(busy: Place) -> None:
    with pytest.raises(LabError, match="says too much"):
        busy.execute("busy", "head", "-c", str(LIMIT + 1), "/dev/zero")


def test_a_container_that_is_not_there_is_told(busy: Place) -> None:
    with pytest.raises(Refused, match="other"):
        execute(busy.cluster, "busy", ["true"], namespace=busy.name, container="other")
