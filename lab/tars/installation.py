"""What an inventory says about Tars: where its optional servers run, what a real one is made of."""

from __future__ import annotations

from pydantic import Field, model_validator

from blueprints.config import Model
from lab.images import ENGINE, Image
from lab.references import Reference

#: The framework's servers that services work without, each with its objects' last names.
OPTIONAL_SERVERS = {
    "tarsstat": ("StatObj", "QueryObj"),
    "tarsproperty": ("PropertyObj", "QueryObj"),
    "tarsnotify": ("NotifyObj",),
    "tarslog": ("LogObj",),
}
#: In a placement: leave the server out.
ABSENT = "none"


class Database(Model):
    """The framework's MySQL: one that is there (``host``), or ``image`` to run on the tars-master.

    ``password`` is that of ``user``, by reference.
    """

    password: Reference
    user: str = "root"
    host: str | None = None
    port: int = Field(default=3306, ge=1, le=65535)
    image: Image | None = None

    @model_validator(mode="after")
    def _one(self) -> Database:
        if (self.host is None) == (self.image is None):
            raise ValueError("the database is one that is there (host) or one to run (image)")
        if self.image is not None and (self.user, self.port) != ("root", 3306):
            raise ValueError("a database that is run for the framework has user root, port 3306")
        return self


class TarsInstall(Model):
    """A Tars to install on a real lab, from its own container images.

    ``framework`` runs on the tars-master, ``node`` on each tars-agent and dc host. ``engine``
    is the command of the container engine; ``interfaces``: host → the network interface whose
    address Tars takes for that host's (INET), ``interface`` for those not named.
    ``directory``: where containers keep their data on the host.
    """

    framework: Image
    node: Image
    database: Database
    engine: str = Field(default="docker", pattern=ENGINE)
    interface: str = "eth0"
    interfaces: dict[str, str] = Field(default_factory=dict)
    directory: str = Field(default="/data", pattern=r"^/[^:\s]*$")

    def references(self) -> list[str]:
        """Every secret that it names."""
        return [self.database.password]
