"""``./iec4 tars`` as a person meets it: a platform, a servant, frames, and what goes wrong."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.tars.errors import NoSuchFunction
from lab.tars.packets import answer
from pipeline.cli import main
from tests.tars.running_echo import free_port
from tests.tars.scripted_server import ScriptedServer
from tests.tars_master.platforms import Platform, echo_object

Iec4 = Callable[..., subprocess.CompletedProcess[str]]

OBJECT = echo_object("IEC4")
QUERY = "tars.tarsregistry.QueryObj"
REPOSITORY = Path(__file__).parents[2]
ECHO_FILE = str(REPOSITORY / "lab" / "tars" / "echo" / "Echo.tars")
RECORDED = REPOSITORY / "fixtures" / "recordings" / "tars" / "packets"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A platform with the echo servant; the options that find its registry."""
    platform = Platform(tmp_path_factory.mktemp("platform"))
    try:
        platform.start_master()
        platform.start_node()
        platform.deploy("IEC4")
        yield "tcp -h {} -p {}".format(*platform.registry)
    finally:
        platform.close()


@pytest.fixture
def iec4(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iec4:
    """The command line in this process: twenty times as quick as one of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        code = main(list(arguments))
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def at(server: ScriptedServer) -> str:
    return "A.B.C@tcp -h {} -p {}".format(*server.address)


def test_ping_shows_each_endpoint_and_how_long_it_took(iec4: Iec4, registry: str) -> None:
    shown = iec4("tars", "ping", OBJECT, "--registry", registry)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("tcp -h 127.")
    assert shown.stdout.rstrip().endswith(" ms")
    (result,) = json.loads(iec4("tars", "ping", OBJECT, "--registry", registry, "--json").stdout)
    assert result["object"] == OBJECT
    assert 0 < result["ms"] < 3000


def test_ping_tries_every_endpoint_that_is_given(iec4: Iec4, scripted: ScriptedServer) -> None:
    scripted.handle = lambda connection, call: connection.sendall(answer(call).to_frame())
    dead = f"tcp -h 127.0.0.1 -p {free_port()}"
    done = iec4("tars", "ping", f"{at(scripted)}:{dead}")
    assert done.returncode == 3
    alive, gone = done.stdout.splitlines()
    assert alive.endswith(" ms")
    assert gone.startswith(dead)
    assert "Connection refused" in gone


def test_call_types_arguments_and_results(iec4: Iec4, registry: str) -> None:
    for arguments, result in (
        (["repeat", "ab", "2"], {"ret": 2, "repeated": "abab", "parts": ["ab", "ab"]}),
        (["repeat", "--args", '{"text": "5", "times": 1}'],
         {"ret": 1, "repeated": "5", "parts": ["5"]}),
        (["echoString", "--args", "[\"é\"]"], {"ret": "é", "copy": "é"}),
        (["echoInt", "-5", "--idl", ECHO_FILE, "--interface", "Echo"], {"ret": -5, "copy": -5}),
        (["echoColor", "BLUE"], {"ret": "BLUE", "copy": "BLUE"}),
        (["echoBytes", '{"hex": "00ff"}'], {"ret": {"hex": "00ff"}, "copy": {"hex": "00ff"}}),
        (["pause", "1"], None),
        (["pause", "1", "--one-way"], None),
    ):  # fmt: skip
        done = iec4("tars", "call", OBJECT, *arguments, "--registry", registry)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == result
    done = iec4("tars", "call", QUERY, "findObjectById", OBJECT, "--registry", registry)
    assert json.loads(done.stdout)[0]["istcp"] == 1


def test_the_registry_of_a_lab_is_found_by_its_inventory(
    iec4: Iec4, registry: str, tmp_path: Path
) -> None:
    place = registry.split()
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nkind: real\nprofile: lab\nhosts: {}\nsystems:\n  tars:\n    adopted: true\n"
        f"    endpoints: {{registry: 'tcp://{place[2]}:{place[4]}', web: 'http://127.0.0.1:1'}}\n"
    )
    done = iec4("tars", "ping", OBJECT, "--lab", "mine.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tcp -h 127.")


def test_query_shows_what_the_registry_knows(iec4: Iec4, registry: str) -> None:
    shown = iec4("tars", "query", OBJECT, "--registry", registry)
    assert shown.returncode == 0, shown.stderr
    heading, endpoint = shown.stdout.splitlines()
    assert heading.split() == ["STATE", "ENDPOINT", "NODE", "SET", "WEIGHT"]
    assert endpoint.startswith("active    tcp -h 127.")
    known = json.loads(iec4("tars", "query", OBJECT, "--registry", registry, "--json").stdout)
    assert (known["ret"], known["inactive"]) == (0, [])
    assert known["active"][0]["nodeName"] == known["active"][0]["host"]
    place = registry.split()
    unknown = iec4("tars", "query", "No.Such.Obj", "--registry", f"{place[2]}:{place[4]}")
    assert unknown.returncode == 3
    assert "the registry knows no endpoint of No.Such.Obj" in unknown.stderr


def test_a_failed_call_is_told_with_its_iret(iec4: Iec4, scripted: ScriptedServer) -> None:
    scripted.handle = lambda connection, call: connection.sendall(
        answer(call, ret=-3, result_desc="no such thing").to_frame()
    )
    arguments = ["tars", "call", at(scripted), "echoInt", "1", "--idl", ECHO_FILE]
    done = iec4(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "iRet -3 TARSSERVERNOFUNCERR no such thing" in done.stderr
    told = json.loads(iec4(*arguments, "--json").stdout)
    assert (told["error"], told["ret"]) == (NoSuchFunction.__name__, -3)


def test_what_is_not_there_is_told_as_that(iec4: Iec4, scripted: ScriptedServer) -> None:
    silent = iec4(
        *("tars", "call", at(scripted), "echoInt", "1"),
        *("--idl", ECHO_FILE, "--timeout", "0.2"),
    )
    assert silent.returncode == 3
    assert "did not answer" in silent.stderr
    nobody = iec4("tars", "query", OBJECT, "--registry", f"127.0.0.1:{free_port()}")
    assert nobody.returncode == 3
    assert "Connection refused" in nobody.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["call", "A.B.C", "f"], "the interface of A.B.C is not known; give its file by --idl"),
        (["call", OBJECT, "ecoInt", "1"], "has no function ecoInt; did you mean echoInt"),
        (["call", OBJECT, "echoInt"], "missing a required argument: 'value'; int echoInt(int va"),
        (["call", OBJECT, "echoInt", "x"], "value: found 'x', expected int; expected: int echoInt"),
        (["call", OBJECT, "echoInt", "1", "2"], "too many positional arguments"),
        (["call", OBJECT, "echoInt", "1", "--tmeout", "5"], "no such option: --tmeout"),
        (["call", OBJECT, "echoInt", "1", "--args", "[1]"], "one by one or by --args, not both"),
        (["call", OBJECT, "echoInt", "--args", "{"], "--args is no JSON"),
        (["call", OBJECT, "echoInt", "--args", "7"], "--args is neither a JSON object nor a list"),
        (["call", OBJECT, "echoInt", "1", "--version", "tux"], "unknown version 'tux'; did you"),
        (["call", OBJECT, "echoInt", "1", "--interface", "Eco"], "interface Eco is not defined"),
        (["call", "A.B.C", "f", "--idl", "no.tars"], "no.tars:1:1: a file cannot be read; found:"),
        (["call", "A.B.C@tcp 1.2.3.4", "f"], "is no endpoint; found: no tcp -h HOST -p PORT"),
        (["query", "A.B.C@tcp -h 1.2.3.4 -p 5"], "names its endpoints; ask for A.B.C alone"),
        (["ping", "A.B.C", "--registry", "somewhere"], "'somewhere' is no endpoint"),
        (["ping", "A.B.C"], "start one with ./iec4 lab up"),
        (["decode", "xyz"], "this is no hex"),
        (["decode", "-"], "there is nothing to decode"),
        (["decode", "0000001010"], "the last frame is cut short; found: 5 bytes; expected: 16"),
        (["decode", "47455420"], "length header is out of bounds; found: 1195725856 bytes"),
        (["decode", "000000050c"], "a frame is no Tars packet; found: tags [0]"),
        (["decode", "0000000b1902400000000c"], "a length that cannot be; found: 1073741824"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_gets_one_line(iec4: Iec4, arguments: list[str], says: str) -> None:
    done = iec4("tars", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert says in done.stderr


def recorded(file: str, name: str) -> str:
    """The frames of an exchange, in hex, one after the other."""
    with (RECORDED / f"{file}.jsonl").open() as lines:
        for exchange in map(json.loads, lines):
            if exchange["name"] == name:
                return (exchange["request_hex"] or "") + (exchange["response_hex"] or "")
    raise AssertionError(name)


def test_decode_shows_packets_by_fields_and_bodies_by_tags(iec4: Iec4) -> None:
    shown = iec4("tars", "decode", recorded("tarscpp_types", "outs")).stdout
    for line in (
        "request\n",
        "  servant       Demo.EchoServer.EchoObj\n",
        '  body\n    1 int1 3\n    3 string1 "ab"\nresponse\n',
        "  ret           0\n",
        "    5 list (3)\n      0 zero 0\n      0 int1 1\n      0 int1 2\n",
    ):
        assert line in shown


def test_decode_types_bodies_by_a_file_and_answers_by_their_ids(iec4: Iec4) -> None:
    demo = str(REPOSITORY / "tests" / "tars" / "idl" / "Demo.tars")
    done = iec4(*("tars", "decode", recorded("tarscpp_types", "outs"), "--json"), *("--idl", demo))
    request, response = json.loads(done.stdout)
    assert request["arguments"] == {"a": 3, "c": "ab"}
    assert response["results"] == {"ret": 7, "b": 4, "d": "abab", "e": [0, 1, 2]}
    alone = recorded("tarscpp_types", "outs")[2 * 0x3A :]  # the request has 58 bytes
    known = ["tars", "decode", alone, "--json", "--idl", demo, "--function", "outs"]
    assert json.loads(iec4(*known).stdout) == [{**response, "function": "outs"}]


def test_decode_knows_tars_own_objects_pushes_tup_and_json(iec4: Iec4) -> None:
    asked, found = json.loads(
        iec4("tars", "decode", recorded("queryf_full", "active.findObjectById"), "--json").stdout
    )
    assert asked["arguments"] == {"id": "Demo.EchoServer.EchoObj"}
    assert [one["port"] for one in found["results"]["ret"]] == [19101, 19111]
    with (RECORDED / "adminreg_commands_push_capture.jsonl").open() as lines:
        pushes = (one["response_hex"] for one in map(json.loads, lines) if not one["request_hex"])
        (push,) = json.loads(iec4("tars", "decode", next(pushes), "--json").stdout)
    assert push["packet"] == "push"
    assert push["results"]["nodeName"] == "127.0.0.1"
    tup = json.loads(
        iec4("tars", "decode", recorded("tarscpp_tup_json", "tup3_outs"), "--json").stdout
    )
    assert [(one["packet"], one["version"]) for one in tup] == [
        ("request", "TUP"),
        ("response", "TUP"),
    ]
    by_json = json.loads(
        iec4("tars", "decode", recorded("tarscpp_tup_json", "json_ping0"), "--json").stdout
    )
    assert by_json[1]["body"] == {"tars_ret": 1}


def test_decode_reads_what_is_piped(tmp_path: Path) -> None:
    spaced = " ".join(recorded("tarscpp_types", "tars_ping")[n : n + 2] for n in range(0, 112, 2))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "tars", "decode", "-"],
        input=spaced,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=True,
    )
    assert "function      tars_ping" in done.stdout


def test_an_interruption_ends_it_without_a_trace(scripted: ScriptedServer, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "pipeline", "tars", "call", at(scripted), "echoInt", "1"),
            *("--idl", ECHO_FILE, "--timeout", "60"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "IEC4_CACHE": str(tmp_path)},
    )
    scripted.requests.get(timeout=60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
