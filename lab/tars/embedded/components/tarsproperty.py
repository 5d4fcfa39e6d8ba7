"""The embedded tarsproperty, with the questions that the real one has tarsqueryproperty for.

``python3 -m lab.tars.embedded.components.tarsproperty --config=FILE``: PropertyObj takes
reports, QueryObj answers sums over them.
"""

from __future__ import annotations

from functools import partial

from lab.tars.body import decode_body, encode_body
from lab.tars.embedded.components.buckets import answer, bucket
from lab.tars.embedded.components.serving import Objects, Place, serve
from lab.tars.embedded.servants import Call
from lab.tars.embedded.store import Store
from lab.tars.framework import QUERY_MONITOR, REPORT_PROPERTIES, PropertyReport, Ret

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tars_property (
    f_date TEXT NOT NULL, f_tflag TEXT NOT NULL,
    master_name TEXT NOT NULL, master_ip TEXT NOT NULL, property_name TEXT NOT NULL,
    policy TEXT NOT NULL, value REAL NOT NULL, reports INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (f_date, f_tflag, master_name, property_name, master_ip, policy)) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO tars_property (f_date, f_tflag, master_name, master_ip, property_name, policy, value)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    value = {combined}, reports = reports + 1
"""
#: How the values of several reports become one, by policy.
_COMBINED = {
    "Sum": "value + excluded.value",
    "Count": "value + excluded.value",
    "Max": "max(value, excluded.value)",
    "Min": "min(value, excluded.value)",
    "Avg": "(value * reports + excluded.value) / (reports + 1)",
}


class Properties:
    """Reports of properties, combined in ``store``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.define(_SCHEMA)

    def report(self, call: Call) -> bytes:
        """Keep a report's values; distributions are none, and left out of sums as recorded."""
        report = decode_body(PropertyReport, call.body)
        date, start = bucket()
        with self._store.transaction():
            for head, body in report.properties.items():
                ip = head.ip or call.peer.host
                for value in body.values:
                    if value.policy in _COMBINED:
                        self._store.write(
                            _ADD.format(combined=_COMBINED[value.policy]),
                            *(date, start, head.module_name, ip, head.property_name),
                            *(value.policy, float(value.value)),
                        )
        return encode_body(Ret())


def objects(place: Place) -> Objects:
    store = Store(place.data / "property.db")
    properties = Properties(store)
    return {
        "PropertyObj": {
            REPORT_PROPERTIES.name: place.unless("tars.property-lost", properties.report, Ret())
        },
        "QueryObj": {QUERY_MONITOR.name: partial(answer, store, "tars_property", ("value",))},
    }


if __name__ == "__main__":
    serve(__doc__, objects)
