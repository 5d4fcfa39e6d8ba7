"""Recorded reports and questions, sent to the embedded tarsstat and tarsproperty, and their data
shown by the embedded TarsWeb as the real one showed it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from lab.faultflags import FaultFlags
from lab.tars.body import decode_body
from lab.tars.embedded.components import tarsproperty, tarsstat
from lab.tars.embedded.components.serving import Objects, Place
from lab.tars.embedded.database import ADAPTER_COLUMNS
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.servants import ServantServer
from lab.tars.embedded.states import ServerState
from lab.tars.embedded.store import Store
from lab.tars.embedded.webapi import application
from lab.tars.framework import MonitorAnswer, MonitorQuery, StatReport
from lab.tars.framing import FrameSplitter
from lab.tars.packets import RequestPacket, ResponsePacket
from tests.tars.recorded import exchanges

WEB = Path(__file__).parents[2] / "fixtures" / "recordings" / "tars" / "web"
#: The recorded answers have their sums from the real servers; these are put in, by question.
ASKED = [
    exchange
    for exchange in exchanges("monitor_query_capture")
    if exchange["request_body"]["1"]["3"] == "20261123"
]
CASES = {
    "stat_monitor_data": "tars.tarsstat",
    "stat_monitor_data_group_interface": "tars.tarsstat",
    "stat_monitor_data_two_level": "tars.tarsstat",
    "stat_monitor_data_group_master": "tars.tarsstat",
    "stat_monitor_data_bad_date": "tars.tarsstat",
    "stat_monitor_data_bad_group": "tars.tarsstat",
    "stat_monitor_data_no_params": "tars.tarsstat",
    "stat_monitor_data_none": "tars.tarsstat",
    "property_monitor_data": "tars.tarsproperty",
    "property_monitor_data_group": "tars.tarsproperty",
    "property_monitor_data_none": "tars.tarsproperty",
    "property_monitor_data_policy": "tars.tarsproperty",
}
MODULES = {"tars.tarsstat": tarsstat, "tars.tarsproperty": tarsproperty}


def answer_of(exchange: dict[str, Any]) -> Any:
    packet = ResponsePacket.from_frame(bytes.fromhex(exchange["response_hex"]))
    return decode_body(MonitorAnswer, packet.body).answer


def question_of(exchange: dict[str, Any]) -> Any:
    packet = RequestPacket.from_frame(bytes.fromhex(exchange["request_hex"]))
    return decode_body(MonitorQuery, packet.body).question


def fill(store: Store, table: str, exchange: dict[str, Any]) -> None:
    """Rows that add up to what the real server answered to this question."""
    question = question_of(exchange)
    for n, (key, sums) in enumerate(sorted(answer_of(exchange).sums.items())):
        row: dict[str, Any] = {
            column["name"]: 0 if column["type"] in ("INTEGER", "REAL") else f"other{n}"
            for column in store.rows("SELECT name, type FROM pragma_table_info(?)", table)
        }
        row |= {condition.column: condition.value for condition in question.conditions}
        row |= {"f_date": question.date, "f_tflag": "0100"}
        row |= dict(zip(question.by, key.split(","), strict=True))
        row |= dict(zip(question.columns, sums, strict=True))
        store.insert(table, row)


@asynccontextmanager
async def served(objects: Objects) -> AsyncIterator[int]:
    """The objects on a socket, under the names of both servers; the port."""
    named = {
        f"{server}.{name}": functions
        for name, functions in objects.items()
        for server in ("tars.tarsstat", "tars.tarsproperty", "tars.tarsquerystat")
    }
    server = ServantServer({**named, "tars.tarsqueryproperty.QueryObj": objects["QueryObj"]})
    try:
        yield await server.start("127.0.0.1", 0)
    finally:
        await server.close()


@contextmanager
def web_with(place: Path, server: str, port: int) -> Iterator[web.Application]:
    """TarsWeb of a master that knows ``server`` at that port, active."""
    parts = Parts.at(place / "master", FaultFlags(place))
    name, node = server.partition(".")[2], "127.0.0.1"
    adapter = {**dict.fromkeys(ADAPTER_COLUMNS, 1), "adapter_name": "QueryObjAdapter"}
    parts.database.add_server(
        {"application": "tars", "server_name": name, "node_name": node, "server_type": "tars_cpp"}
        | {"template_name": ""},
        [
            {
                **adapter,
                "servant": f"{server}.QueryObj",
                "endpoint": f"tcp -h {node} -t 60000 -p {port} -e 0",
            }
        ],
    )
    parts.database.set_setting(("tars", name, node), "active")
    parts.database.set_present(("tars", name, node), ServerState.ACTIVE, 1)
    try:
        yield application(parts)
    finally:
        parts.database.close()


async def asked(app: web.Application, recorded: dict[str, Any]) -> httpx.Response:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with httpx.AsyncClient(cookies={"locale": "en"}) as client:
            request = recorded["request"]
            return await client.get(
                f"http://127.0.0.1:{runner.addresses[0][1]}{request['path']}",
                params=request["query"],
            )
    finally:
        await runner.cleanup()


def matching(recorded: dict[str, Any]) -> dict[str, Any] | None:
    """The question that TarsWeb asked for this request, of those with an answer."""
    query = recorded["request"]["query"]
    by = [query["group_by"]] if "group_by" in query else ["f_tflag"]
    conditions = {
        name: query[name]
        for name in ("slave_name", "master_name", "property_name")
        if name in query
    }
    return next(
        (
            exchange
            for exchange in ASKED
            if question_of(exchange).by[-1:] == by
            and {c.column: c.value for c in question_of(exchange).conditions} == conditions
            and answer_of(exchange).ret == 0
        ),
        None,
    )


@pytest.mark.parametrize("name", CASES)
def test_web_shows_sums_as_recorded(name: str, tmp_path: Path) -> None:
    recorded = json.loads((WEB / f"{name}.json").read_text())
    module = MODULES[CASES[name]]
    objects = module.objects(Place(tmp_path, FaultFlags(tmp_path)))
    table = CASES[name].replace("tars.tars", "tars_")
    if (exchange := matching(recorded)) is not None:
        database = "stat.db" if table == "tars_stat" else "property.db"
        fill(Store(tmp_path / database), table, exchange)

    async def shown() -> httpx.Response:
        async with served(objects) as port:
            with web_with(tmp_path, CASES[name], port) as app:
                return await asked(app, recorded)

    answer = asyncio.run(shown())
    assert answer.json() == recorded["response"]["body"]


def test_web_says_so_when_nobody_adds_up(tmp_path: Path) -> None:
    recorded = json.loads((WEB / "stat_monitor_data_backend_dead.json").read_text())

    async def shown() -> httpx.Response:
        async with served(tarsstat.objects(Place(tmp_path, FaultFlags(tmp_path)))) as port:
            pass  # it was there
        with web_with(tmp_path, "tars.tarsstat", port) as app:
            return await asked(app, recorded)

    assert asyncio.run(shown()).json() == recorded["response"]["body"]


@pytest.mark.parametrize("exchange", ASKED, ids=[f"{e['servant']}-{e['name']}" for e in ASKED])
def test_questions_are_answered_as_recorded(exchange: dict[str, Any], tmp_path: Path) -> None:
    """Byte by byte but for the time, and for MySQL's own words."""
    stat = "stat" in exchange["servant"]
    module, table = (tarsstat, "tars_stat") if stat else (tarsproperty, "tars_property")
    objects = module.objects(Place(tmp_path, FaultFlags(tmp_path)))
    recorded = answer_of(exchange)
    if recorded.ret == 0:
        fill(Store(tmp_path / ("stat.db" if stat else "property.db")), table, exchange)

    async def answered() -> ResponsePacket:
        async with served(objects) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes.fromhex(exchange["request_hex"]))
            frames = FrameSplitter()
            while not (found := list(frames.feed(await reader.read(65536)))):
                pass
            writer.close()
            return ResponsePacket.from_frame(found[0])

    answer = decode_body(MonitorAnswer, asyncio.run(answered()).body).answer
    assert (answer.ret, answer.sums, answer.rets) == (recorded.ret, recorded.sums, recorded.rets)


