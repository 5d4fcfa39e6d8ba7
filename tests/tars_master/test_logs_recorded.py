"""The recorded exchanges about logs, with a node that has the recorded log."""

from __future__ import annotations

import json

import httpx
import pytest

from lab.tars.deployment import echo_on
from lab.tars.web import TaskFailed
from tests.tars_master.exchanges import LOGS
from tests.tars_master.platforms import Platform
from tests.tars_master.replay import recording


@pytest.fixture(scope="module")
def logged(platform: Platform) -> Platform:
    """Demo.EchoServer is on the first node, and its log ends as the recorded one did."""
    platform.web.add_application("Demo")
    server = platform.web.deploy(echo_on(platform.web, platform.node_name(), application="Demo"))
    with pytest.raises(TaskFailed, match="is not exist"):
        platform.web.start(server.id)  # it has no package, but its node knows it now
    logs = platform.node_home() / ".iec4/tarsnode/data/Demo.EchoServer/log/Demo/EchoServer"
    shown = json.loads(recording("logview_data")["response"]["body"]["data"])["data"]
    logs.mkdir(parents=True)
    (logs / "Demo.EchoServer.log").write_text(f"earlier\n{shown}")
    return platform


@pytest.mark.parametrize("name", LOGS)
def test_logs_are_shown_as_recorded(logged: Platform, name: str) -> None:
    recorded = recording(name)
    query = recorded["request"]["query"] | {"node_name": logged.node_name()}
    answer = httpx.get(
        f"{logged.web.url}{recorded['request']['path']}", params=query, cookies={"locale": "en"}
    )
    assert answer.json() == recorded["response"]["body"]
