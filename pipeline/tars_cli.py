"""``./iec4 tars``: calls to any Tars object, what the registry knows, what is in a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.options import Json, Lab

app = typer.Typer(
    no_args_is_help=True,
    help="Tars at the terminal: ping, call, query, decode. "
    "Exit codes: 0 done, 1 the call failed by iRet, 2 wrong usage, 3 not reachable.",
)

Object = Annotated[
    str, typer.Argument(metavar="OBJ", help='App.Server.Obj, or "Obj@tcp -h HOST -p PORT".')
]
Registry = Annotated[
    str | None,
    typer.Option(help='Where the registry listens: "tcp -h HOST -p PORT" or HOST:PORT.'),
]
Seconds = Annotated[float, typer.Option(min=0.001, help="Time-out of each call in seconds.")]
Idl = Annotated[
    Path | None,
    typer.Option(help="A `.tars` file; objects of Tars itself and the echo servant need none."),
]
InterfaceName = Annotated[str, typer.Option(help="Which of the file's interfaces.")]
Include = Annotated[
    list[Path] | None, typer.Option("--include", "-I", help="Where included files are, too.")
]
SetName = Annotated[str, typer.Option("--set", help="The caller's set: NAME.AREA.GROUP.")]


@app.command("ping")
def ping(
    target: Object,
    registry: Registry = None,
    lab: Lab = None,
    timeout: Seconds = 3.0,
    as_json: Json = False,
) -> int:
    """Call tars_ping at each of an object's endpoints.

    Example: ./iec4 tars ping IEC4.EchoServer.EchoObj
    """
    from pipeline import tars_commands

    reach = tars_commands.Reach(registry, lab, timeout, as_json)
    return tars_commands.ping(target, reach)


@app.command("call", context_settings={"ignore_unknown_options": True})
def call(
    target: Object,
    function: Annotated[str, typer.Argument(help="The function's name.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JSON]...", help="Arguments in their order; text needs no quotes of JSON."
        ),
    ] = None,
    args: Annotated[
        str | None, typer.Option(help="All arguments: a JSON object by names, or a list.")
    ] = None,
    idl: Idl = None,
    interface: InterfaceName = "",
    include: Include = None,
    version: Annotated[str, typer.Option(help="Of the body: tars, tup or json.")] = "tars",
    one_way: Annotated[bool, typer.Option("--one-way", help="Wait for no answer.")] = False,
    set_name: SetName = "",
    registry: Registry = None,
    lab: Lab = None,
    timeout: Seconds = 3.0,
    as_json: Json = False,
) -> int:
    """Call a function of any object, typed by a `.tars` file.

    Example: ./iec4 tars call tars.tarsregistry.QueryObj findObjectById IEC4.EchoServer.EchoObj
    """
    from pipeline import tars_commands

    reach = tars_commands.Reach(registry, lab, timeout, as_json, set_name)
    described = tars_commands.Described(idl, interface, tuple(include or ()))
    arguments = tars_commands.Arguments(tuple(values or ()), args)
    return tars_commands.call(
        target, function, arguments, described, reach, version=version, one_way=one_way
    )


@app.command("query")
def query(
    target: Object,
    set_name: SetName = "",
    registry: Registry = None,
    lab: Lab = None,
    timeout: Seconds = 3.0,
    as_json: Json = False,
) -> int:
    """Show what the registry knows of an object.

    Example: ./iec4 tars query IEC4.EchoServer.EchoObj --registry "tcp -h 10.0.0.5 -p 17890"
    """
    from pipeline import tars_commands

    reach = tars_commands.Reach(registry, lab, timeout, as_json, set_name)
    return tars_commands.query(target, reach)


@app.command("decode")
def decode(
    frames: Annotated[
        str, typer.Argument(metavar="HEX|-", help="Frames, length headers included; - is stdin.")
    ],
    idl: Idl = None,
    interface: InterfaceName = "",
    include: Include = None,
    function: Annotated[
        str, typer.Option(help="Whose answer it is, where the request is not among the frames.")
    ] = "",
    as_json: Json = False,
) -> int:
    """Say what is in frames: packets by their fields, bodies by tags or by a `.tars` file.

    Example: ./iec4 tars decode 0000001010012c30074c5c6d000c780c
    """
    from pipeline import tars_commands

    described = tars_commands.Described(idl, interface, tuple(include or ()))
    return tars_commands.decode(frames, described, function, as_json=as_json)
