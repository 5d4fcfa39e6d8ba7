"""TarsJava's client calls our server, our clients call TarsJava's server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.tars.client import Address, Proxy, TarsClient
from lab.tars.echo_client import SAMPLES, Echo
from lab.tars.errors import NoSuchFunction
from lab.tars.package import PROBE_SERVER
from lab.wait import wait_for
from tests.maven import Unavailable, class_path
from tests.tars.running_echo import HOST, configuration, free_port, running_probe

# A quick start counts more than a fast run.
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
#: What tests/tars/tarsjava/Echo.java has of Echo.tars.
OFFERED = {
    "echoBool",
    "echoByte",
    "echoShort",
    "echoInt",
    "echoLong",
    "echoFloat",
    "echoDouble",
    "echoString",
    "echoInts",
    "echoStrings",
    "echoMap",
}


@pytest.fixture(scope="module")
def classes() -> str:
    try:
        return class_path(Path(__file__).parent / "tarsjava")
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def java_echo(classes: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echo]:
    place = tmp_path_factory.mktemp("java")
    address = Address(HOST, free_port())
    file = place / "server.conf"
    file.write_text(configuration("JavaServer", address, free_port(), basepath=place))
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [*JAVA, f"-Dconfig={file}", "-cp", classes, "com.qq.tars.server.startup.Main"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    name = "IEC4.JavaServer.EchoObj"

    def answers() -> bool:
        assert process.poll() is None, (place / "log").read_text()
        with TarsClient(address, timeout=1) as client:
            Proxy(client, name).ping()
        return True

    try:
        wait_for("TarsJava's answer", answers, timeout=30)
        with TarsClient(address, timeout=10) as client:
            yield Echo(client, name)
    finally:
        process.terminate()
        process.wait(10)


def test_our_client_calls_its_server(java_echo: Echo) -> None:
    called = [(function, value) for function, value in SAMPLES if function.name in OFFERED]
    assert len(called) == len(OFFERED)
    for function, value in called:
        echoed = java_echo.echo(function, value)
        assert (echoed.ret, echoed.copy) == (value, value), function.name
    with pytest.raises(NoSuchFunction):
        java_echo.client.call(java_echo.servant, "noSuch")


def test_its_client_calls_our_server(classes: str, tmp_path: Path) -> None:
    with running_probe(tmp_path) as running:
        host, port = running.address
        servant = f"IEC4.{PROBE_SERVER}.EchoObj@tcp -h {host} -p {port} -t 20000"
        done = subprocess.run(
            [*JAVA, "-cp", classes, "EchoClient", servant],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    verdicts = [line for line in done.stdout.splitlines() if line.startswith("echo")]
    assert set(verdicts) == {f"{name} same" for name in OFFERED}
