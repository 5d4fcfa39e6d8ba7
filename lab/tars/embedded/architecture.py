"""Whether a package's programs can run on this machine, by their ELF headers.

The real tarsnode does not look: it starts what it gets, and the start fails without words.
"""

from __future__ import annotations

import platform
import struct
from pathlib import Path

# elf(5): the magic, then class, byte order (1 little, 2 big) … and e_machine at byte 18.
_MAGIC = b"\x7fELF"
_HEADER_SIZE = 20

#: Values of e_machine, in the words of ``uname -m``.
_NAMES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
#: What a machine runs beside its own.
_ALSO = {"x86_64": ("i386",), "aarch64": ("arm",)}


def machine_of(file: Path) -> str | None:
    """What an ELF file was built for; None for any other file."""
    with file.open("rb") as content:
        header = content.read(_HEADER_SIZE)
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        return None
    [number] = struct.unpack_from(">H" if header[5] == 2 else "<H", header, 18)
    return _NAMES.get(number, f"ELF machine {number}")


def foreign(directory: Path, machine: str | None = None) -> str | None:
    """The first file below ``directory`` that ``machine`` (this one) cannot run, in words."""
    machine = machine or platform.machine()
    for file in sorted(directory.rglob("*")):
        built_for = machine_of(file) if file.is_file() else None
        if built_for is not None and built_for not in (machine, *_ALSO.get(machine, ())):
            name = file.relative_to(directory)
            return f"wrong architecture: {name} is built for {built_for}, this node is {machine}"
    return None
