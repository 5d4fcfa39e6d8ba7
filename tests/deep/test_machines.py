"""What a machine of the deep lab is, and what it is kept from."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import faults
from lab.deep import faults as deep_faults
from lab.deep.inside import run_inside
from lab.deep.kernel_faults import KERNEL_ACTS
from lab.host import keys
from lab.host.connection import try_login
from lab.inventory import Inventory
from lab.payload import ROOT
from lab.session import Lab
from lab.wait import wait_for

#: Directories that any root has at its top.
USUAL = {"boot", "dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp"}


@pytest.fixture(scope="module")
def lab(inventory: Inventory) -> Iterator[Lab]:
    with Lab(inventory) as lab:
        yield lab


def as_root(lab: Lab, name: str, script: str) -> str:
    return lab.host(name).run(["sh", "-c", script], sudo=True).check().text


def test_it_has_a_root_of_its_own(lab: Lab):
    as_root(lab, "one", "echo mine >/etc/only-here && adduser --quiet --system somebody")

    assert as_root(lab, "one", "cat /etc/only-here; id -un somebody") == "mine\nsomebody\n"
    assert not lab.host("two").run(["test", "-e", "/etc/only-here"]).ok
    assert not Path("/etc/only-here").exists()
    assert "somebody" not in Path("/etc/passwd").read_text()


def test_it_is_called_by_its_name_and_sees_its_own_processes(lab: Lab):
    assert as_root(lab, "two", "hostname; cat /etc/hostname") == "two\ntwo\n"
    assert as_root(lab, "two", "cat /proc/1/cmdline").startswith("/bin/sh\0-c")


def test_this_machine_s_secrets_and_checkouts_are_not_in_it(lab: Lab):
    shown = as_root(lab, "one", f"ls -A / /root /home /srv /opt; cat /etc/shadow; ls {ROOT} || :")

    hashes = [line.split(":")[1] for line in Path("/etc/shadow").read_text().splitlines()]
    assert not any(secret in shown for secret in hashes if len(secret) > 2)
    assert "cannot access" not in shown
    assert Path(ROOT).name not in shown.split()
    listed = as_root(lab, "one", "ls -A /root /home /srv /opt").split()
    own = ["/opt:", "cni", "/root:", "/srv:", "iec4"]  # no files are in those two
    assert listed == ["/home:", "iec4", "operator", *own]
    top = as_root(lab, "one", "ls /").split()
    assert not {Path(ROOT).parts[1], "lost+found", "old_root"} & set(top) - USUAL
    there = as_root(lab, "one", "cat /etc/ssh/ssh_host_*key.pub 2>/dev/null; ls /etc/ssh").split()
    assert [name for name in there if name.startswith("ssh_host")] == ["ssh_host_ed25519_key"]


def test_it_has_control_groups_of_its_own(lab: Lab):
    """It may make groups below the root that it sees, and no other machine sees them."""
    place = "/sys/fs/cgroup/$(ls /sys/fs/cgroup | grep -x pids || echo machine)"
    assert as_root(lab, "one", f"mkdir {place}/mine; ls -d {place}/mine").endswith("/mine\n")
    assert as_root(lab, "two", f"ls {place}/mine || echo none") == "none\n"
    assert {line.split(":")[2] for line in as_root(lab, "two", "cat /proc/1/cgroup").split()} <= {
        "/",
        "/machine",
    }


def test_what_is_large_lies_on_disk(lab: Lab):
    kinds = as_root(lab, "one", "stat -f -c %T /var/lib/containerd /var/lib/kubelet /opt/cni")
    assert "tmpfs" not in kinds
    assert "overlayfs" not in kinds


def test_what_only_root_may_read_of_this_machine_s_etc_is_not_in_it(lab: Lab):
    closed = [
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path("/etc").rglob("*")
        if path.is_file() and path.stat().st_size and not path.stat().st_mode & stat.S_IROTH
    ]
    assert closed, "no secrets here to look for"

    there = as_root(lab, "one", "find /etc -type f -exec sha256sum {} +")

    assert not [digest for digest in closed if digest in there]


def test_it_reaches_the_other_machine_and_no_network_beyond(lab: Lab, inventory: Inventory):
    other = inventory.hosts["two"].address
    script = f"exec 3<>/dev/tcp/{other}/22; head -c 4 <&3"
    assert lab.host("one").check(["bash", "-c", script]) == "SSH-"
    default, network = as_root(lab, "one", "ip route").splitlines()
    assert default.split() == ["default", "dev", "eth0", "scope", "link"]  # by no gateway
    assert network.split()[:3:2] == [f"{str(other).rpartition('.')[0]}.0/24", "eth0"]
    assert not lab.host("one").run(["bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/22"]).ok


def test_it_cannot_change_the_kernel_that_it_shares(lab: Lab):
    host = lab.host("one")
    for attempt in (
        ["sysctl", "-w", "kernel.domainname=changed"],
        ["sh", "-c", "echo 1 >/proc/sys/vm/drop_caches"],
        ["date", "--set", "2001-01-01"],
    ):
        assert not host.run(attempt, sudo=True).ok, attempt
    assert host.run(["sysctl", "-w", "net.ipv4.ip_forward=1"], sudo=True).ok
    assert lab.host("two").check(["cat", "/proc/sys/net/ipv4/ip_forward"]) == "0\n"


def test_files_and_tunnels_pass_its_ssh_server(lab: Lab, tmp_path: Path):
    host = lab.host("two")
    digest = host.put(b"x" * 300_000, "a/b/c", mode=0o600)
    assert host.get("a/b/c", tmp_path / "c") == digest
    with host.tunnel(22) as port:
        assert port > 0
    listed = host.check(["stat", "-c", "%a %U", "a/b/c"])
    assert listed == "600 iec4\n"


def test_a_server_that_takes_no_passwords_refuses_one(inventory: Inventory):
    attempt = try_login("one", inventory.hosts["one"], user="iec4", password="a guess")

    assert (attempt.accepted, attempt.methods) == (False, ("publickey",))


def test_every_fault_is_undone_without_a_trace(inventory: Inventory):
    ours = {
        name: act
        for name, act in deep_faults.ACTS.items()
        if name.startswith("os.") and name not in KERNEL_ACTS
    }
    names = sorted(ours)
    files = sorted({file for act in ours.values() for file in act.files})
    look = """
        for file; do [ ! -e "$file" ] || { stat -c '%n %a %U' "$file"; sha256sum <"$file"; }; done
        ss -Hltun; grep MemTotal /proc/meminfo; sysctl net.ipv4.conf.all.accept_redirects
        ls /etc/ssh /run/iec4-faults/* /var/lib 2>&1 || :
        taskset -cp "$(cat /run/sshd.pid)"
    """

    def state() -> str:
        return run_inside(inventory.state or Path(), "one", look, files)

    before = state()
    for name in names:
        faults.inject(inventory, name)
        assert faults.active(inventory) == [name]
        assert state() != before, f"{name} does nothing"
        faults.clear(inventory, name)
        faults.clear(inventory, name)  # a second time is no harm
        assert state() == before, f"{name} leaves traces"


def test_a_fault_of_ssh_acts_and_ends(inventory: Inventory):
    entry = inventory.hosts["one"]

    def stranger_comes_in() -> bool:
        return try_login("one", entry, user="operator", key=keys.new()).accepted

    assert not stranger_comes_in()
    faults.inject(inventory, "os.accept-stranger-key")
    try:
        wait_for("sshd's new configuration", stranger_comes_in, timeout=10)
    finally:
        faults.clear(inventory, "os.accept-stranger-key")
    wait_for("sshd's old configuration", lambda: not stranger_comes_in(), timeout=10)
