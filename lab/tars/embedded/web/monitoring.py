"""Statistics and properties over HTTP: TarsWeb asks the servers that add them up.

Without such a server the real one answers after 30 s that the call timed out; here the same
words come as soon as that is clear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import uuid4

from lab.tars.embedded.answers import Parameters, Refused, Route
from lab.tars.embedded.link import Link
from lab.tars.embedded.parts import Parts
from lab.tars.embedded.registry import endpoint
from lab.tars.embedded.store import Row
from lab.tars.errors import TarsError
from lab.tars.framework import (
    LIKE,
    QUERY_MONITOR,
    Condition,
    MonitorQuery,
    MonitorQuestion,
)

STAT_QUERY = "tars.tarsstat.QueryObj"
PROPERTY_QUERY = "tars.tarsproperty.QueryObj"

_TIMEOUT_S = 5.0
_DEAD = "call remote server timeout(remote server no response)"
#: What the real one says, in its own library's words, without a date.
_NO_DATE = (
    'The "string" argument must be of type string or an instance of Buffer or ArrayBuffer. '
    "Received undefined"
)

_STAT_NAMES = ("master_name", "slave_name", "interface_name", "master_ip", "slave_ip")
_STAT_VALUES = ["succ_count", "timeout_count", "exce_count", "total_time"]
_PROPERTY_NAMES = ("master_name", "master_ip", "property_name", "policy")

#: Sums by the values of the asked columns.
Sums = Mapping[str, list[float]]


def routes(parts: Parts) -> Iterable[Route]:
    monitor = _Monitor(parts)
    return (
        Route("GET", "stat_monitor_data", monitor.statistics),
        Route("GET", "property_monitor_data", monitor.properties),
    )


class _Monitor:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def statistics(self, asked: Parameters) -> list[Row]:
        """Calls by bucket, or by the column ``group_by``; compared with another day's."""
        now, before = await self._both(STAT_QUERY, "tars_stat", _STAT_NAMES, _STAT_VALUES, asked)
        return [
            {**_named(key, asked, _STAT_NAMES), **_calls(now.get(key), before.get(key))}
            for key in _keys(now, before, grouped=bool(asked.get("group_by")))
        ]

    async def properties(self, asked: Parameters) -> list[Row]:
        """Properties by bucket, or by the column ``group_by``."""
        now, before = await self._both(
            PROPERTY_QUERY, "tars_property", _PROPERTY_NAMES, ["value"], asked
        )
        return [
            {
                **_named(key, asked, _PROPERTY_NAMES),
                "the_value": _value(now.get(key)),
                "pre_value": _value(before.get(key)),
            }
            for key in _keys(now, before, grouped=bool(asked.get("group_by")))
        ]

    async def _both(
        self, servant: str, data: str, names: tuple[str, ...], columns: list[str], asked: Parameters
    ) -> tuple[Sums, Sums]:
        """The sums of the day that is asked for, and of the one to compare with."""
        if not asked.get("thedate"):
            raise Refused(_NO_DATE)
        by = ["f_date", asked["group_by"]] if asked.get("group_by") else ["f_tflag"]
        conditions = [Condition(name, LIKE, str(asked[name])) for name in names if asked.get(name)]
        sums = []
        for date in (asked["thedate"], asked.get("predate") or asked["thedate"]):
            question = MonitorQuestion(
                id=str(uuid4()),
                data=data,
                date=str(date),
                first=str(asked.get("startshowtime") or "0000"),
                last=str(asked.get("endshowtime") or "2360"),
                conditions=conditions,
                columns=columns,
                by=by,
            )
            sums.append(await self._sums(servant, question))
        return _without_date(sums[0]), _without_date(sums[1])

    async def _sums(self, servant: str, question: MonitorQuestion) -> Sums:
        """What the servant answers; nothing for a question that it does not understand."""
        for row in self._parts.database.places(servant):
            place = endpoint(row["endpoint"], row["node_name"])
            if place is None or row["present_state"] != "active":
                continue
            try:
                answered = await Link.ask(
                    (place.host, place.port),
                    servant,
                    QUERY_MONITOR,
                    MonitorQuery(question),
                    timeout=_TIMEOUT_S,
                )
            except (OSError, TarsError):
                continue
            return answered.answer.sums
        raise Refused(_DEAD)


def _without_date(sums: Sums) -> Sums:
    """Two days compare by the rest of the key; a bucket's key has no date."""
    return {key.partition(",")[2] or key: values for key, values in sums.items()}


def _keys(now: Sums, before: Sums, *, grouped: bool) -> list[str]:
    """As recorded: buckets in order, groups in the reverse order."""
    return sorted({*now, *before}, reverse=grouped)


def _named(key: str, asked: Parameters, names: tuple[str, ...]) -> Row:
    """What a row is about: ``%`` stands for what was neither asked for nor grouped by."""
    group = asked.get("group_by")
    when = {"show_date": asked["thedate"]} if group else {"show_time": key}
    shown = {name: key if name == group else asked.get(name) or "%" for name in names}
    return {**when, **shown}


def _calls(now: list[float] | None, before: list[float] | None) -> Row:
    total, average, failed, late = _rates(now)
    total_before, average_before, failed_before, late_before = _rates(before)
    wave = f"{100 * (total - total_before) / total_before:.2f}" if total_before else "+∞"
    return {
        "the_total_count": str(total),
        "pre_total_count": str(total_before),
        "total_count_wave": f"{wave}%",
        "the_avg_time": average,
        "pre_avg_time": average_before,
        "the_fail_rate": failed,
        "pre_fail_rate": failed_before,
        "the_timeout_rate": late,
        "pre_timeout_rate": late_before,
    }


def _rates(sums: list[float] | None) -> tuple[int, str, str, str]:
    """How many calls, the mean of successful ones in ms, shares of failures and time-outs."""
    good, late, failed, total_ms = sums or (0.0, 0.0, 0.0, 0.0)
    total = good + late + failed
    return (
        round(total),
        f"{total_ms / good if good else 0:.2f}",
        f"{100 * failed / total if total else 0:.2f}%",
        f"{100 * late / total if total else 0:.2f}%",
    )


def _value(sums: list[float] | None) -> str:
    return "--" if sums is None else f"{sums[0]:.3f}".rstrip("0").rstrip(".")
