"""The master's parts, as its servants and the subjects of its HTTP API share them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.faultflags import FaultFlags
from lab.tars.embedded.access import Access
from lab.tars.embedded.configstore import ConfigStore
from lab.tars.embedded.database import Database
from lab.tars.embedded.nodes import Nodes
from lab.tars.embedded.packages import PackageStore
from lab.tars.embedded.tasks import TaskRunner
from lab.tars.embedded.templates import Templates


@dataclass(frozen=True)
class Parts:
    """All parts over one database."""

    database: Database
    nodes: Nodes
    tasks: TaskRunner
    packages: PackageStore
    configs: ConfigStore
    templates: Templates
    access: Access
    flags: FaultFlags

    @classmethod
    def at(cls, directory: Path, flags: FaultFlags) -> Parts:
        """The parts of a master whose state lies in ``directory``."""
        directory.mkdir(parents=True, exist_ok=True)
        database = Database(directory / "tars.db")
        nodes = Nodes(database)
        return cls(
            database=database,
            nodes=nodes,
            tasks=TaskRunner(database, nodes, flags),
            packages=PackageStore(directory / "packages", database),
            configs=ConfigStore(database),
            templates=Templates(database),
            access=Access(database, flags),
            flags=flags,
        )
