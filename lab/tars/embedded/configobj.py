"""``tars.tarsconfig.ConfigObj``: servers fetch their configuration files from it.

Source: TarsProtocol ``framework/ConfigF.tars``; answers recorded from tarsconfig 3.0.17. A
caller's node is what its request's context says (node_name), else its address.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.faultflags import FaultFlags
from lab.tars.body import decode_body, encode_body
from lab.tars.embedded import interfaces as api
from lab.tars.embedded.configstore import ConfigStore
from lab.tars.embedded.servants import Call, Dropped, Function


def functions(configs: ConfigStore, flags: FaultFlags) -> Mapping[str, Function]:
    """The servant's functions by name."""

    def hearing(function: Function) -> Function:
        def unless_deaf(call: Call) -> bytes:
            if flags.active("tars.config-deaf"):
                raise Dropped
            return function(call)

        return unless_deaf

    def answer(owner: str, filename: str, host: str) -> bytes:
        text = "" if flags.active("tars.config-empty") else configs.merged(owner, filename, host)
        return encode_body(api.Config(ret=0, config=text))

    def load(call: Call) -> bytes:
        asked = decode_body(api.ConfigFile, call.body)
        owner = f"{asked.application}.{asked.server_name}".removesuffix(".")
        return answer(owner, asked.filename, _host(call))

    def load_by_host(call: Call) -> bytes:
        asked = decode_body(api.ConfigOnHost, call.body)
        return answer(asked.server, asked.filename, asked.host)

    def list_names(call: Call) -> bytes:
        asked = decode_body(api.ConfigsOf, call.body)
        names = configs.names(f"{asked.application}.{asked.server_name}", _host(call))
        return encode_body(api.ConfigNames(ret=0, names=names))

    return {
        "loadConfig": hearing(load),
        "loadConfigByHost": hearing(load_by_host),
        "ListConfig": hearing(list_names),
    }


def _host(call: Call) -> str:
    return call.packet.context.get("node_name") or call.peer.host
