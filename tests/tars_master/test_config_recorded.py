"""What real servers asked tarsconfig, asked again: the embedded ConfigObj answers byte for byte."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.tars.body import decode_body
from lab.tars.deployment import echo_on
from lab.tars.embedded.interfaces import CONFIG, Config
from lab.tars.packets import ResponsePacket
from lab.tars.queryf import resolve
from tests.tars.recorded import exchanges
from tests.tars_master.platforms import Platform
from tests.tars_master.test_registry_recorded import answered

FILE = "<echo>\nv=3\n</echo>"
COMMON = "<app>\nk=1\n</app>"
MERGED = f"{COMMON}\r\n\r\n{FILE}"

ASKED = [one for one in exchanges("config_notify_capture") if one["servant"] == CONFIG]


def recorded(*texts: Any) -> list[dict[str, Any]]:
    """The exchanges whose answer was one of these: a file's text, or the names of files."""
    return [
        one
        for one in ASKED
        if one["response_body"].get("4", one["response_body"].get("3", "ping")) in texts
    ]


def answers_as_recorded(platform: Platform, exchanges: list[dict[str, Any]]) -> int:
    for one in exchanges:
        answer = answered(platform.registry, bytes.fromhex(one["request_hex"]))
        assert answer.hex() == one["response_hex"], one["name"]
    return len(exchanges)


def test_configuration_files_are_fetched_as_recorded(lone_master: Platform) -> None:
    """Before there is one, with the application's in it, and without it again."""
    spec = echo_on(lone_master.web, "127.0.0.1", application="Demo")
    for node in ("127.0.0.1", "127.0.0.2"):
        lone_master.web.deploy(replace(spec, node_name=node))
    answers = answers_as_recorded(lone_master, recorded("ping", "", []))

    configs = lone_master.web.configs
    common = configs.add_to_application("Demo", "app.conf", COMMON)
    file = configs.add_to_server("Demo", "EchoServer", "echo.conf", FILE)
    reference = configs.refer(file.id, common.id)
    answers += answers_as_recorded(lone_master, recorded(MERGED, ["echo.conf"]))
    configs.refer_no_more(reference)
    answers += answers_as_recorded(lone_master, recorded(FILE))
    assert answers == len(ASKED)

    # What only one node has: a caller's node is in its request's context.
    own = next(one for one in configs.on_nodes(file) if one.node_name == "127.0.0.2")
    configs.update(own.id, "<own/>", "for one node")
    for exchange in recorded(FILE):
        context = dict(exchange["request_fields"]["context"]["map"])
        packet = answered(lone_master.registry, bytes.fromhex(exchange["request_hex"]))
        got = decode_body(Config, ResponsePacket.from_frame(packet).body).config
        there = context["node_name"] == "127.0.0.2"
        assert got == (f"{FILE}\r\n\r\n<own/>" if there else FILE)


def test_it_is_found_by_name(lone_master: Platform) -> None:
    [place] = resolve(lone_master.registry, CONFIG)
    assert (place.host, place.port) == lone_master.registry
