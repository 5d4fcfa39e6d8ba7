"""TarsWeb's recorded exchanges, sent again: the embedded one must answer the same.

Numbers are made to start where they stood in the recording; times, task numbers and ports
that a machine chooses are compared by their form only.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from hashlib import md5
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import pytest
from aiohttp import web

from lab.faultflags import FaultFlags
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.webapi import application

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings" / "tars" / "web"


class Case(NamedTuple):
    """A recording, those that go before it, and the numbers that were the last before them."""

    name: str
    before: tuple[str, ...] = ()
    last: Mapping[str, int] = MappingProxyType({})


SERVER_11 = {"server": 10, "adapter": 12}

CASES = [
    Case("add_application", last={"application": 4}),
    Case("add_application_duplicate", ("add_application",)),
    Case("add_application_no_param"),
    Case("add_application_form", last={"application": 7}),
    Case("add_application_odd_chars", last={"application": 6}),
    Case("add_application_get"),
    Case("add_application_bad_json"),
    Case("query_application_filter", ("add_application_form",), {"application": 7}),
    Case("delete_application"),
    Case("delete_application_unknown"),
    Case("delete_application_no_id"),
    Case("server_exist_no"),
    Case("server_exist_yes", ("deploy_server",)),
    Case("server_no_id"),
    Case("server_id_text"),
    Case("server_unknown_id"),
    Case("server_list_no_param"),
    Case("server_list_unknown_app"),
    Case("deploy_server", last=SERVER_11),
    Case("deploy_server_duplicate", ("deploy_server",), SERVER_11),
    Case("deploy_server_js", last={"server": 19}),
    Case("deploy_server_two_adapters", last={"server": 20}),
    Case("deploy_server_bad_port", last={"server": 16}),
    Case("deploy_server_bad_type", last={"server": 15}),
    Case("deploy_server_no_adapters"),
    Case("deploy_server_adapters_missing"),
    Case("deploy_server_long_name"),
    Case("deploy_server_same_port", ("deploy_server",), {"server": 17}),
    Case("deploy_server_unknown_app", last={"server": 12}),
    Case("deploy_server_unknown_node", last={"server": 14}),
    Case("adapter_conf_list", ("deploy_server",), SERVER_11),
    Case("adapter_conf_list_unknown"),
    Case("auto_port_none"),
    Case("auto_port_two"),
    Case("auto_port_unknown_node"),
    Case("get_realtime_state_new", ("deploy_server",), SERVER_11),
    Case("get_realtime_state_unknown"),
    Case("server_state_no_param"),
    Case("server_state_unknown_node", ("deploy_server_unknown_node",)),
    Case("upload_patch_package"),
    Case("upload_patch_package_no_app"),
    Case("upload_patch_package_no_file"),
    Case("upload_patch_package_json"),
    Case("upload_patch_package_wrong_field"),
    Case("upload_patch_package_not_a_tgz", last={"package": 4}),
    Case("upload_patch_package_unknown_server", last={"package": 3}),
    Case("server_patch_list_empty"),
    Case("server_patch_list_no_app"),
    Case("upload_and_publish_no_file"),
    Case("upload_and_publish_no_module"),
    Case("upload_and_publish_unknown_server"),
    Case("upload_and_publish_inactive", ("deploy_server_two_adapters",)),
    Case("add_task_empty_items"),
    Case("add_task_no_items"),
    Case("add_task_unknown_server"),
    Case("add_task_unknown_command", ("deploy_server",), SERVER_11),
    Case("task_no_param"),
    Case("task_unknown"),
    Case("task_list_command"),
    Case("unknown_endpoint"),
    Case("unknown_endpoint_post"),
]

TASKS = [
    Case("add_task_patch_no_id", ("deploy_server",), SERVER_11),
    Case("add_task_patch_unknown_id", ("deploy_server",), SERVER_11),
    Case("add_task_unknown_command", ("deploy_server",), SERVER_11),
    Case("task_start_unknown_node", ("deploy_server_unknown_node",), {"server": 14}),
    Case("task_undeploy_dead_node", ("deploy_server_unknown_node",), {"server": 14}),
]

#: What differs from run to run, and the word that stands for it.
VOLATILE = (
    (re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "NUMBER"),
    (re.compile(r"_suse_\d+\.tgz"), "_suse_MS.tgz"),
    (re.compile(r'"port": \d{5}\b'), '"port": PORT'),
)


def recording(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return read


def comparable(body: Any) -> Any:
    if not isinstance(body, str):
        body = json.dumps(body, ensure_ascii=False, sort_keys=True)
    elif body.startswith("<!DOCTYPE html>"):
        return "a page of HTML"  # the real one shows its own stack there
    for pattern, word in VOLATILE:
        body = pattern.sub(word, body)
    return body


async def send(client: httpx.AsyncClient, request: dict[str, Any]) -> httpx.Response:
    headers = {name: text for name, text in request["headers"].items() if name == "Cookie"}
    body = request["body"]
    content: dict[str, Any] = {}
    if isinstance(body, dict) and "multipart" in body:
        form = dict(body["multipart"]["fields"])
        files = {
            file["field"]: (file["filename"], b"made-up content")
            for file in body["multipart"]["files"]
        }
        if "md5" in form:
            form["md5"] = md5(b"made-up content", usedforsecurity=False).hexdigest()
        # A part without a file name keeps a form without files multipart.
        content = {"files": {**{name: (None, text) for name, text in form.items()}, **files}}
    elif isinstance(body, dict) and "raw" in body:
        content = {"content": body["raw"]}
        headers["Content-Type"] = request["headers"]["Content-Type"]
    elif body is not None:
        content = {"json": body}
    return await client.request(
        request["method"], request["path"], params=request["query"], headers=headers, **content
    )


@asynccontextmanager
async def master(place: Path, case: Case) -> AsyncIterator[httpx.AsyncClient]:
    """TarsWeb's API on a real socket, after all that goes before the case's exchange."""
    parts = Parts.at(place, FaultFlags(place))
    with sqlite3.connect(place / "tars.db") as numbers:
        numbers.executemany("INSERT INTO sqlite_sequence VALUES (?, ?)", case.last.items())
    numbers.close()
    runner = web.AppRunner(application(parts))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            for name in case.before:
                await send(client, recording(name)["request"])
            yield client
    finally:
        await parts.tasks.close()
        await runner.cleanup()
        parts.database.close()


def names(cases: Iterable[Case]) -> list[str]:
    return [case.name for case in cases]


def test_nodes_are_described_in_the_recorded_fields(tmp_path: Path) -> None:
    async def answered() -> httpx.Response:
        async with master(tmp_path, Case("list_tars_node")) as client:
            with sqlite3.connect(tmp_path / "tars.db") as database:
                database.execute("INSERT INTO node VALUES ('one', '/data', '3.0.17', 'active', '')")
            database.close()
            return await send(client, recording("list_tars_node")["request"])

    [node] = asyncio.run(answered()).json()["data"]["rows"]
    recorded = recording("list_tars_node")["response"]["body"]["data"]["rows"][0]
    assert node.keys() == recorded.keys()
    assert (node["node_name"], node["tars_version"]) == ("one", "3.0.17")


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_answers_as_recorded(case: Case, tmp_path: Path) -> None:
    recorded = recording(case.name)

    async def answered() -> httpx.Response:
        async with master(tmp_path, case) as client:
            return await send(client, recorded["request"])

    answer = asyncio.run(answered())
    expected = recorded["response"]
    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == expected["headers"]["content-type"]
    json_sent = "json" in answer.headers["content-type"]
    assert comparable(answer.json() if json_sent else answer.text) == comparable(expected["body"])


@pytest.mark.parametrize("case", TASKS, ids=names(TASKS))
def test_a_task_ends_as_recorded(case: Case, tmp_path: Path) -> None:
    polls = recording(f"{case.name}_poll")["polls"]
    expected = polls[-1].get("body") or polls[-1]["response"]["body"]

    async def ended() -> dict[str, Any]:
        async with master(tmp_path, case) as client:
            added = await send(client, recording(case.name)["request"])
            for _ in range(1000):
                task = await client.get("/api/task", params={"task_no": added.json()["data"]})
                body: dict[str, Any] = task.json()
                if body["data"]["status"] >= 3:
                    return body
            raise AssertionError(f"the task does not end: {body}")

    assert comparable(asyncio.run(ended())) == comparable(expected)


def test_the_tree_shows_applications_by_their_servers(tmp_path: Path) -> None:
    """The recorded tree has more than ours; one application of it is looked at."""
    case = Case("tree_after_delete_application", ("deploy_server_unknown_app",))
    recorded = recording(case.name)

    async def answered() -> list[Any]:
        async with master(tmp_path, case) as client:
            return [
                (await client.get(f"{prefix}/tree")).json()
                for prefix in ("/api", "/pages/server/api")
            ]

    by_api, by_pages = asyncio.run(answered())
    expected = [one for one in recorded["response"]["body"]["data"] if one["name"] == "NotAdded"]
    assert by_api == by_pages == {"data": expected, "ret_code": 200, "err_msg": ""}
