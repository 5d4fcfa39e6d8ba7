"""The interfaces of Tars' own objects, described in its language; ``for_object`` finds them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent


class Described(NamedTuple):
    file: Path
    interface: str


_OBJECTS = {
    "tars.tarsregistry.QueryObj": ("Registry", "QueryF"),
    "tars.tarsregistry.RegistryObj": ("Registry", "Registry"),
    "tars.tarsAdminRegistry.AdminRegObj": ("AdminRegistry", "AdminReg"),
    "tars.tarsnode.ServerObj": ("Node", "ServerF"),
    "AdminObj": ("Node", "AdminF"),
    "tars.tarspatch.PatchObj": ("Optional", "Patch"),
    "tars.tarsconfig.ConfigObj": ("Optional", "Config"),
    "tars.tarsnotify.NotifyObj": ("Optional", "Notify"),
    "tars.tarslog.LogObj": ("Optional", "Log"),
    "tars.tarsstat.StatObj": ("Optional", "StatF"),
    "tars.tarsproperty.PropertyObj": ("Optional", "PropertyF"),
    "IEC4.EchoServer.EchoObj": ("../echo/Echo", "Echo"),
}

#: Look-ups by name.
QUERY = Described(_HERE / "Registry.tars", "QueryF")
#: What the AdminRegistry pushes to nodes.
PUSHES = Described(_HERE / "Node.tars", "NodePush")


def for_object(name: str) -> Described | None:
    """The file and interface of an object of Tars' framework, or of the echo servant."""
    if name not in _OBJECTS:
        return None
    file, interface = _OBJECTS[name]
    return Described((_HERE / f"{file}.tars").resolve(), interface)
