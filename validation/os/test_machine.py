"""The machines themselves: what they are, how they are set up, who may use them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host as Machine

from blueprints.baseline import Baseline, Size
from blueprints.evidence import Evidence
from lab.inventory import HostEntry
from lab.session import Lab
from lab.task import Task

GIB = 2**30
#: Ids from this on are people's (UID_MIN of login.defs), but for nobody's.
FIRST_PERSON = 1000
NOBODY = "65534"
#: What firmware, the kernel and a file system's own tables may take of a machine's size.
USABLE = 0.9


@pytest.mark.criterion("OS-06")
def test_the_release_is_supported(
    machines: dict[str, Machine], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("every host runs a supported release"):
        for name, host in machines.items():
            text = host.file("/etc/os-release").content_string
            found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            distribution, release = (found.get(k, "").strip('"') for k in ("ID", "VERSION_ID"))
            assert release in required.releases.get(distribution, ()), (
                f"{name} runs {distribution} {release}, which is not a supported release"
            )


@pytest.mark.criterion("OS-07")
def test_the_architecture_is_the_inventory_s(
    machines: dict[str, Machine], lab: Lab, evidence: Evidence
) -> None:
    with evidence.judge("every host is of the architecture that the inventory says"):
        for name, host in machines.items():
            found, expected = host.check_output("uname -m"), lab.inventory.hosts[name].arch
            assert found == expected, f"the architecture of {name} is {found}, not {expected}"


@pytest.mark.criterion("OS-08")
def test_the_kernel_is_supported(
    machines: dict[str, Machine], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("every host runs a kernel that is not too old"):
        for name, host in machines.items():
            release = host.check_output("uname -r")
            assert numbers(release) >= numbers(required.kernel), (
                f"{name} runs kernel {release}, older than {required.kernel}"
            )


def numbers(release: str) -> tuple[int, ...]:
    """``6.1.0-18-amd64`` → (6, 1): what decides whether a kernel is new enough."""
    return tuple(int(part) for part in release.split(".")[:2])


@pytest.mark.criterion("OS-09")
def test_the_clocks_agree(machines: dict[str, Machine], evidence: Evidence) -> None:
    with evidence.judge("the hosts' clocks agree"):
        bounds = {name: clock_offset(host) for name, host in machines.items()}
        evidence.attach("clocks.json", bounds)
        earliest = max(low for low, _ in bounds.values())
        latest = min(high for _, high in bounds.values())
        # How far two clocks are apart at least, whatever the commands took on their way.
        skew_ms = max(earliest - latest, 0) * 1000
        evidence.check(evidence.measure("clock_skew", skew_ms, "ms", samples=len(bounds)))


def clock_offset(host: Machine) -> tuple[float, float]:
    """Bounds of a host's clock against a steady one here, seconds: it was read in between."""
    before = time.monotonic()
    read = float(host.check_output("date +%s.%N"))
    after = time.monotonic()
    return read - after, read - before


@pytest.fixture
def sized(machines: dict[str, Machine], required: Baseline, task: Task) -> Iterator[object]:
    """(name, machine, what it has at least) of every host."""
    return (
        (
            name,
            host,
            required.size(task.blueprint, task.inventory.hosts[name].roles, task.inventory.profile),
        )
        for name, host in machines.items()
    )


@pytest.mark.criterion("OS-10")
def test_the_cpus_are_as_many_as_the_bill_of_materials_says(
    sized: Iterator[tuple[str, Machine, Size]], evidence: Evidence
) -> None:
    with evidence.judge("every host has the CPUs of the bill of materials"):
        for name, host, size in sized:
            found = int(host.check_output("nproc"))
            assert found >= size.cpus, f"{name} has {found} CPUs, fewer than {size.cpus}"


@pytest.mark.criterion("OS-11")
def test_the_memory_is_as_large_as_the_bill_of_materials_says(
    sized: Iterator[tuple[str, Machine, Size]], evidence: Evidence
) -> None:
    with evidence.judge("every host has the memory of the bill of materials"):
        for name, host, size in sized:
            lines = host.file("/proc/meminfo").content_string.splitlines()
            kib = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
            found = kib * 1024 / GIB
            assert found >= size.memory_gib * USABLE, (
                f"{name} has {found:.1f} GiB of memory, less than {size.memory_gib} GiB"
            )


@pytest.mark.criterion("OS-12")
def test_the_disk_is_as_large_as_the_bill_of_materials_says(
    sized: Iterator[tuple[str, Machine, Size]], evidence: Evidence
) -> None:
    with evidence.judge("every host has the disk of the bill of materials, where its data lies"):
        for name, host, size in sized:
            found = int(host.check_output("df -B1 --output=size /var/lib").split()[-1]) / GIB
            assert found >= size.disk_gib * USABLE, (
                f"{name} has {found:.1f} GiB of disk at /var/lib, less than {size.disk_gib} GiB"
            )


