"""The embedded tarsstat, with the questions that the real platform has tarsquerystat for.

``python3 -m lab.tars.embedded.components.tarsstat --config=FILE``: StatObj takes reports,
QueryObj answers sums over them.
"""

from __future__ import annotations

from functools import partial

from lab.tars.body import decode_body, encode_body
from lab.tars.embedded.components.buckets import answer, bucket
from lab.tars.embedded.components.serving import Objects, Place, serve
from lab.tars.embedded.servants import Call
from lab.tars.embedded.store import Store
from lab.tars.framework import QUERY_MONITOR, REPORT_STATISTICS, Ret, StatReport

VALUES = ("succ_count", "timeout_count", "exce_count", "total_time")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tars_stat (
    f_date TEXT NOT NULL, f_tflag TEXT NOT NULL,
    master_name TEXT NOT NULL, slave_name TEXT NOT NULL, interface_name TEXT NOT NULL,
    master_ip TEXT NOT NULL, slave_ip TEXT NOT NULL, slave_port INTEGER NOT NULL,
    return_value INTEGER NOT NULL, tars_version TEXT NOT NULL,
    succ_count INTEGER NOT NULL, timeout_count INTEGER NOT NULL, exce_count INTEGER NOT NULL,
    total_time INTEGER NOT NULL,
    PRIMARY KEY (f_date, f_tflag, slave_name, master_name, interface_name, master_ip, slave_ip,
        slave_port, return_value, tars_version)) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO tars_stat VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    succ_count = succ_count + excluded.succ_count,
    timeout_count = timeout_count + excluded.timeout_count,
    exce_count = exce_count + excluded.exce_count, total_time = total_time + excluded.total_time
"""


class Statistics:
    """Reports of calls, added up in ``store``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.define(_SCHEMA)

    def report(self, call: Call) -> bytes:
        """Count a report; whoever reports is known by its address, as on the real one."""
        report = decode_body(StatReport, call.body)
        peer = call.peer.host
        date, start = bucket()
        with self._store.transaction():
            for head, body in report.calls.items():
                # TarsCpp's callers add their version to their own name.
                master, _, version = head.master_name.partition("@")
                self._store.write(
                    _ADD,
                    *(date, start, master, head.slave_name, head.interface_name),
                    head.master_ip or (peer if report.from_client else ""),
                    head.slave_ip or ("" if report.from_client else peer),
                    *(head.slave_port, head.return_value, version or head.tars_version),
                    *(body.count, body.timeout_count, body.failed_count, body.total_ms),
                )
        return encode_body(Ret())


def objects(place: Place) -> Objects:
    store = Store(place.data / "stat.db")
    statistics = Statistics(store)
    return {
        "StatObj": {
            REPORT_STATISTICS.name: place.unless("tars.stat-lost", statistics.report, Ret())
        },
        "QueryObj": {QUERY_MONITOR.name: partial(answer, store, "tars_stat", VALUES)},
    }


if __name__ == "__main__":
    serve(__doc__, objects)
