"""The official npm client resolves names through the embedded master, and calls what it found."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from lab.nodejs import node_binary, npm_tree
from lab.tars.queryf import QUERY_OBJECT
from tests.tars_master.platforms import Platform, echo_object

HERE = Path(__file__).parent


def resolved(platform: Platform, name: str, *division: str) -> dict[str, Any]:
    """What the client found; with ``division``, within that set."""
    host, port = platform.registry
    locator = f"{QUERY_OBJECT}@tcp -h {host} -p {port} -t 60000"
    done = subprocess.run(
        [str(node_binary()), "--no-warnings", str(HERE / "resolve.js"), locator, name, *division],
        env={"NODE_PATH": str(npm_tree(HERE))},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_an_active_object_is_found_and_called(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    [adapter] = platform.web.adapters(server.id)
    port = int(adapter.endpoint.split(" -p ")[1].split()[0])
    here = {"host": platform.node_name(), "port": port, "timeout": 60000, "istcp": 1}
    answer = resolved(platform, echo_object(application))
    assert answer == {"ret": 0, "active": [here], "inactive": [], "pinged": True}


def test_a_stopped_object_is_inactive(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    platform.web.stop(server.id)
    answer = resolved(platform, echo_object(application))
    assert (answer["active"], len(answer["inactive"])) == ([], 1)


def test_sets_divide_what_is_found(platform: Platform, application: str) -> None:
    name = echo_object(application)
    for node, division in ((1, "s.a.1"), (2, "s.a.2")):
        server = platform.deploy(application, node=node)
        platform.web.put_in_set(server.id, division)
    for node in (1, 2):
        [found] = resolved(platform, name, f"s.a.{node}")["active"]
        assert found["host"] == platform.node_name(node)
    assert len(resolved(platform, name)["active"]) == 2


def test_an_unknown_object_is_empty(platform: Platform) -> None:
    answer = resolved(platform, "No.SuchServer.Obj")
    assert answer == {"ret": 0, "active": [], "inactive": []}
