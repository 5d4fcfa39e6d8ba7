"""A real etcd and kube-apiserver on loopback, for tests of the client."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.iec.kubeconfig import Access, read
from lab.wait import wait_for

NEEDED = ("etcd", "kube-apiserver")


@dataclass(frozen=True)
class ApiServer:
    url: str
    kubeconfig: Path
    #: Asked as etcd's client, without Kubernetes.
    etcd: str

    @property
    def access(self) -> Access:
        return read(self.kubeconfig.read_text())


@contextmanager
def running(found: Mapping[str, Path], directory: Path) -> Iterator[ApiServer]:
    """An API server that lets the kubeconfig's user do everything; ended with the context."""
    etcd, peer, port = _free_ports(3)
    ca, ca_key = certificate("ca", None)
    server, server_key = certificate("kube-apiserver", (ca, ca_key), server=True)
    admin, admin_key = certificate("admin", (ca, ca_key), group="system:masters")
    files = {
        "ca.pem": pem(ca),
        "server.pem": pem(server),
        "server-key.pem": _key(server_key),
        "accounts-key.pem": _key(ec.generate_private_key(ec.SECP256R1())),
    }
    for name, body in files.items():
        (directory / name).write_bytes(body)
    url = f"https://127.0.0.1:{port}"
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(config(url, pem(ca), pem(admin), _key(admin_key))))
    endpoint = f"http://127.0.0.1:{etcd}"
    with ExitStack() as stack:
        stack.enter_context(
            _process(
                directory / "etcd.log",
                [
                    found["etcd"],
                    f"--data-dir={directory / 'etcd'}",
                    f"--listen-client-urls={endpoint}",
                    f"--advertise-client-urls={endpoint}",
                    f"--listen-peer-urls=http://127.0.0.1:{peer}",
                    "--unsafe-no-fsync",
                ],
            )
        )
        stack.enter_context(
            _process(
                directory / "apiserver.log",
                [
                    found["kube-apiserver"],
                    f"--etcd-servers={endpoint}",
                    "--bind-address=127.0.0.1",
                    f"--secure-port={port}",
                    f"--client-ca-file={directory / 'ca.pem'}",
                    f"--tls-cert-file={directory / 'server.pem'}",
                    f"--tls-private-key-file={directory / 'server-key.pem'}",
                    f"--service-account-key-file={directory / 'accounts-key.pem'}",
                    f"--service-account-signing-key-file={directory / 'accounts-key.pem'}",
                    f"--service-account-issuer={url}",
                    "--service-cluster-ip-range=10.96.0.0/16",
                    "--authorization-mode=Node,RBAC",
                    "--disable-admission-plugins=ServiceAccount",
                ],
            )
        )
        access = read(kubeconfig.read_text())
        with httpx2.Client(verify=access.tls(), trust_env=False) as asking:
            wait_for(
                "the API server's readiness",
                lambda: asking.get(f"{url}/readyz").is_success,
                timeout=60,
                not_yet=(httpx2.TransportError,),
                advice=f"see {directory / 'apiserver.log'}",
            )
        yield ApiServer(url, kubeconfig, endpoint)


def config(url: str, ca: bytes, client: bytes, key: bytes) -> dict[str, object]:
    """A kubeconfig as kubeadm writes one."""

    def encoded(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    cluster = {"server": url, "certificate-authority-data": encoded(ca)}
    user = {"client-certificate-data": encoded(client), "client-key-data": encoded(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tested", "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "admin@tested", "context": {"cluster": "tested", "user": "admin"}}],
        "current-context": "admin@tested",
    }


@contextmanager
def _process(log: Path, command: Sequence[str]) -> Iterator[None]:
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(
    name: str, issuer: Issuer | None, *, group: str | None = None, server: bool = False
) -> Issuer:
    """A CA where there is no issuer, else what that one signs."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    subject = x509.Name(names)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    signed = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    return signed, key


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
