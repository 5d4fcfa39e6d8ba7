"""What the remote API shows of nodes, labels and plugins."""

from __future__ import annotations

from lab.jenkins.embedded.controller import Controller
from lab.jenkins.embedded.exports import Exported, whole
from lab.jenkins.embedded.nodes import Node


class NodesApi:
    """Nodes of a controller. ``plugins``: name → version."""

    def __init__(self, controller: Controller, plugins: dict[str, str]) -> None:
        self._controller = controller
        self._plugins = plugins

    def computers(self) -> Exported:
        controller = self._controller
        return Exported(
            "hudson.model.ComputerSet",
            {
                "busyExecutors": sum(controller.busy(node) for node in controller.nodes),
                "computer": [self.computer(node) for node in controller.nodes],
                "displayName": "Nodes",
                "totalExecutors": sum(self._online(n) * n.executors for n in controller.nodes),
            },
        )

    def _online(self, node: Node) -> bool:
        away = bool(node.name) and self._controller.faults.active("jenkins.agents-away")
        return node.online and not away

    def node(self, name: str) -> Node | None:
        """The node of a computer's URL name."""
        names = {node.name or "(built-in)": node for node in self._controller.nodes}
        return names.get({"(master)": "(built-in)"}.get(name, name))

    def computer(self, node: Node) -> Exported:
        busy = self._controller.busy(node)
        online = self._online(node)
        executor = {"currentExecutable": None}
        fields = {
            "actions": [],
            "assignedLabels": [whole(None, {"name": label}) for label in node.labels],
            "description": node.description,
            "displayName": node.display,
            "executors": [Exported(None, executor) for _ in range(node.executors)],
            "icon": "symbol-computer" if online else "symbol-computer-offline",
            "iconClassName": "symbol-computer" if online else "symbol-computer-offline",
            "idle": busy == 0,
            "jnlpAgent": False,
            "launchSupported": True,
            "loadStatistics": whole("hudson.model.Label$1", {}),
            "manualLaunchAllowed": True,
            "monitorData": whole(None, {}),
            "numExecutors": node.executors,
            "offline": not online,
            "offlineCause": None,
            "offlineCauseReason": "" if online else "the connection is not there (embedded)",
            "oneOffExecutors": [],
            "temporarilyOffline": False,
        }
        kind = "hudson.slaves.SlaveComputer" if node.name else "hudson.model.Hudson$MasterComputer"
        return Exported(kind, fields, tuple(fields))

    def label(self, name: str, tied: list[Exported]) -> Exported:
        """A label, and the jobs that are tied to it. One that nobody has is there too."""
        nodes = [node for node in self._controller.nodes if name in node.labels]
        online = [node for node in nodes if self._online(node)]
        total = sum(node.executors for node in online)
        busy = sum(self._controller.busy(node) for node in online)
        return Exported(
            "hudson.model.labels.LabelAtom",
            {
                "actions": [],
                "busyExecutors": busy,
                "clouds": [],
                "description": None,
                "idleExecutors": total - busy,
                "loadStatistics": whole("hudson.model.Label$1", {}),
                "name": name,
                "nodes": [
                    whole(
                        "hudson.slaves.DumbSlave" if node.name else "hudson.model.Hudson",
                        {"nodeName": node.name},
                    )
                    for node in nodes
                ],
                "offline": not online,
                "tiedJobs": tied,
                "totalExecutors": total,
                "propertiesList": [],
            },
        )

    def plugins(self) -> Exported:
        plugins = dict(self._plugins)
        if self._controller.faults.active("jenkins.plugin-missing"):
            plugins.pop("workflow-job")
        return Exported(
            "hudson.LocalPluginManager", {"plugins": [_plugin(*p) for p in plugins.items()]}
        )


def _plugin(name: str, version: str) -> Exported:
    fields = {
        "active": True,
        "bundled": False,
        "deleted": False,
        "dependencies": [],
        "downgradable": False,
        "enabled": True,
        "hasUpdate": False,
        "longName": name,
        "pinned": False,
        "shortName": name,
        "url": f"https://plugins.jenkins.io/{name}",
        "version": version,
    }
    return Exported(None, fields)
