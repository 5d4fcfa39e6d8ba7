"""The packages that were uploaded to the master, and the paths by which nodes ask for them."""

from __future__ import annotations

import time
from pathlib import Path

from lab.tars.embedded.answers import Upload
from lab.tars.embedded.database import Database
from lab.tars.embedded.interfaces import PACKAGES
from lab.tars.embedded.store import Row


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

    def delete(self, package_id: str) -> None:
        """Forget a package; an unknown one is no error."""
        row = self._database.package(package_id)
        if row is not None:
            self._database.delete_package(package_id)
            (self.directory / str(row["tgz"])).unlink(missing_ok=True)

    def file(self, path: str) -> Path | None:
        """The file behind a path that a node asks for; None when there is none."""
        place, _, name = path.removeprefix(f"{PACKAGES}/").rpartition("/")
        row = self._database.package(name.removesuffix(".tgz"))
        if row is None or row["server"] != place.replace("/", "."):
            return None
        return self.directory / str(row["tgz"])
