"""A kubeconfig, read for one purpose: how its current context reaches and convinces its cluster.

The file's form: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from blueprints.config import constructed
from lab.errors import LabError
from lab.secrets import redactor

_ADVICE = "check systems.iec.secrets.kubeconfig in the inventory"


@dataclass(frozen=True)
class Access:
    """A server with what is presented to it: certificates and key in PEM, or a token.

    ``ca`` None: the machine's own CAs vouch for the server. ``name``: what its certificate is
    for, where that is not the host in ``server``.
    """

    server: str
    ca: str | None = None
    name: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def at(self, server: str) -> Access:
        """The same cluster, reached at another address."""
        return replace(self, server=server.rstrip("/"))

    def anonymous(self) -> Access:
        """The same cluster, as nobody."""
        return replace(self, certificate=None, key=None, token=None)

    def trusting(self, ca: str) -> Access:
        """The same, but of servers with a certificate by this CA (PEM)."""
        return replace(self, ca=ca)

    def with_token(self, token: str) -> Access:
        """The same cluster, as the service account that ``token`` is for."""
        redactor.add(token)
        return replace(self.anonymous(), token=token)

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the cluster's CA alone, and presents the certificate.

        Raises `LabError` for what is no certificate or no key of it.
        """
        try:
            context = ssl.create_default_context(cadata=self.ca)
            if self.certificate and self.key:
                _present(context, self.certificate, self.key)
        except (ssl.SSLError, ValueError) as error:
            raise LabError(
                "the kubeconfig's certificates cannot be used",
                found=type(error).__name__,  # OpenSSL's own words may quote what it read
                expected="a CA, a certificate and its key, in PEM",
                advice=_ADVICE,
            ) from None
        return context

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def _present(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Have a context present a certificate. ssl reads files only; this one is memory's."""
    descriptor = os.memfd_create("client")
    try:
        with open(descriptor, "w", closefd=False) as file:
            file.write(f"{certificate}\n{key}\n")
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


#: What YAML raises for a text that is none, and taking apart one that is no kubeconfig.
_UNREADABLE = (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError)


def read(text: str, *, beside: Path | None = None) -> Access:
    """The access that a kubeconfig's current context gives.

    ``beside``: the directory that relative paths in it start from. Raises `LabError` naming
    what is missing, never a value. Its keys and tokens are redacted from now on.
    """
    try:
        config = constructed(text)
        named = {
            kind: {entry["name"]: entry[one] for entry in config.get(kind) or ()}
            for kind, one in (("clusters", "cluster"), ("users", "user"), ("contexts", "context"))
        }
        context = named["contexts"][config["current-context"]]
        cluster, user = named["clusters"][context["cluster"]], named["users"][context["user"]]
        server = cluster["server"].rstrip("/")
        token = user.get("token")
        if not isinstance(token, str | None):
            raise TypeError
    except (yaml.YAMLError, *_UNREADABLE) as error:
        missing = error.args[0] if isinstance(error, KeyError) else "no kubeconfig"
        raise LabError(
            "the kubeconfig cannot be read",
            found=f"missing or malformed: {missing}",
            expected="clusters, users, contexts and a current-context that leads to one of each",
            advice=_ADVICE,
        ) from None
    for unsupported in ("exec", "auth-provider", "username"):
        if unsupported in user:
            raise LabError(
                f"the kubeconfig's user logs in by {unsupported}",
                expected="client-certificate-data and client-key-data, or a token",
                advice="make a kubeconfig for the suite: kubeadm kubeconfig user, or the token of "
                "a service account",
            )
    if cluster.get("insecure-skip-tls-verify"):
        raise LabError(
            "the kubeconfig does not verify the server",
            expected="certificate-authority-data",
            advice=_ADVICE,
        )
    key = _data(user, "client-key", beside)
    token = token or _data(user, "tokenFile", beside)
    for secret in filter(None, (key, token, user.get("client-key-data"))):
        redactor.add(secret.strip())
    return Access(
        server=server,
        ca=_data(cluster, "certificate-authority", beside),
        name=cluster.get("tls-server-name"),
        certificate=_data(user, "client-certificate", beside),
        key=key,
        token=token.strip() if token else None,
    )


def _data(entry: Mapping[str, Any], name: str, beside: Path | None) -> str | None:
    """What stands in ``NAME-data``, in base64, or in the file that ``NAME`` is the path of."""
    try:
        if f"{name}-data" in entry:
            return base64.b64decode(entry[f"{name}-data"], validate=True).decode()
        if name in entry:
            return Path(beside or "", entry[name]).read_text()
    except (TypeError, ValueError, OSError) as error:  # base64's and UTF-8's are ValueErrors
        raise LabError(
            f"the kubeconfig's {name} cannot be read",
            found=getattr(error, "strerror", None) or "no base64 of text",
            advice=_ADVICE,
        ) from None
    return None
