"""The embedded tarslog: ``python3 -m lab.tars.embedded.components.tarslog --config=FILE``.

Lines of remote logs go to ``DATA/remote_app_log/App/Server/App.Server_FILE_TIME.log``, as the
real one names them.
"""

from __future__ import annotations

import time
from pathlib import Path

from lab.tars.body import Empty, decode_body, encode_body
from lab.tars.embedded.components.serving import Objects, Place, serve
from lab.tars.embedded.servants import Call
from lab.tars.framework import LOG, LOG_BY_INFO, LogInfo, LogLines, LogLinesByInfo

#: The format of the time in a file's name when a report names none.
_BY_DAY = "%Y%m%d"


def file_of(info: LogInfo, directory: Path, seconds: float) -> Path:
    """The file that lines of ``info`` belong to; raises `ValueError` outside ``directory``."""
    own = f"{info.application}.{info.server}" if info.has_prefix else ""
    when = time.strftime(info.pattern or _BY_DAY, time.localtime(seconds))
    name = info.joined_by.join(part for part in (own, info.file, when) if part)
    place = directory / info.application / info.server / (name + ".log" * info.has_suffix)
    if not place.resolve().is_relative_to(directory.resolve()):
        raise ValueError(f"{place} is not below {directory}")
    return place


class RemoteLogs:
    """Files below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def log(self, call: Call) -> bytes:
        said = decode_body(LogLines, call.body)
        return self._append(
            LogInfo(said.application, said.server, said.file, said.pattern), said.lines
        )

    def log_by_info(self, call: Call) -> bytes:
        said = decode_body(LogLinesByInfo, call.body)
        return self._append(said.info, said.lines)

    def _append(self, info: LogInfo, lines: list[str]) -> bytes:
        file = file_of(info, self._directory, time.time())
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.writelines(line if line.endswith("\n") else f"{line}\n" for line in lines)
        return encode_body(Empty())


def objects(place: Place) -> Objects:
    logs = RemoteLogs(place.data / "remote_app_log")
    return {
        "LogObj": {
            LOG.name: logs.log,
            LOG_BY_INFO.name: logs.log_by_info,
        }
    }


if __name__ == "__main__":
    serve(__doc__, objects)