@pytest.mark.criterion("OS-13")
def test_the_network_interfaces_are_up(
    machines: dict[str, Machine], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("every host has its network interfaces, up and with an address"):
        for name, host in machines.items():
            found = host.check_output("ip -o -4 addr show up scope global").splitlines()
            interfaces = {line.split()[1] for line in found if len(line.split()) > 3}
            assert len(interfaces) >= required.nics, (
                f"{name} has {len(interfaces)} network interfaces up, fewer than {required.nics}"
            )


@pytest.mark.criterion("OS-14")
def test_the_network_parameters_are_set(
    machines: dict[str, Machine], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("every host's kernel parameters of the network are as they must be"):
        for name, host in machines.items():
            for parameter, value in required.sysctl.items():
                found = host.sysctl(parameter)
                assert str(found) == value, f"{parameter} is {found} on {name}, not {value}"


@pytest.mark.criterion("OS-15")
def test_no_swap_is_configured(machines: dict[str, Machine], evidence: Evidence) -> None:
    with evidence.judge("no host is set up to swap"):
        for name, host in machines.items():
            for line in host.file("/etc/fstab").content_string.splitlines():
                fields = line.split("#")[0].split()
                assert fields[2:3] != ["swap"], f"{name} swaps to {fields[0]}, by /etc/fstab"


@pytest.mark.criterion("OS-16")
def test_sshd_is_set_up_as_it_must_be(
    machines: dict[str, Machine], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("sshd's options are in force as they must be on every host"):
        for name, host in machines.items():
            lines = host.check_output("sshd -T").splitlines()
            found = dict(line.split(maxsplit=1) for line in lines if " " in line)
            for option, value in required.sshd.items():
                assert found.get(option) == value, (
                    f"sshd's {option} is {found.get(option)} on {name}, not {value}"
                )


@pytest.mark.criterion("OS-17")
def test_root_s_id_is_root_s_alone(machines: dict[str, Machine], evidence: Evidence) -> None:
    with evidence.judge("no other account has root's id"):
        for name, host in machines.items():
            others = [user[0] for user in accounts(host, "/etc/passwd") if user[2] == "0"]
            others.remove("root")
            assert not others, f"{', '.join(others)} on {name} has root's id"


@pytest.mark.criterion("OS-18")
def test_no_password_is_empty(machines: dict[str, Machine], evidence: Evidence) -> None:
    with evidence.judge("no account has an empty password"):
        for name, host in machines.items():
            empty = [user[0] for user in accounts(host, "/etc/shadow") if user[1] == ""]
            assert not empty, f"{', '.join(empty)} on {name} has an empty password"


@pytest.mark.criterion("OS-19")
def test_passwords_age(
    machines: dict[str, Machine], required: Baseline, lab: Lab, evidence: Evidence
) -> None:
    with evidence.judge("the passwords of the inventory's accounts have to be changed in time"):
        for name, host in machines.items():
            people = {account.name for account in lab.inventory.hosts[name].accounts}
            for user in accounts(host, "/etc/shadow"):
                days = int(user[4] or 99999)
                assert user[0] not in people or days <= required.password_days, (
                    f"{user[0]}'s password on {name} lasts {days} days, "
                    f"more than {required.password_days}"
                )


def accounts(host: Machine, file: str) -> list[list[str]]:
    """The fields of each account in ``/etc/passwd`` or ``/etc/shadow``."""
    return [line.split(":") for line in host.file(file).content_string.splitlines() if line]


@pytest.mark.criterion("OS-25")
def test_accounts_are_the_inventory_s(
    machines: dict[str, Machine], lab: Lab, evidence: Evidence
) -> None:
    with evidence.judge("nobody has an account but those of the inventory"):
        for name, host in machines.items():
            known = {account.name for account in lab.inventory.hosts[name].accounts}
            people = {user[0] for user in accounts(host, "/etc/passwd") if is_a_person(user)}
            unknown = sorted(people - known)
            assert not unknown, f"{', '.join(unknown)} on {name} is not of the inventory"


def is_a_person(user: list[str]) -> bool:
    """Whether an account is no service's: its id is not the system's, and it has a shell."""
    system = int(user[2]) < FIRST_PERSON or user[2] == NOBODY
    return not system and not user[6].endswith(("/nologin", "/false"))


@pytest.mark.criterion("OS-20")
def test_system_files_are_root_s(
    machines: dict[str, Machine], required: Baseline, evidence: Evidence
) -> None:
    with evidence.judge("the files that rule a host are root's, and closed to others"):
        for name, host in machines.items():
            for path, allowed in required.modes.items():
                file = host.file(path)
                assert file.user == "root", f"{path} on {name} is {file.user}'s"
                assert not file.mode & ~int(allowed, 8), (
                    f"{path} on {name} has mode {file.mode:o}, more than {allowed}"
                )


@pytest.mark.criterion("OS-21")
def test_the_open_ports_are_the_inventory_s(
    machines: dict[str, Machine], lab: Lab, evidence: Evidence
) -> None:
    with evidence.judge("the open ports of every host are those of the inventory"):
        for name, host in machines.items():
            listening = host.check_output("ss -Hltun").splitlines()
            found = {int(port) for at, port in map(listener, listening) if not is_local(at)}
            required, allowed = ports_of(lab, lab.inventory.hosts[name])
            extra, closed = sorted(found - required - allowed), sorted(required - found)
            assert not extra, f"{name} listens on {extra}, which the inventory does not have"
            assert not closed, f"{name} does not listen on {closed}, which the inventory has"


def listener(line: str) -> tuple[str, str]:
    """Address and port of a line of ``ss -Hltun``."""
    address, _, port = line.split()[4].rpartition(":")
    return address, port


def is_local(address: str) -> bool:
    return address.startswith("127.") or address == "[::1]"


def ports_of(lab: Lab, entry: HostEntry) -> tuple[set[int], set[int]]:
    """Those that must be open, and those that may be: endpoints of systems on that host, whose
    life other criteria judge, and ranges."""
    endpoints = [
        lab.address(name, endpoint)
        for name, system in lab.inventory.systems.items()
        for endpoint in system.endpoints
    ]
    listed = {port for port in entry.ports if isinstance(port, int)}
    bounds = [map(int, ports.split("-")) for ports in entry.ports if isinstance(ports, str)]
    allowed = {port for first, last in bounds for port in range(first, last + 1)}
    return {entry.port, *listed}, allowed | {port for at, port in endpoints if at == entry.address}
