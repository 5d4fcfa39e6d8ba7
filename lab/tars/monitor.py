"""Statistics, properties and logs as TarsWeb tells them, and which framework servers there are.

Field names are those of TarsWeb 3.0.15. Its monitor data come in buckets of five minutes; a
real platform shows a bucket when it is over, 5 to 6 minutes after a report.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.tars.web import Server, TarsWeb, WebRefused

#: The application of the framework's own servers.
FRAMEWORK = "tars"
#: Those of them that services and name service do without. Not tarsregistry, tarsAdminRegistry,
#: tarspatch: they are of the same application, and what TarsWeb itself works by.
OPTIONAL = frozenset(
    {
        "tarsconfig",
        "tarslog",
        "tarsnotify",
        "tarsproperty",
        "tarsqueryproperty",
        "tarsquerystat",
        "tarsstat",
    }
)

_PERCENT = 100.0


@dataclass(frozen=True)
class CallStatistics:
    """Calls of one bucket, or of one value of the column that was grouped by.

    ``when``: the bucket's start (``0125``), or the date; rates are shares from 0 to 1, the
    mean is over successful calls. ``%`` stands for a name that was neither asked for nor
    grouped by.
    """

    when: str
    master_name: str
    slave_name: str
    interface_name: str
    master_ip: str
    slave_ip: str
    calls: int
    mean_ms: float
    failed: float
    timed_out: float


@dataclass(frozen=True)
class PropertyStatistics:
    """A property's value in one bucket or group; ``policy`` is Sum, Avg, Count, Max or Min."""

    when: str
    master_name: str
    master_ip: str
    property_name: str
    policy: str
    value: float


def statistics(
    web: TarsWeb,
    slave_name: str,
    *,
    date: str | None = None,
    group_by: str | None = None,
    names: Mapping[str, str] | None = None,
) -> list[CallStatistics]:
    """How calls of the module ``slave_name`` (``App.Server``) went on ``date`` (today).

    ``names`` narrows by other columns, as ``interface_name``. Raises `WebRefused` ("call
    remote server timeout…") when nobody adds statistics up, which the real one needs 30 s for.
    """
    asked = {"slave_name": slave_name, **(names or {})}
    rows = _monitor(web, "stat_monitor_data", date, group_by, asked)
    return [
        CallStatistics(
            when=row.get("show_time") or row["show_date"],
            master_name=row["master_name"],
            slave_name=row["slave_name"],
            interface_name=row["interface_name"],
            master_ip=row["master_ip"],
            slave_ip=row["slave_ip"],
            calls=int(row["the_total_count"]),
            mean_ms=float(row["the_avg_time"]),
            failed=_share(row["the_fail_rate"]),
            timed_out=_share(row["the_timeout_rate"]),
        )
        for row in rows
    ]


def properties(
    web: TarsWeb,
    master_name: str,
    *,
    date: str | None = None,
    group_by: str | None = None,
    names: Mapping[str, str] | None = None,
) -> list[PropertyStatistics]:
    """What the module ``master_name`` reported of itself; arguments as of `statistics`."""
    asked = {"master_name": master_name, **(names or {})}
    rows = _monitor(web, "property_monitor_data", date, group_by, asked)
    return [
        PropertyStatistics(
            when=row.get("show_time") or row["show_date"],
            master_name=row["master_name"],
            master_ip=row["master_ip"],
            property_name=row["property_name"],
            policy=row["policy"],
            value=float(row["the_value"]),
        )
        for row in rows
        if row["the_value"] != "--"  # only the day compared with has it
    ]


def log_files(web: TarsWeb, server: Server) -> list[str]:
    """The names of the log files that a server has on its node."""
    told = _read_json("logview_list", web.get("logview_list", **_key(server)))
    names: list[str] = told["data"]
    return names


def log_lines(
    web: TarsWeb, server: Server, file: str, *, keyword: str = "", lines: int = 100
) -> list[str]:
    """The last ``lines`` of a server's log file, or of those with ``keyword`` in its last 1000."""
    view = {
        "search_lines": max(1000, lines) if keyword else lines,
        "search_sign": "from_end",
        "keyword": keyword,
        "ignoreCase": "N",
        "lines": lines,
        "view_direction": "from_end",
    }
    told = _read_json(
        "logview_data",
        web.get("logview_data", log_file=file, interface_params=json.dumps(view), **_key(server)),
    )
    text: str = told["data"]
    return text.splitlines()


def framework_servers(web: TarsWeb) -> dict[str, Server]:
    """The optional servers of the framework that are deployed, by name (``tarsstat``).

    ``node_name`` tells where one runs, ``present_state`` whether it does. One that is absent
    is not listed, or not active.
    """
    servers = web.servers(FRAMEWORK)
    return {server.server_name: server for server in servers if server.server_name in OPTIONAL}


def _monitor(
    web: TarsWeb,
    function: str,
    date: str | None,
    group_by: str | None,
    asked: Mapping[str, str],
) -> list[dict[str, Any]]:
    query = {
        "thedate": date or time.strftime("%Y%m%d"),
        "predate": time.strftime("%Y%m%d", time.localtime(time.time() - 24 * 3600)),
        "startshowtime": "0000",
        "endshowtime": "2360",
        **asked,
        **({} if group_by is None else {"group_by": group_by}),
    }
    rows: list[dict[str, Any]] = web.get(function, **query)
    return rows


def _share(percent: str) -> float:
    return float(percent.removesuffix("%")) / _PERCENT


def _key(server: Server) -> dict[str, str]:
    return {
        "application": server.application,
        "server_name": server.server_name,
        "node_name": server.node_name,
    }


def _read_json(call: str, text: str) -> dict[str, Any]:
    """What TarsWeb sends as JSON within its JSON; raises `WebRefused` when it says no."""
    told: dict[str, Any] = json.loads(text)
    if told.get("iRet") != 0:
        raise WebRefused(call, 200, 200, str(told.get("data", "")))
    return told
