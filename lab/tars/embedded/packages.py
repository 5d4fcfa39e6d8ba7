"""The packages that were uploaded to the master, and the faces of them that nodes see."""

from __future__ import annotations

import time
from pathlib import Path

from lab.tars.embedded.answers import Upload
from lab.tars.embedded.database import Database, Row

#: Where tarspatch shows packages to nodes: ``<ROOT>/App/Server/<version>.tgz``. The real one
#: has one file for each server, which the last publish replaced.
ROOT = "/TARSBatchPatching"


def face(server: str, version: str) -> str:
    """The path by which nodes ask for version ``version`` of ``App.Server``'s package."""
    return f"{ROOT}/{server.replace('.', '/')}/{version}.tgz"


class PackageStore:
    """Packages as files of ``directory``, known to the database once they lie there whole."""

    def __init__(self, directory: Path, database: Database) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._database = database

    def take(self, server: str, upload: Upload, comment: str) -> Row:
        """Keep an upload as a package of ``App.Server``; returns its row."""
        tgz = f"{server}_suse_{time.time_ns() // 1_000_000}.tgz"
        place = self.directory / tgz
        while place.exists():  # uploaded in the same millisecond
            tgz = f"{server}_suse_{time.time_ns() // 1_000}.tgz"
            place = self.directory / tgz
        upload.path.replace(place)
        return self._database.add_package(server, tgz, upload.md5, comment)

    def file(self, face: str) -> Path | None:
        """The file behind a path that a node asks for; None when there is none."""
        place, _, name = face.removeprefix(f"{ROOT}/").rpartition("/")
        row = self._database.package(name.removesuffix(".tgz"))
        if row is None or row["server"] != place.replace("/", "."):
            return None
        return self.directory / str(row["tgz"])
