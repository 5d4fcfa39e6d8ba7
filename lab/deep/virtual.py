"""The deep lab's virtual machine: Debian on a kernel of its own, by QEMU.

A host of a deep lab that has the capability ``own-kernel`` is one. It runs on KVM where that
runs any kernel, else on a processor that QEMU emulates, some ten times slower. It writes to a
layer that no directory has, and is held by one process: when that ends, nothing is left.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from lab import debian
from lab.deep import virtual_disk, virtual_seed
from lab.deep.inside import AGENT, DIES_WITH_US, PATH, PID_FILE
from lab.inventory import Inventory
from lab.loopback import cleanup

CAPABILITY = "own-kernel"
PORT = virtual_seed.PORT
#: Until SSH answers where the processor is emulated and shared (s).
START_TIMEOUT_S = 300.0
#: For a connection to an emulated machine whose processor others keep busy (s).
CONNECT_TIMEOUT_S = 30.0
CONSOLE = "console.log"
_SEED = "seed.tar"

#: command → the Debian package that has it
_COMMANDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "chronyd": "chrony",
}
_MEMORY_MIB = 1024
#: Of QEMU's own, for code that it has translated.
_TRANSLATED_MIB = 64
#: KVM by these modules runs any kernel; others want one that was made for them.
_KVM_MODULES = ("kvm_intel", "kvm_amd")


def lacking() -> str | None:
    """What this machine lacks for a virtual machine, and what to do; None when nothing."""
    if lack := _programs_lacking():
        return lack
    if virtual_disk.find() is None:
        return f"make the virtual machine's disk: ./iec4 lab build --deep ({virtual_disk.COST})"
    return None


def prepare(say: Callable[[str], None]) -> None:
    """Make the machine's disk where that can be; ``say`` hears of it. Raises `ToolMissing`."""
    if lack := _programs_lacking() or (os.geteuid() and "its disk is made by root (sudo)"):
        say(f"no virtual machine: {lack}")
    elif virtual_disk.find() is None:
        virtual_disk.make(say)


def _programs_lacking() -> str | None:
    if os.uname().machine != "x86_64":
        return f"the virtual machine is made for x86_64, not for {os.uname().machine}"
    if packages := debian.lacking(_COMMANDS, path=PATH):
        return f"a virtual machine needs {debian.told(packages)}"
    return None


def names(template: Inventory) -> list[str]:
    """The hosts that are virtual machines."""
    return [name for name, host in template.hosts.items() if CAPABILITY in host.capabilities]


def without_virtual(template: Inventory) -> Inventory:
    """``template`` as it is where virtual machines can be had; elsewhere without, and why."""
    virtual = names(template)
    if not virtual or (reason := lacking()) is None:
        return template
    hosts = {name: host for name, host in template.hosts.items() if name not in virtual}
    lacks = {**template.lacks, CAPABILITY: reason}
    return template.model_copy(update={"hosts": hosts, "lacks": lacks})


def accelerated() -> bool:
    """Whether KVM runs the machine."""
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and any(
        Path("/sys/module", module).is_dir() for module in _KVM_MODULES
    )


class Running:
    """A virtual machine's process."""

    def __init__(self, state: Path, name: str, within: list[str], tap: str) -> None:
        """Boot it from what `give` gave. ``within`` enters the network that has ``tap``."""
        disk = virtual_disk.find()
        assert disk is not None, "lacking() was asked before"
        self.name = name
        place = state / "hosts" / name
        self._process = subprocess.Popen(
            [*DIES_WITH_US, *within, *_command(disk, tap)],
            cwd=place,
            # Where the layer lies that it writes to: a file without a name.
            env={**os.environ, cleanup.HOST: name, "TMPDIR": str(place)},
            stdin=subprocess.DEVNULL,
        )
        (place / PID_FILE).write_text(str(self._process.pid))

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> None:
        self._process.wait()


def give(
    state: Path, name: str, address: str, time_server: str, accounts: Mapping[str, str]
) -> None:
    """Lay down what the machine is given at boot."""
    virtual_seed.write(
        state / "hosts" / name / _SEED,
        name=name,
        address=address,
        time_server=time_server,
        host_key=(state / "keys" / f"host-{name}").read_text(),
        accounts=accounts,
    )


def _command(disk: virtual_disk.Disk, tap: str) -> list[str]:
    fast = accelerated()
    kernel = ["root=/dev/vda", "rw", "console=ttyS0", "loglevel=4", "net.ifnames=0"]
    kernel += ["random.trust_cpu=on", "systemd.show_status=0"]
    if not fast:
        kernel += ["mitigations=off", "tsc=reliable"]
    return [
        "qemu-system-x86_64",
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", "pc", "-smp", "2", "-m", str(_MEMORY_MIB)),
        *("-accel", "kvm" if fast else f"tcg,tb-size={_TRANSLATED_MIB}"),
        *("-cpu", "host" if fast else "qemu64"),
        *("-kernel", str(disk.kernel), "-initrd", str(disk.initramfs), "-append", " ".join(kernel)),
        *("-drive", f"file={disk.image},format=raw,if=virtio,snapshot=on"),
        *("-fw_cfg", f"name=opt/iec4/seed,file={_SEED}"),
        *("-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no"),
        *("-device", "virtio-net-pci,netdev=net,romfile=,speed=10000,duplex=full"),
        *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=agent,path={AGENT},server=on,wait=off"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        *("-serial", f"file:{CONSOLE}"),
    ]
