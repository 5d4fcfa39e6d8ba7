"""What reading a zip file from outside may raise, and what such a file may be packed with."""

from __future__ import annotations

import struct
import zipfile
import zlib

#: A zip file, or a member of one, that is damaged, encrypted, or of a kind that is not read.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError,
)  # fmt: skip
#: What zip files are packed with here. Of the others LZMA may ask for any amount of memory.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
