"""TarsWeb's recorded exchanges, sent again: the embedded one must answer the same.

Here those that need no node, each on a master of its own; numbers are made to start where
they stood in the recording. What is of time and chance is compared by its form only.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from lab.faultflags import DIRECTORY, FaultFlags
from lab.tars.embedded.database import ADAPTER_COLUMNS
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.webapi import application
from tests.tars_master.exchanges import CASES, TASKS
from tests.tars_master.replay import (
    Call,
    Case,
    comparable,
    last_poll,
    recording,
    send,
    set_numbers,
)

#: Made once: a context of its own, with every CA, costs each client 45 ms.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def hold(parts: Parts, name: str) -> None:
    """Have the servers deployed that a recording's answer shows, as it shows them."""
    columns = {row["name"] for row in parts.database.rows("PRAGMA table_info(server)")}
    data = recording(name)["response"]["body"]["data"]
    for row in data:
        if "children" in row:
            keys = [(row["name"], child["name"], "127.0.0.1") for child in row["children"]]
            names = ("application", "server_name", "node_name")
            servers = [dict(zip(names, key, strict=True)) for key in keys]
        else:
            servers = [row]
        for server in servers:
            known = {k: v for k, v in server.items() if k in columns and v is not None}
            defaults = {"server_type": "", "template_name": "", "posttime": ""}
            parts.database.insert("server", {**defaults, **known})
            servant = f"{server['application']}.{server['server_name']}.EchoObj"
            adapter = {**dict.fromkeys(ADAPTER_COLUMNS, 1), "adapter_name": f"{servant}Adapter"}
            key = {name: server[name] for name in ("application", "server_name", "node_name")}
            parts.database.add_adapter({**key, **adapter, "servant": servant})


@asynccontextmanager
async def master(place: Path, case: Case) -> AsyncIterator[httpx.AsyncClient]:
    """TarsWeb's API on a real socket, after all that goes before the case's exchange."""
    # What the real one gets wrong about who may call is a fault of the embedded one.
    flags = place / DIRECTORY
    flags.mkdir(parents=True)
    for mistake in ("tars.forwarded-trusted", "tars.expired-accepted"):
        (flags / mistake).touch()
    parts = Parts.at(place, FaultFlags(place))
    if case.held:
        hold(parts, case.held)
    runner = web.AppRunner(application(parts))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", transport=httpx.AsyncHTTPTransport(verify=NO_TLS)
        ) as client:
            set_numbers(place / "tars.db", case.last)
            for step in case.before:
                await prepare(client, place, step)
            yield client
    finally:
        await parts.tasks.close()
        await runner.cleanup()
        parts.database.close()


async def prepare(client: httpx.AsyncClient, place: Path, step: Any) -> None:
    """Do what goes before; a token that is made is kept for the client's requests."""
    if isinstance(step, dict):
        set_numbers(place / "tars.db", step)
        return
    if isinstance(step, Call):
        content: dict[str, Any] = {"json" if step.method == "POST" else "params": step.content}
        done = await client.request(step.method, f"/api/{step.path}", **content)
    else:
        done = await send(client, with_token(client, recording(step)["request"]))
    assert "system error" not in done.text, step
    if '"token"' in done.text:
        client.headers["made-token"] = done.json()["data"]["token"]


def with_token(client: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    """A recorded request with the token that was made in place of its mark."""
    text = json.dumps(request).replace("<token>", client.headers.get("made-token", "<token>"))
    changed: dict[str, Any] = json.loads(text)
    return changed


def names(cases: Iterable[Case]) -> list[str]:
    return [case.name for case in cases]


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_answers_as_recorded(case: Case, tmp_path: Path) -> None:
    recorded = recording(case.name)

    async def answered() -> httpx.Response:
        async with master(tmp_path, case) as client:
            return await send(client, with_token(client, recorded["request"]))

    answer = asyncio.run(answered())
    expected = recorded["response"]
    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == expected["headers"]["content-type"]
    json_sent = "json" in answer.headers["content-type"]
    body = answer.json() if json_sent else answer.text
    assert comparable(body, case.without) == comparable(expected["body"], case.without)


@pytest.mark.parametrize("case", TASKS, ids=names(TASKS))
def test_a_task_ends_as_recorded(case: Case, tmp_path: Path) -> None:
    expected = last_poll(f"{case.name}_poll")

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
