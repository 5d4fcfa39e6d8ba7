"""Every host and endpoint is tried at once, and what is found is said."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import inventory as inventories
from lab.checkup import Finding, check
from lab.host import keys
from lab.inventory import Inventory, SystemEntry
from lab.loopback import ca
from lab.session import Lab


def _findings(inventory: Inventory) -> dict[str, Finding]:
    with Lab(inventory) as lab:
        return {finding.name: finding for finding in check(lab)}


def test_hosts_that_answer(lab_inventory: Inventory):
    found = _findings(lab_inventory)

    assert list(found) == ["one", "two"]
    assert all(finding.ok and finding.kind == "host" for finding in found.values())
    assert "iec4, operator can log in, Linux" in found["one"].says
    assert found["one"].address.startswith("127.")


def test_a_dead_host_costs_its_time_out_once(lab_inventory: Inventory):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead = lab_inventory.hosts["one"].model_copy(
            update={
                "address": "127.0.0.1",
                "port": silent.getsockname()[1],
                "connect_timeout": 1.5,
            }
        )
        hosts = {"one": dead, "two": lab_inventory.hosts["two"], "three": dead, "four": dead}
        started = time.monotonic()
        found = _findings(lab_inventory.model_copy(update={"hosts": hosts}))

    assert time.monotonic() - started < 4
    assert [name for name, finding in found.items() if finding.ok] == ["two"]
    assert "no answer within 1.5 s" in found["one"].says


def test_each_trouble_of_a_host_is_told(lab_inventory: Inventory):
    one = lab_inventory.hosts["one"]
    stranger = keys.public_text(keys.new_private_text())
    nobody = one.accounts[0].model_copy(update={"name": "nobody"})
    hosts = {
        "moved": one.model_copy(update={"host_key": stranger}),
        "second": one.model_copy(update={"accounts": (one.accounts[0], nobody)}),
    }
    found = _findings(lab_inventory.model_copy(update={"hosts": hosts}))

    assert "presented another host key" in found["moved"].says
    assert "refused the account nobody" in found["second"].says


def test_what_a_template_leaves_open_is_explained():
    with Lab(inventories.load("inwinstack")) as lab:
        findings = check(lab)

    assert findings
    assert {finding.kind for finding in findings} == {"inventory", "secret"}
    assert not any(finding.ok for finding in findings)
    said = {finding.name: finding.says for finding in findings}
    assert "ssh-keyscan" in said["hosts.tars-master.host_key"]
    assert "systems.classroom.endpoints.api" in said


def test_secrets_are_looked_for_where_the_check_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IEC4_TEST_TICKET", "a-secret-ticket")
    monkeypatch.delenv("IEC4_TEST_NOTHING", raising=False)
    tars = SystemEntry(
        adopted=True,
        secrets={"ticket": "env:IEC4_TEST_TICKET", "lost": "env:IEC4_TEST_NOTHING"},
    )
    with Lab(_lab(tars=tars)) as lab:
        found = {finding.name: finding for finding in check(lab)}

    assert found["tars.ticket"].ok
    assert not found["tars.lost"].ok
    assert "IEC4_TEST_NOTHING in the environment" in found["tars.lost"].says
    assert "a-secret-ticket" not in str(found)


@contextmanager
def _serving(certificate: Path | None = None) -> Iterator[int]:
    """Python's own HTTP server, with TLS when there is a certificate."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _lab(**systems: SystemEntry) -> Inventory:
    return Inventory(name="check", kind="real", profile="lab", hosts={}, systems=systems)


def test_endpoints_that_answer(tmp_path: Path):
    ca.make(tmp_path)
    (tmp_path / "server.pem").write_bytes(b"".join(ca.issue(tmp_path, "127.0.0.1")))
    with _serving() as plain, _serving(tmp_path / "server.pem") as tls:
        found = _findings(
            _lab(
                tars=SystemEntry(
                    adopted=True,
                    endpoints={
                        "registry": f"tcp://127.0.0.1:{plain}",
                        "web": f"http://127.0.0.1:{plain}",
                    },
                ),
                classroom=SystemEntry(
                    adopted=True,
                    endpoints={"api": f"https://127.0.0.1:{tls}"},
                    ca=tmp_path / "ca.pem",
                ),
            )
        )

    assert {name: (finding.ok, finding.says) for name, finding in found.items()} == {
        "tars.registry": (True, "accepts connections"),
        "tars.web": (True, "answers HTTP 501"),
        "classroom.api": (True, "answers HTTP 501"),
    }


def test_a_certificate_of_another_ca_is_told(tmp_path: Path):
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        ca.make(tmp_path / name)
    pem = tmp_path / "server.pem"
    pem.write_bytes(b"".join(ca.issue(tmp_path / "theirs", "127.0.0.1")))
    with _serving(pem) as port:
        found = _findings(
            _lab(
                classroom=SystemEntry(
                    endpoints={"api": f"https://127.0.0.1:{port}"}, ca=tmp_path / "ours" / "ca.pem"
                )
            )
        )

    assert not found["classroom.api"].ok
    assert "certificate is not trusted" in found["classroom.api"].says


def test_an_endpoint_that_nobody_serves_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    found = _findings(_lab(classroom=SystemEntry(endpoints={"api": f"https://127.0.0.1:{port}"})))

    assert (found["classroom.api"].ok, found["classroom.api"].says) == (False, "Connection refused")
