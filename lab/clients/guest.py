"""A guest of three instructions on this machine's KVM. It travels: standard library alone.

    python3 guest.py

Prints what the guest's processor did as JSON: ``{"value": 42, "port": 16, "halted": true}``. The
guest multiplies 6 by 7 in real mode, writes the product to an I/O port, and halts. Ends with
status 1 and one line on stderr when there is no KVM, or the guest does something else.

Source: Linux' Documentation/virt/kvm/api.rst, for x86.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import platform
import signal
import struct
import sys
from fcntl import ioctl

#: The guest must not run longer than this, in seconds.
TIMEOUT_S = 5

_CODE = bytes([
    0xB0, 6,      # mov al, 6
    0xB3, 7,      # mov bl, 7
    0xF6, 0xE3,   # mul bl
    0xE6, 0x10,   # out 0x10, al
    0xF4,         # hlt
])  # fmt: skip
_MEMORY = 0x1000
_ENTRY = 0

_API_VERSION = 12
_KVM_GET_API_VERSION = 0xAE00
_KVM_CREATE_VM = 0xAE01
_KVM_GET_VCPU_MMAP_SIZE = 0xAE04
_KVM_CREATE_VCPU = 0xAE41
_KVM_SET_USER_MEMORY_REGION = 0x4020AE46
_KVM_RUN = 0xAE80
_KVM_SET_REGS = 0x4090AE82
_KVM_GET_SREGS = 0x8138AE83
_KVM_SET_SREGS = 0x4138AE84
_EXIT_IO, _EXIT_HLT = 2, 5

# struct kvm_regs: 18 registers of 64 bits; rip is the 17th, rflags (bit 1 is always set) the last.
_REGS = struct.pack("<18Q", *([0] * 16), _ENTRY, 2)
_SREGS_BYTES = 312
# Its first member is the code segment: base (64 bits), limit (32), selector (16).
_CODE_SEGMENT = struct.Struct("<QIH")
# struct kvm_run: exit_reason lies at 8, the union with the exit's details at 32.
_EXIT_REASON = (8, struct.Struct("<I"))
_IO = (32, struct.Struct("<BBHIQ"))  # direction, size, port, count, offset of the data


def run() -> dict[str, object]:
    """Run the guest; raises OSError where KVM does not let us, RuntimeError when it does else."""
    kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    version = ioctl(kvm, _KVM_GET_API_VERSION)
    if version != _API_VERSION:
        raise RuntimeError(f"KVM's API is version {version}, expected {_API_VERSION}")
    machine = ioctl(kvm, _KVM_CREATE_VM, 0)
    memory = mmap.mmap(-1, _MEMORY)
    memory[_ENTRY : _ENTRY + len(_CODE)] = _CODE
    place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    # slot, flags, guest's address, size, our address
    ioctl(machine, _KVM_SET_USER_MEMORY_REGION, struct.pack("<IIQQQ", 0, 0, 0, _MEMORY, place))
    processor = ioctl(machine, _KVM_CREATE_VCPU, 0)
    shared = mmap.mmap(processor, ioctl(kvm, _KVM_GET_VCPU_MMAP_SIZE))
    special = bytearray(_SREGS_BYTES)
    ioctl(processor, _KVM_GET_SREGS, special)
    _, limit, _ = _CODE_SEGMENT.unpack_from(special)
    _CODE_SEGMENT.pack_into(special, 0, 0, limit, 0)
    ioctl(processor, _KVM_SET_SREGS, bytes(special))
    ioctl(processor, _KVM_SET_REGS, _REGS)

    _expect(processor, shared, _EXIT_IO)
    _, _, port, _, data = _IO[1].unpack_from(shared, _IO[0])
    value = shared[data]
    _expect(processor, shared, _EXIT_HLT)
    return {"value": value, "port": port, "halted": True}


def _expect(processor: int, shared: mmap.mmap, reason: int) -> None:
    ioctl(processor, _KVM_RUN, 0)
    [found] = _EXIT_REASON[1].unpack_from(shared, _EXIT_REASON[0])
    if found != reason:
        raise RuntimeError(f"the guest left for reason {found}, expected {reason}")


def main() -> None:
    if platform.machine() != "x86_64":
        sys.exit(f"this guest is made for x86_64, found {platform.machine()}")
    signal.alarm(TIMEOUT_S)
    try:
        print(json.dumps(run()))  # noqa: T201 - its result
    except (OSError, RuntimeError) as error:
        sys.exit(f"no guest ran: {error}")


if __name__ == "__main__":
    main()
