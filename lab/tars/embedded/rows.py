"""Rows of the database as TarsWeb shows them, and requests as rows."""

from __future__ import annotations

from typing import Any

from lab.tars.embedded.states import ItemStatus, task_status
from lab.tars.embedded.store import Row

#: The only user of a platform without log-in.
USER = "admin"

#: What every server row shows that this platform does not have.
_FIXED = {
    "base_path": "",
    "exe_path": "",
    "start_script_path": "",
    "stop_script_path": "",
    "monitor_script_path": "",
    "ip_group_name": "",
    "run_type": "",
    "base_image_id": 0,
    "source": "",
}
_SET_PARTS = ("set_name", "set_area", "set_group")
#: What deploy_server's answer leaves out of a server's row.
_NOT_WHEN_DEPLOYED = (
    "patch_user", "enable_group", "ip_group_name", "flow_state", "base_image_id", "source",
)  # fmt: skip


def key(named: Row) -> tuple[str, str, str]:
    """What a server is known by: application, name, node."""
    return named["application"], named["server_name"], named["node_name"]


def asked_set(asked: Row) -> Row:
    """The set of a request; its parts are null unless ``enable_set`` is true."""
    if not asked.get("enable_set"):
        return {"enable_set": False, **dict.fromkeys(_SET_PARTS)}
    return {"enable_set": True, **{part: asked.get(part) for part in _SET_PARTS}}


def set_of(division: str) -> Row:
    """The set called ``name.area.group``; "" is none."""
    parts = dict(zip(_SET_PARTS, division.split("."), strict=False))
    return asked_set({"enable_set": bool(division), **parts})


def set_division(server: Row) -> str:
    """``name.area.group``; "" without a set."""
    return ".".join(server[part] or "" for part in _SET_PARTS) if server["enable_set"] else ""


def tree_path(server: Row) -> list[tuple[str, str]]:
    """Where a server hangs in the tree: the level and name of each part, from the outermost."""
    levels = [("1", server["application"])]
    if server["enable_set"]:
        levels += [
            (level, server[part] or "") for level, part in zip("234", _SET_PARTS, strict=True)
        ]
    return [*levels, ("5", server["server_name"])]


def tree_id(server: Row) -> str:
    """A server's place in the tree, as server_list is asked for it."""
    return ".".join(level + name for level, name in tree_path(server))


def server(row: Row) -> Row:
    """A server, in all of TarsWeb's fields."""
    truths = {name: bool(row[name]) for name in ("enable_set", "bak_flag", "enable_group")}
    return {**row, **_FIXED, **truths}


def deployed(row: Row) -> Row:
    """A server as deploy_server's answer shows it: some fields left out, one time in ISO form."""
    shown = {name: value for name, value in server(row).items() if name not in _NOT_WHEN_DEPLOYED}
    shown["patch_time"] = f"{row['patch_time'].replace(' ', 'T')}.000Z"
    return shown


def node(row: Row) -> Row:
    """A node, in all of TarsWeb's fields; nobody here looks at its load."""
    return {
        **row,
        "node_obj": "",
        "endpoint_ip": "",
        "endpoint_port": 0,
        "load_avg1": 0,
        "load_avg5": 0,
        "load_avg15": 0,
        "last_reg_time": "",
        "setting_state": "active",
        "template_name": "",
        "modify_time": "",
        "label": None,
        "group_id": -1,
    }


def application(row: Row) -> Row:
    """An application; who made it, made its last change."""
    return {
        "f_id": row["f_id"],
        "f_name": row["f_name"],
        "f_create_person": USER,
        "f_create_time": row["created"],
        "f_update_person": USER,
        "f_update_time": row["created"],
    }


def task(row: Row) -> Row:
    """A task with its items and their common status."""
    items = [
        {
            "task_no": row["task_no"],
            "item_no": item["item_no"],
            "application": item["application"],
            "server_name": item["server_name"],
            "node_name": item["node_name"],
            "command": item["command"],
            "start_time": item["start_time"],
            "end_time": item["end_time"],
            "status": item["status"],
            "status_info": ItemStatus(item["status"]).name,
            "execute_info": item["execute_info"],
            "percent": item["percent"],
        }
        for item in row["items"]
    ]
    return {
        "task_no": row["task_no"],
        "serial": bool(row["serial"]),
        "status": task_status([item["status"] for item in items]),
        "create_time": row["create_time"],
        "userName": USER,
        "items": items,
    }


def page(rows: list[Any], number: object, size: object) -> Row:
    """``{count, rows}``; without page and size, all rows."""
    count = len(rows)
    if number and size:
        start = (int(str(number)) - 1) * int(str(size))
        rows = rows[start : start + int(str(size))]
    return {"count": count, "rows": rows}


def package(row: Row) -> Row:
    """A package as lists show it."""
    return {
        "default_version": row["default_version"],
        "id": row["id"],
        "server": row["server"],
        "tgz": row["tgz"],
        "publish_time": "",
        "comment": row["comment"],
        "posttime": row["posttime"],
        "upload_time": row["posttime"],
        "upload_user": USER,
    }


def adapter(server_key: tuple[str, ...], asked: Row) -> Row:
    """An adapter of deploy_server's request as a row. Ports are not looked at, as recorded."""
    servant = f"{server_key[0]}.{server_key[1]}.{asked['obj_name']}"
    # The time-out of an endpoint is written in the real one's own default, 60 s.
    place = f"-h {asked['bind_ip']} -t 60000 -p {asked['port']} -e 0"
    return {
        "adapter_name": f"{servant}Adapter",
        "servant": servant,
        "endpoint": f"{asked.get('port_type', 'tcp')} {place}",
        "thread_num": asked.get("thread_num", 5),
        "max_connections": asked.get("max_connections", 100_000),
        "queuecap": asked.get("queuecap", 50_000),
        "queuetimeout": asked.get("queuetimeout", 20_000),
        "allow_ip": asked.get("allow_ip", ""),
        "protocol": asked.get("protocol", "tars"),
        "handlegroup": asked.get("handlegroup", ""),
    }


def named_adapter(asked: Row) -> Row:
    """An adapter of add_adapter_conf's request as a row; its name follows from its servant."""
    names = (
        "application", "server_name", "node_name", "thread_num", "endpoint", "max_connections",
        "allow_ip", "servant", "queuecap", "queuetimeout", "protocol",
    )  # fmt: skip
    return {
        **{name: asked[name] for name in names},
        "adapter_name": f"{asked['servant']}Adapter",
        "handlegroup": asked.get("handlegroup", ""),
    }
