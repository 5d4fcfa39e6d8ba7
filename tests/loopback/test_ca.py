"""Certificates of a lab's CA convince strict clients: Python's ssl, and openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from lab.loopback import ca


@pytest.fixture
def issued(tmp_path: Path) -> Path:
    ca.make(tmp_path)
    certificate, key = ca.issue(tmp_path, "127.9.8.7")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    return tmp_path


def _handshake(directory: Path, name: str) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "server.pem")
    client = ssl.create_default_context(cafile=directory / ca.CERTIFICATE)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue


def test_a_strict_client_trusts_it(issued: Path):
    _handshake(issued, "127.9.8.7")


def test_it_is_not_trusted_for_another_address(issued: Path):
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        _handshake(issued, "127.9.8.8")


def test_openssl_verifies_it(issued: Path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    argv = [openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca.CERTIFICATE]

    done = subprocess.run(
        [*argv, "server.pem"], cwd=issued, capture_output=True, text=True, timeout=10, check=False
    )

    assert done.stdout == "server.pem: OK\n", done.stderr
