"""Our own test servant on a platform: deployed, found by name, configured, restarted, ended."""

from __future__ import annotations

import asyncio

import pytest

from lab.tars.aio import AsyncProxy
from lab.tars.aio_communicator import AsyncCommunicator
from lab.tars.communicator import Communicator
from lab.tars.deployment import deploy_echo
from lab.tars.echo_client import ECHO_INT, Echo
from lab.tars.errors import ObjectNotFound
from lab.tars.package import PROBE_SERVER, build_servant
from lab.tars.servant.functions import Probe
from lab.wait import wait_for
from tests.tars_master.platforms import Platform


def deployed(platform: Platform, application: str, *, node: int = 1, version: str = "1.0.0") -> str:
    """Have it run there; returns the object's name, once the name service knows it."""
    deploy_echo(
        platform.web,
        platform.node_name(node),
        build_servant(version),
        application=application,
        server_name=PROBE_SERVER,
    )
    return f"{application}.{PROBE_SERVER}.EchoObj"


def test_it_runs_from_what_was_copied_and_is_called_by_its_name(
    platform: Platform, application: str
) -> None:
    name = deployed(platform, application, version="3.2.1")
    with Communicator(platform.registry, timeout=5) as caller:
        probe = wait_for(
            "its endpoint", lambda: caller.route(name).known and Probe(caller, name), timeout=20
        )
        assert Echo(caller, name).identity().version == "3.2.1"
        place = probe.place()
        assert (place.node, place.application) == (platform.node_name(), application)
        assert place.object == name


def test_on_two_nodes_calls_take_turns_and_outlive_one_of_them(
    platform: Platform, application: str
) -> None:
    name = deployed(platform, application)
    deployed(platform, application, node=2)
    with Communicator(platform.registry, refresh_s=0.2, timeout=3) as caller:

        def both() -> bool:
            return len(caller.route(name).active) == 2

        wait_for("both endpoints", both, timeout=20)
        nodes = [Probe(caller, name).place().node for _ in range(4)]
        assert set(nodes) == {platform.node_name(1), platform.node_name(2)}
        assert nodes[0] != nodes[1]
        server = next(
            one
            for one in platform.web.servers(application, PROBE_SERVER)
            if one.node_name == platform.node_name(2)
        )
        platform.web.stop(server.id)
        after = {Probe(caller, name).place().node for _ in range(4)}
        assert after == {platform.node_name(1)}


def test_asyncio_calls_by_name_too(platform: Platform, application: str) -> None:
    name = deployed(platform, application)
    wait_for("its endpoint", lambda: platform_knows(platform, name), timeout=20)

    async def many() -> list[int]:
        async with AsyncCommunicator(platform.registry, timeout=5) as caller:
            proxy = AsyncProxy(caller, name)
            calls = (proxy.invoke(ECHO_INT, ECHO_INT.arguments(value=n)) for n in range(100))
            return [echoed.ret for echoed in await asyncio.gather(*calls)]

    assert asyncio.run(many()) == list(range(100))


def platform_knows(platform: Platform, name: str) -> bool:
    with Communicator(platform.registry) as caller:
        return caller.route(name).known


def test_an_unknown_object_is_told(platform: Platform) -> None:
    with (
        Communicator(platform.registry) as caller,
        pytest.raises(ObjectNotFound, match=r"No\.Such"),
    ):
        caller.call("No.Such.Obj", "f")
