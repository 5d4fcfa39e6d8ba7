"""The embedded tarsnotify: ``python3 -m lab.tars.embedded.components.tarsnotify --config=FILE``.

Keeps what servers and nodes say of themselves; pages of it are the newest first.
"""

from __future__ import annotations

from lab.tars.body import Empty, decode_body, encode_body
from lab.tars.embedded.components.serving import Objects, Place, serve
from lab.tars.embedded.servants import Call
from lab.tars.embedded.store import Store, now
from lab.tars.framework import (
    GET_NOTICES,
    REPORT_NOTICE,
    REPORT_SERVER,
    GetNotices,
    NoticeItem,
    NoticePage,
    Notices,
    ReportNotice,
    ReportServer,
)

_PAGE = 50
#: How many notices are kept; the oldest go first.
_KEPT = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notice (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, server TEXT NOT NULL,
    node_name TEXT NOT NULL, level INTEGER NOT NULL, message TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS notice_server ON notice (server);
"""


class NoticeBoard:
    """Notices in ``store``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.define(_SCHEMA)

    def _keep(self, server: str, node_name: str, level: int, message: str) -> bytes:
        row = {
            "time": now(), "server": server, "node_name": node_name, "level": level,
            "message": message,
        }  # fmt: skip
        kept = self._store.insert("notice", row)
        self._store.write("DELETE FROM notice WHERE id <= ?", kept["id"] - _KEPT)
        return encode_body(Empty())

    def report(self, call: Call) -> bytes:
        notice = decode_body(ReportNotice, call.body).notice
        server = f"{notice.application}.{notice.server}"
        node = notice.node_name or call.packet.context.get("node_name") or call.peer.host
        return self._keep(server, node, notice.level, notice.message)

    def report_server(self, call: Call) -> bytes:
        said = decode_body(ReportServer, call.body)
        return self._keep(said.server, call.peer.host, 0, said.message)

    def page(self, call: Call) -> bytes:
        key = decode_body(GetNotices, call.body).key
        rows = self._store.rows(
            "SELECT * FROM notice WHERE server = ?1 AND (?2 = '' OR node_name = ?2) "
            "ORDER BY id DESC LIMIT ?3 OFFSET ?4",
            key.name,
            key.ip,
            _PAGE + 1,
            key.page * _PAGE,
        )
        items = [
            NoticeItem(
                row["time"], f"{row['server']}_{row['node_name']}", row["level"], row["message"]
            )
            for row in rows[:_PAGE]
        ]
        more = key.page + 1 if len(rows) > _PAGE else -1
        return encode_body(Notices(page=NoticePage(more, items)))


def objects(place: Place) -> Objects:
    board = NoticeBoard(Store(place.data / "notify.db"))
    return {
        "NotifyObj": {
            REPORT_NOTICE.name: place.unless("tars.notice-lost", board.report, Empty()),
            REPORT_SERVER.name: place.unless("tars.notice-lost", board.report_server, Empty()),
            GET_NOTICES.name: board.page,
        }
    }


if __name__ == "__main__":
    serve(__doc__, objects)