REPORTS = list(exchanges("stat_property_reports_capture"))


def test_reports_of_real_servers_are_added_up(tmp_path: Path) -> None:
    """Every recorded report of calls is sent one-way; the sums are those of another decoder."""
    reports = [exchange for exchange in REPORTS if exchange["func"] == "reportMicMsg"]
    objects = tarsstat.objects(Place(tmp_path, FaultFlags(tmp_path)))
    expected: dict[tuple[str, str], list[int]] = {}
    for exchange in reports:
        for head, body in exchange["request_body"]["1"]["map"]:
            sums = expected.setdefault((head["1"], head["2"]), [0, 0, 0, 0])
            for place, tag in enumerate(("0", "1", "2", "4")):
                sums[place] += body[tag]

    async def sent() -> None:
        async with served(objects) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for exchange in reports:
                writer.write(bytes.fromhex(exchange["request_hex"]))
            # A question after them on the same connection is answered when they are counted.
            writer.write(bytes.fromhex(ASKED[0]["request_hex"]))
            assert await reader.read(4)
            writer.close()

    asyncio.run(sent())
    rows = Store(tmp_path / "stat.db").rows(
        "SELECT slave_name, interface_name, sum(succ_count) a, sum(timeout_count) b, "
        "sum(exce_count) c, sum(total_time) d FROM tars_stat GROUP BY 1, 2"
    )
    found = {
        (row["slave_name"], row["interface_name"]): [row["a"], row["b"], row["c"], row["d"]]
        for row in rows
    }
    assert found == expected


