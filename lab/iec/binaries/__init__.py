"""The cluster's programs on this machine: found, or built once from the Go module proxy."""

from lab.iec.binaries.building import build
from lab.iec.binaries.catalogue import DEEP, DEFAULT
from lab.iec.binaries.finding import find, missing

__all__ = ["DEEP", "DEFAULT", "build", "find", "missing"]
