"""What vouches for a bundle: an in-toto Statement in a DSSE envelope, signed with Ed25519.

Statement v1 with the test-result predicate v0.1 (in-toto/attestation, spec/), envelope and
its pre-authentication encoding as DSSE v1 (secure-systems-lab/dsse, protocol.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from blueprints.documents import parse_json
from blueprints.errors import ConfigError, Unacceptable

#: The attestation's name in a bundle, beside ``results/``, where the UI does not look.
ATTESTATION = "attestation.dsse.json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def statement(files: Mapping[str, bytes], predicate: dict[str, Any]) -> dict[str, Any]:
    """A Statement about ``files`` (name → content)."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}
            for name, data in sorted(files.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }


def sign(content: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    """The DSSE envelope of a Statement, as JSON."""
    payload = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    signature = key.sign(_encoded(payload))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}
        ],
    }
    return json.dumps(envelope, indent=2).encode() + b"\n"


def verified(envelope: bytes, key: Ed25519PublicKey) -> dict[str, Any]:
    """The Statement of an envelope that ``key`` signed. Raises `Unacceptable`."""
    data = parse_json(envelope)
    try:
        payload = base64.b64decode(data["payload"], validate=True)
        signatures = [base64.b64decode(s["sig"], validate=True) for s in data["signatures"]]
        payload_type = data["payloadType"]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Unacceptable("the attestation is no DSSE envelope") from None
    if payload_type != PAYLOAD_TYPE:
        raise Unacceptable(f"the attestation's payload is {payload_type!r}, not {PAYLOAD_TYPE}")
    if not any(_fits(key, signature, payload) for signature in signatures):
        raise Unacceptable(f"no signature of the attestation is by key {key_id(key)}")
    content = parse_json(payload)
    if not isinstance(content, dict) or content.get("_type") != STATEMENT_TYPE:
        raise Unacceptable("the attestation holds no in-toto Statement")
    if content.get("predicateType") != PREDICATE_TYPE:
        raise Unacceptable(f"the attestation is no test result: {content.get('predicateType')!r}")
    return content


def mismatches(content: dict[str, Any], files: Mapping[str, bytes]) -> list[str]:
    """How ``files`` differ from those that a Statement is about, one sentence each."""
    try:
        attested = {s["name"]: s["digest"]["sha256"] for s in content["subject"]}
    except (KeyError, TypeError):
        return ["the Statement's subjects have no name or no SHA-256"]
    found = [f"{name} is missing" for name in sorted(attested.keys() - files.keys())]
    found += [f"{name} is not attested" for name in sorted(files.keys() - attested.keys())]
    found += [
        f"{name} was changed"
        for name in sorted(attested.keys() & files.keys())
        if hashlib.sha256(files[name]).hexdigest() != attested[name]
    ]
    return found


def _fits(key: Ed25519PublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, _encoded(payload))
    except InvalidSignature:
        return False
    return True


def _encoded(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key (SubjectPublicKeyInfo, DER), hexadecimal."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def private_key(pem: str) -> Ed25519PrivateKey:
    """A signing key from its PEM text; raises `ConfigError`, which shows nothing of it."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(
            "the signing key cannot be read; expected an unencrypted PKCS #8 PEM "
            "(openssl genpkey -algorithm ed25519)"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"the signing key is {type(key).__name__}, expected Ed25519")
    return key


def public_key(pem: bytes) -> Ed25519PublicKey:
    """A public key from its PEM text; raises `ConfigError`."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("the public key cannot be read; expected a PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"the public key is {type(key).__name__}, expected Ed25519")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
