"""SSH keys: an account's private key by reference, a stranger's key, a host's public key."""

from __future__ import annotations

import base64
import binascii
import hashlib
from io import StringIO

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from lab.errors import LabError
from lab.secrets import SecretUnavailable, resolve

#: A private key, or one that an SSH agent holds; opaque outside this package.
Key = paramiko.PKey


def load(reference: str) -> Key:
    """The private key that ``file:PATH``, ``env:NAME`` (PEM text) or ``agent:COMMENT`` names.

    Raises `SecretUnavailable`; the message has the reference, never a value.
    """
    kind, _, place = reference.partition(":")
    if kind == "agent":
        return _from_agent(place)
    return _parse(resolve(reference), reference)


def new() -> Key:
    """A fresh Ed25519 key that no host knows."""
    return _parse(new_private_text(), "a new key")


def new_private_text() -> str:
    """A fresh Ed25519 private key, as OpenSSH writes it, without a passphrase."""
    return (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        .decode()
    )


def public_text(private_text: str) -> str:
    """``ssh-ed25519 AAAA...`` of a private key in OpenSSH's format."""
    key = serialization.load_ssh_private_key(private_text.encode(), password=None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )


def same_public(one: str, other: str) -> bool:
    """Whether two public keys are the same, whatever comment follows them."""
    return one.split()[:2] == other.split()[:2]


def fingerprint(public: str) -> str:
    """``ssh-ed25519 SHA256:...`` of a public key, as ``ssh-keygen -l`` shows it."""
    kind, blob = public.split()[:2]
    try:
        digest = hashlib.sha256(base64.b64decode(blob, validate=True)).digest()
    except binascii.Error:
        raise LabError(
            "a host key is not a public key",
            found=f"{kind} followed by what is not base64",
            expected="'ssh-ed25519 AAAA...', as ssh-keyscan prints it",
            advice="correct the host_key in the inventory",
        ) from None
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _parse(text: str, reference: str) -> Key:
    data = text.encode() + b"\n"
    try:
        try:
            found: object = serialization.load_ssh_private_key(data, password=None)
        except ValueError:
            found = serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise _unusable(reference, "a key that needs a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(reference, "no private key in a known format") from None
    for kind, read in (
        (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key.from_private_key),
        (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey.from_private_key),
        (rsa.RSAPrivateKey, paramiko.RSAKey.from_private_key),
    ):
        if isinstance(found, kind):
            return read(StringIO(data.decode()))
    raise _unusable(reference, f"a {type(found).__name__}")


def _unusable(reference: str, found: str) -> SecretUnavailable:
    return SecretUnavailable(
        f"SSH key {reference} cannot be used",
        found=found,
        expected="an Ed25519, ECDSA or RSA private key without a passphrase",
        advice="a key with a passphrase can be held by ssh-agent and named as agent:COMMENT",
    )


def _from_agent(comment: str) -> Key:
    agent = paramiko.Agent()
    held = agent.get_keys()
    for key in held:
        if key.comment == comment:
            return key  # it keeps the agent's connection open for signing
    agent.close()
    raise SecretUnavailable(
        f"SSH key agent:{comment} cannot be used",
        found=f"an agent with {len(held)} other keys" if held else "no agent, or one without keys",
        expected=f"a key with the comment {comment!r} (ssh-add -L shows the comments)",
        advice="ssh-add the key, and run where SSH_AUTH_SOCK leads to the agent",
    )
