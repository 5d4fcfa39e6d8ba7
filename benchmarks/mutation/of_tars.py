"""What Tars peers, TarsWeb and authors of `.tars` files send."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from contextlib import suppress
from functools import cache
from typing import Any

import httpx

from benchmarks.mutation.recorded import bodies, frames, seeds, whole, written
from benchmarks.mutation.target import Target, text_of
from lab.cvb import contracts
from lab.tars import (
    body,
    dissect,
    encodings,
    framing,
    managed,
    packets,
    plain,
    profile,
    reading,
    routing,
    web,
)
from lab.tars.embedded import unpacking
from lab.tars.errors import (
    BrokenConfiguration,
    InvalidEndpoint,
    MalformedBody,
    MalformedFrame,
    MalformedPacket,
    MalformedTars,
)
from lab.tars.idl import IdlError, api, files, loads, parser, tokens, types
from lab.tars.packets import Version
from lab.tars.web import answers, calls, servers

_FRAME = contracts.Frame
_HEADER = framing.HEADER_SIZE
_LONGEST_IDL = 6000

_PROFILES = [b"<tars>\n <a>\n  b=1\n  c\n </a>\n # d\n <e>\n  <f>\n  </f>\n </e>\n</tars>\n"]
_CONFIGURATION = b"""<tars>
  <application>
    enableset=n
    <server>
      node=tars.tarsnode.ServerObj@tcp -h 127.0.0.1 -p 19386 -t 60000
      app=IEC4
      server=EchoServer
      localip=127.0.0.1
      local=tcp -h 127.0.0.1 -p 20001 -t 3000
      config=tars.tarsconfig.ConfigObj
      datapath=/tars/data
      deactivating-timeout=3000
      <IEC4.EchoServer.EchoObjAdapter>
        allow
        endpoint=tcp -h 127.0.0.1 -p 20002 -t 60000
        maxconns=100000
        protocol=tars
        queuecap=50000
        queuetimeout=20000
        servant=IEC4.EchoServer.EchoObj
        threads=5
      </IEC4.EchoServer.EchoObjAdapter>
    </server>
    <client>
      locator=tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p 17890
      sync-invoke-timeout=3000
    </client>
  </application>
</tars>
"""


def _stream(data: bytes) -> None:
    """As two pieces, cut in the middle."""
    splitter = framing.FrameSplitter()
    for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
        splitter.feed(piece)


def _requests() -> list[bytes]:
    return seeds(request[_HEADER:] for _, request, _ in frames())


def _responses() -> list[bytes]:
    return seeds(response[_HEADER:] for _, _, response in frames())


def _recorded_bodies() -> list[bytes]:
    return seeds(
        bytes.fromhex(noted[side]["body_hex"])
        for noted, _, _ in frames()
        for side in ("request_fields", "response_fields")
        if isinstance(noted.get(side), dict) and noted[side].get("body_hex")
    )


def _dissected(data: bytes) -> None:
    dissector = dissect.Dissector()
    for frame in dissect.frames_of(data):
        packet = dissector.packet(frame)
        dissect.lines(packet["body"] if isinstance(packet.get("body"), list) else [])


def _frame() -> contracts.Frame:
    still = contracts.Vector(0.0, 0.0)
    seen = contracts.Detection(
        "t-1", contracts.Kind.PEDESTRIAN, contracts.Vector(12.5, -3.0), still, 0.5, "B-XY 1"
    )
    return _FRAME("camera-1", 7, 1_764_000_000_000_000, "warnings", [seen, seen])


def _interfaces() -> list[bytes]:
    """Files that include no other one, and none that takes long to read."""
    found = whole("lab/cvb/V2X.tars", "lab/tars/**/*.tars")()
    return [text for text in found if b"#include" not in text and len(text) < _LONGEST_IDL]


def _encoded(version: int) -> list[bytes]:
    return seeds([encodings.encode_arguments(_frame(), version)])


def _package() -> list[bytes]:
    """Two packages as a developer packs them."""
    made = []
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
            for name, content in (("E/E", b"#!/bin/sh\n"), ("E/a/b.js", b"x" * 700)):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        made.append(packed.getvalue())
    return made


def _unpack(data: bytes) -> None:
    """The tar is mutated, not its compression: few mutations of that reach the tar."""
    package = written("package/E.tgz", gzip.compress(data, 1))
    unpacking.put_in_place(package, package.parent / "bin", any_machine=True)


class _Answered(web.TarsWeb):
    """TarsWeb's client whose every answer is the given one."""

    content = b""

    def request(self, *_: Any, **__: Any) -> httpx.Response:
        return httpx.Response(200, content=self.content)


