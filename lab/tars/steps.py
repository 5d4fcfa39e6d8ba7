"""Steps that recipes for different labs share."""

from __future__ import annotations

from dataclasses import dataclass

from lab.recipe import Step
from lab.session import Lab
from lab.tars.deployment import deploy_echo
from lab.tars.package import APPLICATION, SERVER, build_package
from lab.tars.probe import tars_web

#: The version that the deployed echo servant tells of itself.
ECHO_VERSION = "1.0.0"


@dataclass(frozen=True)
class DeployEcho(Step):
    """Have the echo servant deployed, published and started on node ``node`` by TarsWeb."""

    node: str

    def execute(self, lab: Lab) -> str:
        with tars_web(lab) as web:
            _, changed = deploy_echo(web, self.node, build_package(ECHO_VERSION))
        return "done" if changed else "unchanged"

    def describe(self) -> str:
        return (
            f"TarsWeb: application {APPLICATION}, server {SERVER} on node {self.node}, "
            f"publish and start version {ECHO_VERSION}"
        )
