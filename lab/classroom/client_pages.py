"""The pages of teacher and student, and OpenVidu's own client (npm's openvidu-browser 2.13.0).

They are opened as files, so no web server is needed: on the suite's machine from a directory
that ends with the browser, on a machine of its own from where the recipe unpacked them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.nodejs import npm_tree
from lab.payload import archive

_PAGES = Path(__file__).parent / "pages"
_CLIENT = "openvidu-browser/static/js/openvidu-browser-2.13.0.min.js"


def files() -> dict[str, Path]:
    """What belongs beside each other: name → local file. Raises `ToolMissing` without npm's."""
    ours = (file for file in _PAGES.iterdir() if file.suffix in (".html", ".js"))
    return {file.name: file for file in ours} | {
        "openvidu-browser.js": npm_tree(_PAGES) / _CLIENT,
    }


def packed() -> tuple[Path, str]:
    """The archive that travels to a client's machine: ``(path, sha256)``."""
    return archive(files())


@contextmanager
def unpacked() -> Iterator[Path]:
    """A directory of this machine with the pages in it."""
    with TemporaryDirectory(prefix="iec4-pages-") as directory:
        for name, file in files().items():
            shutil.copyfile(file, Path(directory) / name)
        yield Path(directory)
