"""Freestyle builds: wrappers, shell steps, publishers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from xml.etree.ElementTree import Element

from lab.jenkins.embedded.building import Running, Stopped
from lab.jenkins.embedded.checkout import checkout
from lab.jenkins.embedded.nodes import Node
from lab.jenkins.embedded.publishers import clean_workspace, publish

_TIMEOUT = "buildWrappers/hudson.plugins.build__timeout.BuildTimeoutWrapper"
_CLEANUP = "buildWrappers/hudson.plugins.ws__cleanup.PreBuildCleanup"
_SECRETS = "buildWrappers/org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper"


class Freestyle(Running):
    """A freestyle build on a node that the queue has chosen."""

    def on(self, node: Node, slot: int) -> None:
        """Where it runs; ``slot`` above 1 when another build of the job runs there too."""
        self.node = node
        self.workspace = node.workspace(self.job, slot)

    async def perform(self) -> None:
        assert self.node is not None, "the queue has chosen a node"
        self.console.line("Running as SYSTEM")
        remote = f"remotely on {self.node.name} " if self.node.name else ""
        self.console.line(f"Building {remote}in workspace {self.workspace}")
        try:
            await self._perform()
        finally:
            await self.node.wipe(self._secret_files)

    async def _perform(self) -> None:
        try:
            await self.stoppable(self._within_time(self._build()))
        except Stopped:
            self.console.line("Build was aborted")
            self.console.line(f"Aborted by {self.stopped_by}")
            self.worsen("ABORTED")
            if self.let_go:
                return
        for publisher in self.config.root.iterfind("publishers/*"):
            await publish(self, publisher)

    async def _within_time(self, work: Coroutine[Any, Any, None]) -> None:
        wrapper = self.config.root.find(_TIMEOUT)
        minutes = None if wrapper is None else wrapper.findtext("strategy/timeoutMinutes")
        if wrapper is None or not minutes:
            await work
            return
        try:
            async with asyncio.timeout(float(minutes) * 60):
                await work
        except TimeoutError:
            fails = any(each.tag.endswith("FailOperation") for each in wrapper.iterfind("*/*"))
            marked = "failed" if fails else "aborted"
            self.console.line(
                f"Build timed out (after {minutes} minutes). Marking the build as {marked}."
            )
            self.worsen("FAILURE" if fails else "ABORTED")

    async def _build(self) -> None:
        assert self.node is not None, "the queue has chosen a node"
        if (cleanup := self.config.root.find(_CLEANUP)) is not None:
            await clean_workspace(self, cleanup)
        await self._bind_secrets()
        if not await checkout(self, self.config.root.find("scm")):
            self.worsen("FAILURE")
            return
        for builder in self.config.root.iterfind("builders/*"):
            if not await self._step(builder):
                self.worsen("FAILURE")
                return

    async def _step(self, builder: Element) -> bool:
        if builder.tag != "hudson.tasks.Shell":
            self.console.line(f"[embedded] {builder.tag} is not emulated")
            return False
        title = self.job.rpartition("/")[2]
        if await self.step(builder.findtext("command") or "", title=title) != 0:
            self.console.line("Build step 'Execute shell' marked build as failure")
            return False
        return True

    async def _bind_secrets(self) -> None:
        """Secrets by id; a file is bound as its path, a password as ``user:password``."""
        assert self.node is not None, "the queue has chosen a node"
        for binding in self.config.root.iterfind(f"{_SECRETS}/bindings/*"):
            name = binding.findtext("variable") or ""
            identifier = binding.findtext("credentialsId") or ""
            secret = self.credential(identifier)
            if binding.tag.endswith(".FileBinding"):
                secret = await self.node.put(self._secret_files, identifier, secret.encode())
            self.bound[name] = secret

    @property
    def _secret_files(self) -> str:
        return f"{self.workspace}@tmp"
