"""Master and node are killed at random moments during management: what was acknowledged, is.

The moments are drawn from a seed, which a failure shows in the test's name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest

from lab.errors import LabError, SystemDown
from lab.tars.deployment import await_state, upload
from lab.tars.package import build_package
from lab.tars.web import Adapter, Origin, ServerSpec, TarsWeb, TaskFailed, WebRefused
from lab.wait import wait_for
from tests.tars_master.platforms import Platform

KILLS = 3
#: The longest time from a start to the kill, seconds; a call takes some 5 ms.
LONGEST_S = 0.4

#: What a fact is about, and what it is called.
Fact = tuple[str, str]


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path)
    try:
        platform.start_master()
        platform.start_node()
        yield platform
    finally:
        platform.close()


@dataclass
class Stream:
    """Management calls one after the other, and what may be true after them.

    An acknowledged call leaves one possibility for its fact; one that broke off leaves what
    was possible before as well.
    """

    web: TarsWeb
    node: str
    dice: random.Random
    package: Path
    tokens: dict[str, str] = field(default_factory=dict)
    possible: dict[Fact, set[str | None]] = field(default_factory=dict)
    acknowledged: int = 0
    broken_off: int = 0
    over: Event = field(default_factory=Event)
    there: Event = field(default_factory=Event)
    failure: Exception | None = None

    def run(self) -> None:
        calls = [
            self.add_application,
            self.delete_application,
            self.add_config,
            self.change_config,
            self.add_template,
            self.deploy,
            self.turn_flow,
            self.upload,
            self.make_token,
        ]
        try:
            while not self.over.is_set():
                self.there.wait()
                self.dice.choice(calls)(f"{self.acknowledged + self.broken_off}")
        except Exception as error:  # noqa: BLE001 - the test tells it
            self.failure = error

    def attempt(self, fact: Fact, then: str | None, call: Callable[[], object]) -> None:
        before = self.possible.get(fact, {None})
        try:
            call()
        except SystemDown:
            self.possible[fact] = before | {then}
            self.broken_off += 1
        else:
            self.possible[fact] = {then}
            self.acknowledged += 1

    def known(self, kind: str) -> list[str]:
        """Names of facts of a kind that are certain, and true."""
        return [
            name
            for (of, name), values in self.possible.items()
            if of == kind and len(values) == 1 and None not in values
        ]

    def add_application(self, n: str) -> None:
        self.attempt(("application", f"A{n}"), "", lambda: self.web.add_application(f"A{n}"))

    def delete_application(self, _: str) -> None:
        if names := self.known("application"):
            name = self.dice.choice(names)
            try:
                [found] = [one for one in self.web.applications() if one.f_name == name]
            except SystemDown:
                return
            fact = ("application", name)
            self.attempt(fact, None, lambda: self.web.delete_application(found.f_id))

    def add_config(self, n: str) -> None:
        fact = ("config", f"{n}.conf")
        add = self.web.configs.add_to_application
        self.attempt(fact, f"v={n}", lambda: add("Config", f"{n}.conf", f"v={n}"))

    def change_config(self, n: str) -> None:
        if names := self.known("config"):
            name = self.dice.choice(names)
            try:
                files = self.web.configs.of_application("Config")
            except SystemDown:
                return
            [file] = [one for one in files if one.filename == name]
            fact = ("config", name)
            self.attempt(fact, f"v={n}", lambda: self.web.configs.update(file.id, f"v={n}", ""))

    def add_template(self, n: str) -> None:
        add = self.web.templates.add
        self.attempt(("template", f"T{n}"), "p", lambda: add(f"T{n}", "tars.default", "p"))

    def deploy(self, n: str) -> None:
        adapter = Adapter("EchoObj", self.node, 9)
        spec = ServerSpec(f"Server{n}", "EchoServer", self.node, (adapter,))
        self.attempt(("flow", f"Server{n}"), "active", lambda: self.web.deploy(spec))

    def turn_flow(self, _: str) -> None:
        if names := self.known("flow"):
            name = self.dice.choice(names)
            state = self.dice.choice(["active", "inactive"])
            try:
                [server] = self.web.servers(name)
            except SystemDown:
                return
            active = state == "active"
            turn = self.web.set_flow
            self.attempt(("flow", name), state, lambda: turn(server.id, [self.node], active=active))

    def upload(self, n: str) -> None:
        self.package.write_bytes(n.encode())
        send = self.web.upload_package
        self.attempt(("package", n), n, lambda: send(self.package, "Kept", "EchoServer", comment=n))

    def make_token(self, n: str) -> None:
        """A token that came is accepted; one whose answer broke off, nobody has."""
        made: list[str] = []

        def make() -> None:
            made.append(self.web.users.add_token(n, "2099-01-01 00:00:00").token)

        self.attempt(("token", n), "accepted", make)
        if made:
            self.tokens[n] = made[0]

    def accepted(self, token: str) -> bool:
        address = f"{self.node.rpartition('.')[0]}.9"
        with TarsWeb(self.web.url, ticket=token, origin=Origin(address=address)) as known:
            try:
                known.nodes()
            except WebRefused:
                return False
        return True

    def found(self) -> dict[Fact, str]:
        """What there is, by the same names."""
        servers = self.web.search("Server")
        packages = self.web.packages("Kept", "EchoServer")
        templates = self.web.templates.query("T")
        files = self.web.configs.of_application("Config")
        return {
            **{("application", one.f_name): "" for one in self.web.applications()},
            **{("config", one.filename): one.config for one in files},
            **{("template", one.template_name): one.profile for one in templates},
            **{("flow", one.application): one.flow_state for one in servers},
            **{("package", one.comment): one.comment for one in packages},
            **{("token", n): "accepted" for n, one in self.tokens.items() if self.accepted(one)},
        }


@pytest.mark.parametrize("seed", [1, 2])
def test_a_master_killed_at_any_moment_keeps_what_it_acknowledged(
    killable: Platform, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - a test
    stream = Stream(killable.web, killable.node_name(), dice, tmp_path / "package.tgz")
    stream.there.set()
    calling = Thread(target=stream.run)
    calling.start()
    try:
        for _ in range(KILLS):
            before = stream.acknowledged
            wait_for("calls", lambda b=before: stream.acknowledged > b + 5, timeout=20)
            stream.over.wait(dice.uniform(0, LONGEST_S))
            killable.kill("master")
            stream.there.clear()
            killable.start_master()
            stream.there.set()
    finally:
        stream.over.set()
        calling.join(20)
    assert stream.failure is None
    found = stream.found()
    lost = {
        fact: (values, found.get(fact))
        for fact, values in stream.possible.items()
        if found.get(fact) not in values
    }
    assert lost == {}
    assert stream.acknowledged > KILLS * 5
    node = killable.node_name()
    wait_for("the node", lambda: killable.web.nodes() == [node], timeout=10)


@pytest.mark.parametrize("seed", [3])
def test_a_node_killed_at_any_moment_leaves_no_task_open(killable: Platform, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a test
    web = killable.web
    server = killable.deploy("Tossed")
    package = upload(web, "Tossed", build_package("2.0.0"))
    for _ in range(KILLS):
        command = dice.choice(["restart", "stop", "start", "patch_tars"])
        task_no = web.add_task(command, [server.id], parameters={"patch_id": package.id})
        Event().wait(dice.uniform(0, LONGEST_S))
        killable.kill(killable.node_name())
        ended_well = True
        try:
            web.finished(task_no, timeout=30)
        except TaskFailed:
            ended_well = False
        if ended_well and command == "patch_tars":
            assert web.server(server.id).patch_version == str(package.id)
        killable.start_node()
        if web.server(server.id).setting_state == "active":
            await_state(web, server.id, "active")
    wait_for("a publish that works", lambda: published(web, server.id, package.id), timeout=20)
    await_state(web, server.id, "active")
    assert killable.ask("Tossed").version == "2.0.0"


def published(web: TarsWeb, server_id: int, package_id: int) -> bool:
    try:
        web.publish(server_id, package_id)
    except (TaskFailed, WebRefused) as failed:
        raise LabError(f"not yet: {failed}") from failed
    return True
