"""Configuration files of applications and servers, their history, and their push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.tars.web.answers import (
    CommandAnswer,
    ConfigFile,
    ConfigRevision,
    Reference,
    read,
    read_rows,
    rows_of,
    set_parts,
)
from lab.tars.web.calls import Calls

#: The levels by which TarsWeb is asked: application, group of a set of it, server.
_APPLICATION, _GROUP, _SERVER = 1, 4, 5


class Configs:
    """The calls about configuration files."""

    def __init__(self, web: Calls) -> None:
        self._web = web

    def of_application(self, application: str, *, division: str = "") -> list[ConfigFile]:
        """An application's files; with ``division`` (``name``, ``name.area`` or
        ``name.area.group``) those of a set of it.
        """
        parts = division.split(".") if division else []
        names = ("set_name", "set_area", "set_group")
        query = dict(zip(names, parts, strict=False))
        return self._list(_APPLICATION + len(parts), application=application, **query)

    def of_server(self, application: str, server_name: str) -> list[ConfigFile]:
        """A server's files, as every node of it has them."""
        return self._list(_SERVER, application=application, server_name=server_name)

    def _list(self, level: int, **query: str) -> list[ConfigFile]:
        rows = self._web.get("config_file_list", level=level, **query)
        return read_rows("config_file_list", ConfigFile, rows)

    def on_nodes(self, file: ConfigFile) -> list[ConfigFile]:
        """What each node of a server has of one of its files; their numbers are for `push`."""
        application, _, server_name = file.server_name.partition(".")
        rows = self._web.get(
            "node_config_file_list",
            application=application,
            server_name=server_name,
            config_id=file.id,
            set_name=file.set_name,
            set_area=file.set_area,
            set_group=file.set_group,
        )
        return read_rows("node_config_file_list", ConfigFile, rows)

    def add_to_application(
        self, application: str, filename: str, config: str, *, division: str = ""
    ) -> ConfigFile:
        """Add a file of an application, or of a set ``name.area.group`` of it.

        The same again is refused ("File with the same name already exists!").
        """
        owner = {"level": _GROUP if division else _APPLICATION, "application": application}
        return self._add({**owner, **set_parts(division)}, filename, config)

    def add_to_server(
        self, application: str, server_name: str, filename: str, config: str, *, division: str = ""
    ) -> ConfigFile:
        """Add a file of a server; each of its nodes gets an empty one of its own beside it."""
        owner = {"level": _SERVER, "application": application, "server_name": server_name}
        return self._add({**owner, **set_parts(division)}, filename, config)

    def _add(self, owner: Mapping[str, object], filename: str, config: str) -> ConfigFile:
        body = {**owner, "filename": filename, "config": config}
        return read("add_config_file", ConfigFile, self._web.post("add_config_file", body))

    def file(self, file_id: int) -> ConfigFile | None:
        """A file by number; None when it is unknown."""
        row = self._web.get("config_file", id=file_id)
        return read("config_file", ConfigFile, row) if row else None

    def update(self, file_id: int, config: str, reason: str) -> ConfigFile:
        """Replace a file's content; servers have the new one after `push`, or a restart."""
        body = {"id": file_id, "config": config, "reason": reason}
        return read("update_config_file", ConfigFile, self._web.post("update_config_file", body))

    def delete(self, file_id: int) -> None:
        """Forget a file; unknown ones, and ones with references, are refused."""
        self._web.get("delete_config_file", id=file_id)

    def history(self, file_id: int) -> list[ConfigRevision]:
        """What a file was, the newest first. Paged, this fails on the real one: it is not."""
        rows = self._web.get("config_file_history_list", config_id=file_id)["rows"]
        return read_rows("config_file_history_list", ConfigRevision, rows)

    def revision(self, revision_id: int) -> ConfigRevision | None:
        """One of a history by number; None when it is unknown."""
        row = self._web.get("config_file_history", id=revision_id)
        return read("config_file_history", ConfigRevision, row) if row else None

    def refer(self, file_id: int, to: int) -> int:
        """Have a file begin with the content of another; returns the reference's number."""
        number: int = self._web.get("add_config_ref", config_id=file_id, reference_id=to)["id"]
        return number

    def references(self, file_id: int) -> list[Reference]:
        """The files that a file begins with."""
        return [
            Reference(
                row["id"], row["config_id"], row["reference"]["id"], row["reference"]["filename"]
            )
            for row in self._web.get("config_ref_list", config_id=file_id)
        ]

    def refer_no_more(self, reference_id: int) -> None:
        self._web.get("delete_config_ref", id=reference_id)

    def merged(self, file_id: int) -> str:
        """A file as servers get it: references, the server's, the node's. Needs tarsconfig."""
        text: str = self._web.get("merged_node_config", id=file_id)
        return text

    def push(self, file_ids: Sequence[int]) -> list[CommandAnswer]:
        """Have servers fetch files now: ``file_ids`` as nodes have them (`on_nodes`).

        An answer for each; a server that could not be told is in its answer, not an error.
        """
        rows = self._web.get("push_config_file", ids=";".join(map(str, file_ids)))
        return [
            CommandAnswer.read("push_config_file", row) for row in rows_of("push_config_file", rows)
        ]
