"""Keys and certificates of a cluster, made anew at each start, and kubeconfigs of them.

Who is what: https://kubernetes.io/docs/setup/best-practices/certificates/.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = datetime.timedelta(days=365)
#: Clocks of clients may be a little behind.
_BEFORE = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """The cluster's CA; what it issues lies in ``directory``, which only we may enter."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("iec4-embedded-ca")
        builder = _builder(self._name, self._key.public_key(), self._name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_usage(signs_certificates=True), True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pair = self._write("ca", self._certificate, self._key)

    def server(
        self,
        name: str,
        user: str,
        addresses: Sequence[str],
        *,
        lifetime: datetime.timedelta = _LIFETIME,
    ) -> Pair:
        """A server's pair; ``addresses``: the DNS names and IP addresses that it has."""
        alternatives = x509.SubjectAlternativeName([_general(one) for one in addresses])
        return self._issue(
            name, _name(user), ExtendedKeyUsageOID.SERVER_AUTH, alternatives, lifetime
        )

    def client(self, name: str, user: str, group: str | None = None) -> Pair:
        """The pair of a client: Kubernetes takes the common name for its user."""
        return self._issue(name, _name(user, group), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def key(self, name: str) -> Path:
        """A key without a certificate, as tokens of service accounts are signed with."""
        place = self._directory / f"{name}.key"
        _write_secret(place, _pem(ec.generate_private_key(ec.SECP256R1())))
        return place

    def kubeconfig(self, name: str, pair: Pair, server: str) -> Path:
        """A kubeconfig with everything in it; ``server`` is the API's URL."""
        place = self._directory / f"{name}.conf"
        _write_secret(place, self.kubeconfig_text(name, pair, server))
        return place

    def kubeconfig_text(self, name: str, pair: Pair, server: str) -> bytes:
        cluster = {"server": server, "certificate-authority-data": _data(self.pair.certificate)}
        user = {
            "client-certificate-data": _data(pair.certificate),
            "client-key-data": _data(pair.key),
        }
        # JSON is YAML, too.
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "embedded", "cluster": cluster}],
                "users": [{"name": name, "user": user}],
                "contexts": [{"name": name, "context": {"cluster": "embedded", "user": name}}],
                "current-context": name,
            }
        ).encode()

    def _issue(
        self,
        name: str,
        subject: x509.Name,
        purpose: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
        lifetime: datetime.timedelta = _LIFETIME,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, key.public_key(), self._name, lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(_usage(signs_certificates=False), True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        if alternatives is not None:
            builder = builder.add_extension(alternatives, False)
        return self._write(name, builder.sign(self._key, hashes.SHA256()), key)

    def _write(
        self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> Pair:
        pair = Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_secret(pair.key, _pem(key))
        return pair


def _name(user: str, group: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group is not None:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    lifetime: datetime.timedelta = _LIFETIME,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    return builder.not_valid_before(now - _BEFORE).not_valid_after(now + lifetime)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The form that Go's tools write for such keys; all of Kubernetes reads it.
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _data(place: Path) -> str:
    return base64.b64encode(place.read_bytes()).decode()


def _write_secret(place: Path, content: bytes) -> None:
    place.touch(mode=0o600)
    place.write_bytes(content)
