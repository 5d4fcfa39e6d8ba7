"""What a host with a kernel of its own must have: a clock that is kept right, and modules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host as Machine

from blueprints.baseline import Baseline
from blueprints.evidence import Evidence
from fixtures.machines import machine
from lab import clock
from lab.clock import Discipline
from lab.errors import LabError
from lab.session import Lab
from lab.wait import wait_for

#: A host that has just started needs some answers of its time server before it trusts it (s).
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def kernels(lab: Lab) -> dict[str, Machine]:
    """The hosts with a kernel of their own, asked as their root; raises `HostError`."""
    return {name: machine(lab.host(name)) for name in lab.inventory.able("own-kernel")}


@pytest.fixture
def clocks(kernels: dict[str, Machine], evidence: Evidence) -> Iterator[tuple[str, Discipline]]:
    """(host, who disciplines its clock); to be asked in the judged step, where none is a FAIL."""

    def ask(host: Machine) -> Discipline | None:
        try:
            return clock.read(host.run(clock.ASK).stdout)
        except ValueError as error:
            raise LabError(str(error)) from None

    def each() -> Iterator[tuple[str, Discipline]]:
        for name, host in kernels.items():
            assert ask(host) is not None, f"nothing disciplines the clock of {name}"

            def synchronized(host: Machine = host) -> Discipline | None:
                found = ask(host)
                return found if found is not None and found.synchronized else None

            found = wait_for(
                f"the synchronization of {name}'s clock", synchronized, timeout=PATIENCE_S
            )
            evidence.attach(f"{name}.json", vars(found))
            yield name, found

    return each()


@pytest.mark.criterion("OS-26")
def test_the_clocks_are_disciplined(
    clocks: Iterator[tuple[str, Discipline]], evidence: Evidence
) -> None:
    with evidence.judge("every host's clock is disciplined, and synchronized"):
        assert list(clocks), "no host"


@pytest.mark.criterion("OS-27")
def test_the_time_comes_from_a_server(
    clocks: Iterator[tuple[str, Discipline]], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("every host takes its time from a server that is near a reference"):
        for name, found in clocks:
            assert found.source, f"{name} takes its own clock for the time, by {found.daemon}"
            assert found.stratum <= required.stratum, (
                f"the clock of {name} is of stratum {found.stratum}, "
                f"further from a reference than {required.stratum}"
            )


@pytest.mark.criterion("OS-28")
def test_the_clocks_are_right(clocks: Iterator[tuple[str, Discipline]], evidence: Evidence) -> None:
    with evidence.judge("every host's clock is as its time server's"):
        offsets = [abs(found.offset_s) for _, found in clocks]
        offset = evidence.measure("clock_offset", max(offsets) * 1000, "ms", samples=len(offsets))
        evidence.check(offset)


@pytest.mark.criterion("OS-29")
def test_the_kernel_modules_are_there(
    kernels: dict[str, Machine], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("every kernel module that Kubernetes and Calico need is there"):
        for name, host in kernels.items():
            closed = host.sysctl("kernel.modules_disabled") == 1
            for module in required.modules:
                told = host.run("modprobe --show-depends %s", module)
                # The last line is its own; others are of what it stands on.
                how = told.stdout.strip().rpartition("\n")[2]
                assert told.rc == 0, f"{name} has no kernel module {module}"
                # Whoever bars one lets another command run in its place.
                assert how.startswith(("insmod ", "builtin ")), (
                    f"kernel module {module} is barred on {name}: {how}"
                )
                assert (
                    not closed
                    or how.startswith("builtin ")
                    or host.file(f"/sys/module/{module}").exists
                ), f"{name} takes no module more, and {module} is not loaded"


@pytest.mark.criterion("OS-30")
def test_the_links_are_fast(
    machines: dict[str, Machine], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("every network interface that tells its speed is as fast as it must be"):
        found = {name: dict(speeds(host)) for name, host in machines.items()}
        evidence.attach("speeds.json", found)
        for name, links in found.items():
            for link, mbits in links.items():
                assert mbits >= required.link_mbits, (
                    f"{link} of {name} runs at {mbits} Mbit/s, below {required.link_mbits}"
                )


def speeds(host: Machine) -> Iterator[tuple[str, int]]:
    """(interface, Mbit/s) of those with an address; virtual ones may tell none."""
    for line in host.check_output("ip -o -4 addr show up scope global").splitlines():
        link = line.split()[1]
        told = host.run("cat /sys/class/net/%s/speed", link)
        if told.rc == 0 and int(told.stdout) > 0:
            yield link, int(told.stdout)
