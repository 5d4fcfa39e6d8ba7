"""TarsWeb's recorded exchanges about servers that run, sent to a platform that runs.

One platform goes through the whole of `LIVE`. Its nodes have addresses of their own, which
stand for those of the recordings.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.tars.package import build_package
from tests.tars_master.life import LIVE
from tests.tars_master.platforms import Platform
from tests.tars_master.replay import (
    HOLLOW,
    Call,
    Live,
    comparable,
    last_poll,
    recording,
    send,
    set_numbers,
)

#: How long a state or a task may take to be as recorded, and how often that is looked at, s.
_PATIENCE_S = 20.0
_LOOK_S = 0.05


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path)
    try:
        platform.start_master()
        platform.start_node(1)
        platform.start_node(2)
        yield platform
    finally:
        platform.close()


def test_a_platform_lives_as_recorded(running: Platform) -> None:
    asyncio.run(Story(running).told())


def package_of(program: str) -> bytes:
    """The echo servant's package, with its program called ``program``; or one without any."""
    if program == "hollow":
        return HOLLOW
    packed = io.BytesIO()
    with (
        tarfile.open(build_package("1.0.0")) as source,
        tarfile.open(fileobj=packed, mode="w") as target,
    ):
        for member in source:
            content = source.extractfile(member)
            member.name = member.name.replace("EchoServer/EchoServer", f"EchoServer/{program}")
            target.addfile(member, content)
    return gzip.compress(packed.getvalue(), compresslevel=1)


class Story:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tasks: dict[str, str] = {}

    async def told(self) -> None:
        host, port = self._platform.web_address
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=20) as client:
            self._client = client
            for step in LIVE:
                await self._take(step)

    def _here(self, recorded: Any) -> Any:
        """Something recorded, with this platform's addresses."""
        text = json.dumps(recorded)
        for number in (1, 2):
            text = text.replace(f"127.0.0.{number}", self._platform.node_name(number))
        return json.loads(text)

    async def _take(self, step: Live) -> None:
        if isinstance(step.step, Call):
            call = step.step
            answer = await self._client.request(
                call.method, f"/api/{call.path}", json=self._here(dict(call.content))
            )
            self._tasks[call.path] = answer.json()["data"]
        elif isinstance(step.step, str):
            await self._replay(step.step, step)
        else:
            set_numbers(self._platform.master_home / ".iec4" / "tars-master" / "tars.db", step.step)

    async def _replay(self, name: str, step: Live) -> None:
        if name.endswith("_poll"):
            task_no = self._tasks[step.of or name.removesuffix("_poll")]
            asked = {"method": "GET", "path": "/api/task", "query": {"task_no": task_no}}
            request = {**asked, "headers": {}, "body": None}
            expected = last_poll(name)
        else:
            request = self._here(recording(name)["request"])
            expected = recording(name)["response"]["body"]
        expected = comparable(self._here(expected), step.without)
        content = package_of(step.package) if "upload" in name else b""
        attempts = int(_PATIENCE_S / _LOOK_S) if request["method"] == "GET" else 1
        for _ in range(attempts):
            answer = await send(self._client, request, package=content)
            is_json = "json" in answer.headers["content-type"]
            body = answer.json() if is_json else answer.text
            as_recorded = comparable(body, step.without) == expected
            done = "_poll" not in name or not step.ends or _ended(body)
            if done and (step.prepares or as_recorded):
                break
            await asyncio.sleep(_LOOK_S)
        assert step.prepares or comparable(body, step.without) == expected, name
        if request["path"].endswith("add_task"):
            self._tasks[name] = body["data"]
            if not recorded_end(name):
                await self._end(body["data"])
        elif name == "upload_and_publish":
            await self._end(body.partition("[")[2].partition("]")[0])

    async def _end(self, task_no: str) -> None:
        """Wait until a task has ended, unless it is an elegant one."""
        for _ in range(int(_PATIENCE_S / _LOOK_S)):
            answer = await self._client.get("/api/task", params={"task_no": task_no})
            statuses = [item["status"] for item in answer.json()["data"]["items"]]
            if min(statuses) >= 3:
                return
            await asyncio.sleep(_LOOK_S)
        raise AssertionError(f"task {task_no} does not end: {answer.text}")


def recorded_end(name: str) -> bool:
    """Whether `LIVE` looks at the end of the task that a call begins."""
    return any(
        (step.of or step.step) in (name, f"{name}_poll") for step in LIVE if step.step != name
    )


def _ended(body: Any) -> bool:
    return min(item["status"] for item in body["data"]["items"]) >= 3
