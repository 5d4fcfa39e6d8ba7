"""A CA and a server certificate of its own, and a server that replays recorded exchanges."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.classroom.recordings import Exchange


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: the CA's certificate; a server's certificate and its key."""

    ca: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_tls_files(directory: Path, *addresses: str) -> TlsFiles:
    """A new CA, and a certificate of it for numeric addresses."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(subject: str, public: Any, *, is_ca: bool, names: list[Any]) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("test CA"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    files = TlsFiles(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    files.ca.write_bytes(certificate("test CA", ca_key.public_key(), is_ca=True, names=[]))
    names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    files.certificate.write_bytes(
        certificate("test server", key.public_key(), is_ca=False, names=names)
    )
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


class ReplayServer:
    """Answers each HTTPS request with the next of its exchanges, byte by byte as recorded.

    ``requests`` are the (method, path, headers, JSON body) that came.
    """

    def __init__(self, tls: TlsFiles) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self._answers: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._context = tls.server_context()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def will_answer(self, *exchanges: Exchange | bytes) -> None:
        self._answers += [e if isinstance(e, bytes) else e.response_bytes() for e in exchanges]

    def _serve(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:  # closed: the test is over
                return
            raw.settimeout(10)
            try:
                with self._context.wrap_socket(raw, server_side=True) as stream:
                    self._talk(stream)
            except OSError:  # a client that refuses the certificate or goes away
                continue

    def _talk(self, stream: ssl.SSLSocket) -> None:
        with stream.makefile("rwb") as file:
            while line := file.readline():
                method, path, _ = line.decode().split()
                headers = {}
                while (header := file.readline().strip()) != b"":
                    key, _, value = header.decode().partition(":")
                    headers[key.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", 0)))
                self.requests.append((method, path, headers, json.loads(body) if body else None))
                answer = self._answers.pop(0) if self._answers else b""
                file.write(answer)
                file.flush()
                if not answer or b"\r\nconnection: close" in answer.partition(b"\r\n\r\n")[0]:
                    return

    def close(self) -> None:
        if self._thread.is_alive():
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join(5)
            self._listener.close()