@cache
def _client() -> _Answered:
    return _Answered("http://127.0.0.1:1")


def _answer(data: bytes) -> None:
    client = _client()
    client.content = data
    if b"is_node_ok" in data:
        client.states([])
    else:
        client.servers("Demo")


def _answers() -> list[bytes]:
    """Recorded answers, lists cut to two rows: servers and their states are read furthest."""
    found = []
    for told in bodies("tars/web", sides=("response",)):
        with suppress(ValueError):
            answer = json.loads(told)
            if isinstance(answer, dict) and isinstance(answer.get("data"), list):
                answer["data"] = answer["data"][:2]
                known = b"setting_state" in told
                found += [json.dumps(answer).encode()] if known else []
    return seeds([*found, b'{"data": null, "ret_code": 500, "err_msg": "no"}'])


TARGETS = (
    Target(
        "tars-stream",
        "Tars frames in a byte stream",
        _stream,
        lambda: seeds(request + response for _, request, response in frames()),
        (MalformedFrame,),
        (framing,),
        text=False,
    ),
    Target(
        "tars-request",
        "a Tars or TUP request",
        lambda data: packets.RequestPacket.from_frame(framing.frame_of(data)),
        _requests,
        (MalformedPacket,),
        (packets, framing),
        text=False,
    ),
    Target(
        "tars-answer",
        "a Tars or TUP answer, or a push",
        lambda data: packets.read_answer(framing.frame_of(data)),
        _responses,
        (MalformedPacket,),
        (packets, framing),
        text=False,
    ),
    Target(
        "tars-nodes",
        "a body by its tags alone",
        reading.read_nodes,
        _recorded_bodies,
        (MalformedBody,),
        (reading,),
        text=False,
    ),
    Target(
        "tars-body",
        "a body by its type (a camera's frame)",
        lambda data: body.decode_body(_FRAME, data),
        lambda: _encoded(Version.TARS),
        (MalformedBody,),
        (body, reading),
        text=False,
    ),
    Target(
        "tars-tup",
        "a TUP body by its type",
        lambda data: encodings.decode_arguments(_FRAME, data, Version.TUP),
        lambda: _encoded(Version.TUP),
        (MalformedBody,),
        (encodings, body, reading),
        text=False,
    ),
    Target(
        "tars-tup-old",
        "the same in the old TUP",
        lambda data: encodings.decode_arguments(_FRAME, data, Version.TUP_OLD),
        lambda: _encoded(Version.TUP_OLD),
        (MalformedBody,),
        (encodings, body, reading),
        text=False,
    ),
    Target(
        "tars-json",
        "a body in Tars' JSON dialect",
        lambda data: encodings.decode_arguments(_FRAME, data, Version.JSON),
        lambda: _encoded(Version.JSON),
        (MalformedBody,),
        (encodings, plain),
    ),
    Target(
        "tars-dissect",
        "captured frames: notify, stat, registry, node …",
        _dissected,
        lambda: seeds(request + response for _, request, response in frames()),
        (MalformedTars,),
        (dissect, packets, reading, encodings),
        text=False,
    ),
    Target(
        "tars-idl",
        "a `.tars` file",
        lambda data: loads(text_of(data)),
        _interfaces,
        (IdlError,),
        (api, files, parser, tokens, types),
    ),
    Target(
        "tars-profile",
        "a template or profile, joined and shown",
        lambda data: profile.render(profile.join({}, profile.parse(text_of(data)))),
        lambda: [_CONFIGURATION, *_PROFILES],
        (profile.BrokenProfile,),
        (profile,),
    ),
    Target(
        "tars-configuration",
        "a server's configuration by its node",
        lambda data: managed.read_configuration(text_of(data)),
        lambda: [_CONFIGURATION],
        (BrokenConfiguration,),
        (managed, profile, routing),
    ),
    Target(
        "tars-endpoint",
        "an object with its endpoints",
        lambda data: routing.parse_object(text_of(data)),
        lambda: [
            b"tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p 17890 -t 60000:ssl -h a -p 1 -s x.y.1",
            b"App.Server.Obj@udp -h 10.0.0.1 -p 65535 -w 30 -v 1 -g 2 -e 0",
        ],
        (InvalidEndpoint,),
        (routing,),
    ),
    Target(
        "tars-package",
        "a published package that a node unpacks",
        _unpack,
        _package,
        (unpacking.BrokenPackage,),
        (unpacking,),
        text=False,
    ),
    Target(
        "tarsweb-answer",
        "TarsWeb's answers",
        _answer,
        _answers,
        (answers.WebRefused,),
        (calls, answers, servers),
    ),
)
