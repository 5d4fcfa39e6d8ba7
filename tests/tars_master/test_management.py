"""What management calls do to servers that run, asked as users ask: through TarsWeb's client."""

from __future__ import annotations

import pytest

from lab.tars.client import TarsClient
from lab.tars.echo_client import Echo
from lab.tars.queryf import resolve
from tests.tars_master.platforms import Platform, echo_object


def loaded_config(platform: Platform, application: str, name: str) -> str:
    """What an echo servant has of a configuration file."""
    place = resolve(platform.registry, echo_object(application))[0]
    with TarsClient((place.host, place.port)) as client:
        return Echo(client).loaded_config(name)


def test_a_pushed_config_file_reaches_the_server(platform: Platform, application: str) -> None:
    platform.deploy(application)
    configs = platform.web.configs
    common = configs.add_to_application(application, "common.conf", "common=1")
    file = configs.add_to_server(application, "EchoServer", "echo.conf", "v=1")
    configs.refer(file.id, common.id)
    assert loaded_config(platform, application, "echo.conf") == ""

    [on_node] = configs.on_nodes(file)
    [answer] = configs.push([on_node.id])
    assert answer.reached, answer
    assert answer.text.endswith("[succ] get remote config:echo.conf\n")
    merged = "common=1\r\n\r\nv=1"
    assert loaded_config(platform, application, "echo.conf") == merged
    assert configs.merged(on_node.id) == merged

    configs.update(file.id, "v=2", "for a test")
    assert loaded_config(platform, application, "echo.conf") == merged
    [answer] = configs.push([on_node.id])
    assert loaded_config(platform, application, "echo.conf") == "common=1\r\n\r\nv=2"
    assert [one.reason for one in configs.history(file.id)] == ["for a test", "add config"]


def test_a_file_that_is_not_there_fails_to_load(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    [answer] = platform.web.send_command([server.id], "tars.loadconfig none.conf")
    assert answer.reached
    assert "[fail] get remote config 'none.conf'" in answer.text


@pytest.mark.parametrize("active", [True, False])
def test_a_server_out_of_the_flow_runs_on(
    platform: Platform, application: str, *, active: bool
) -> None:
    server = platform.deploy(application)
    platform.web.set_flow(server.id, [server.node_name], active=active)
    assert platform.look_up(application) == ((1, 0) if active else (0, 1))
    assert platform.web.server(server.id).present_state == "active"