def test_callers_are_known_by_name_version_and_address(tmp_path: Path) -> None:
    """What a side leaves out of its own report is filled in from its connection."""
    objects = tarsstat.objects(Place(tmp_path, FaultFlags(tmp_path)))
    exchange = next(
        exchange
        for exchange in REPORTS
        if exchange["func"] == "reportMicMsg" and "EchoClient@3.0.22" in json.dumps(exchange)
    )
    packet = RequestPacket.from_frame(bytes.fromhex(exchange["request_hex"]))
    assert decode_body(StatReport, packet.body).from_client

    async def sent() -> None:
        async with served(objects) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes.fromhex(exchange["request_hex"]))
            writer.write(bytes.fromhex(ASKED[0]["request_hex"]))
            assert await reader.read(4)
            writer.close()

    asyncio.run(sent())
    rows = Store(tmp_path / "stat.db").rows(
        "SELECT DISTINCT master_name, tars_version, master_ip, slave_ip FROM tars_stat"
    )
    assert rows == [
        {
            "master_name": "Demo.EchoClient",
            "tars_version": "3.0.22",
            "master_ip": "127.0.0.1",
            "slave_ip": "127.0.0.1",
        }
    ]


def test_property_reports_are_combined_by_policy(tmp_path: Path) -> None:
    """The same report twice: sums and counts double, the rest stays."""
    objects = tarsproperty.objects(Place(tmp_path, FaultFlags(tmp_path)))
    exchange = next(e for e in REPORTS if "client_gauge" in json.dumps(e))

    async def sent() -> None:
        async with served(objects) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(bytes.fromhex(exchange["request_hex"]))
            question = next(e for e in ASKED if "property" in e["servant"])
            writer.write(bytes.fromhex(question["request_hex"]))
            assert await reader.read(4)
            writer.close()

    asyncio.run(sent())
    rows = Store(tmp_path / "property.db").rows(
        "SELECT policy, value FROM tars_property WHERE property_name = 'client_gauge'"
    )
    assert {row["policy"]: row["value"] for row in rows} == {
        "Sum": 12, "Avg": 3, "Count": 4, "Max": 5, "Min": 1,
    }  # fmt: skip
