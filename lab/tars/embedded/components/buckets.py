"""What statistics and properties have in common: buckets of five minutes, and sums over them.

Source: packets between TarsWeb, tarsquerystat and tarsqueryproperty, as recorded. The real
ones show a bucket when it is over; here a report counts at once.
"""

from __future__ import annotations

import re
import time

from lab.tars.body import decode_body, encode_body
from lab.tars.embedded.servants import Call
from lab.tars.embedded.store import Store
from lab.tars.framework import MonitorAnswer, MonitorQuery, MonitorQuestion, MonitorSums

_BUCKET_S = 300
_DATE = re.compile(r"\d{8}")
_OPERATORS = {0: "=", 1: ">", 2: "<", 3: ">=", 4: "<=", 5: "LIKE"}


def bucket(seconds: float | None = None) -> tuple[str, str]:
    """Date and start of the bucket that a time is in: ``20261123``, ``0125``, local time."""
    start = (time.time() if seconds is None else seconds) // _BUCKET_S * _BUCKET_S
    local = time.localtime(start)
    return time.strftime("%Y%m%d", local), time.strftime("%H%M", local)


class Wrong(Exception):
    """A question that has no answer, in words."""


def answer(store: Store, table: str, values: tuple[str, ...], call: Call) -> bytes:
    """Answer QueryObj.query over ``table``, of which ``values`` can be added up."""
    question = decode_body(MonitorQuery, call.body).question
    newest = " ".join(bucket())
    try:
        sums = _sums(store, table, values, question)
    except Wrong as wrong:
        told = MonitorSums(
            ret=-1, message=f"iDb:0{wrong}", newest=newest, databases=1, answered=1, rets=[-1]
        )
    else:
        told = MonitorSums(ret=0, newest=newest, databases=1, answered=1, rets=[0], sums=sums)
    return encode_body(MonitorAnswer(answer=told))


def _sums(
    store: Store, table: str, values: tuple[str, ...], asked: MonitorQuestion
) -> dict[str, list[float]]:
    if not _DATE.fullmatch(asked.date):
        raise Wrong(f", wrong tflag:{asked.first}-{asked.last}")
    known = {row["name"] for row in store.rows("SELECT name FROM pragma_table_info(?)", table)}
    columns = {*asked.by, *asked.columns, *(condition.column for condition in asked.conditions)}
    if unknown := sorted(columns - known) or sorted(set(asked.columns) - set(values)):
        raise Wrong(f"|exception:Unknown column '{unknown[0]}' in 'SELECT'")
    by = ", ".join(asked.by)
    added = ", ".join(f"sum({name}) AS sum_{name}" for name in asked.columns)
    conditions = [
        f"AND {condition.column} {_OPERATORS.get(condition.operator, '=')} ? "
        for condition in asked.conditions
    ]
    rows = store.rows(
        f"SELECT {by}, {added} FROM {table} "  # noqa: S608 - columns that the table has
        f"WHERE f_date = ? AND f_tflag BETWEEN ? AND ? {''.join(conditions)}GROUP BY {by}",
        asked.date,
        asked.first,
        asked.last,
        *(condition.value for condition in asked.conditions),
    )
    return {
        ",".join(str(row[name]) for name in asked.by): [
            float(row[f"sum_{name}"]) for name in asked.columns
        ]
        for row in rows
    }
