"""The Kubernetes API of a lab's cluster, as the inventory's kubeconfig opens it.

lightkube speaks it; what this adds is below it, in the transport: every answer that is no
success and every broken connection becomes a `LabError`, and nothing waits without end.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import lightkube
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster as ClusterConfig
from lightkube.config.models import User
from lightkube.core.client import FieldSelector, LabelSelector
from lightkube.core.resource import GlobalResource, NamespacedResource
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret, ServiceAccount, ServiceAccountToken
from lightkube.types import on_error_stop

from lab.closing import Closing
from lab.errors import LabError, SystemDown, WaitTimeout
from lab.iec import kubeconfig
from lab.iec.kubeconfig import Access
from lab.secrets import redactor
from lab.session import Lab

#: The system's name in inventories, its endpoint there and the name of its secret.
SYSTEM = "iec"
ENDPOINT = "api"
SECRET = "kubeconfig"  # noqa: S105 - its name
#: Seconds for connecting, and for each piece of an answer.
TIMEOUT_S = 10.0
#: A watch is asked for anew after so many seconds: then it is known that the server lives.
_WATCH_S = 30.0

Resource = TypeVar("Resource", bound=NamespacedResource | GlobalResource)


class Refused(LabError):
    """The API server answered with an error.

    ``status``: the HTTP status. ``reason``: Kubernetes' word for it (``Forbidden``, ``NotFound``,
    ``TooManyRequests`` …), empty where the answer is no Status object.
    """

    def __init__(self, asked: str, status: int, body: bytes) -> None:
        self.status = status
        self.reason, message = _status(body)
        super().__init__(
            f"the API server refused {asked}",
            found=f"{status} {message}".rstrip(),
            evidence=body.decode(errors="replace"),
        )


def _status(body: bytes) -> tuple[str, str]:
    """Reason and message of a Status object; of anything else its first line."""
    try:
        found = json.loads(body)
        return str(found.get("reason", "")), str(found.get("message", ""))
    except (ValueError, AttributeError, RecursionError):
        lines = body.decode(errors="replace").splitlines()
        return "", lines[0][:200] if lines else ""


class Cluster(Closing):
    """A cluster as one user of it. Safe to use from several threads; close it.

    ``kube`` is lightkube's client; it raises `Refused` and `SystemDown` like everything here.
    """

    def __init__(self, access: Access, *, timeout: float = TIMEOUT_S) -> None:
        self.access = access
        self._tls = access.tls()
        self._transport = _Transport(self._tls, access)
        self.kube = lightkube.Client(
            # Whom to trust and whom to be is the transport's: lightkube would write the key
            # into a temporary file.
            KubeConfig.from_one(cluster=ClusterConfig(server=access.server), user=User()),
            timeout=httpx2.Timeout(timeout),
            trust_env=False,
            transport=self._transport,
        )
        self._plain = httpx2.Client(
            base_url=access.server, timeout=timeout, trust_env=False, transport=self._transport
        )

    @property
    def tls(self) -> ssl.SSLContext:
        return self._tls

    def get(self, path: str, **query: str) -> str:
        """What the API server answers at a path that is no resource (``/livez``, ``/version``)."""
        return self._plain.get(path, params=query).text

    def json(self, path: str, **query: str) -> Any:
        """As `get`, parsed; raises `LabError` for what is no JSON."""
        try:
            return json.loads(self.get(path, **query))
        except (ValueError, RecursionError) as error:
            raise LabError(
                f"the API server's {path} is not as expected", found=str(error), expected="JSON"
            ) from None

    def post(self, path: str, body: Any) -> Any:
        """Create an object of a kind, or in a version, that lightkube has no class for."""
        return self._plain.post(path, json=body).json()

    def token(self, account: str, *, namespace: str, seconds: int = 600) -> str:
        """A token for a service account; it, too, is redacted from now on.

        Asked for, or where that cannot be (kubeadm before 1.20), the one in its secret.
        """
        spec = TokenRequestSpec(audiences=[], expirationSeconds=seconds)
        asked = ServiceAccountToken(metadata=ObjectMeta(name=account), spec=spec)
        try:
            answer = self.kube.create(asked, account, namespace=namespace)
            token = str(answer.status.token if answer.status else "")
        except Refused:
            kept = self._kept_token(account, namespace)
            if kept is None:
                raise
            token = kept
        redactor.add(token)
        return token

    def _kept_token(self, account: str, namespace: str) -> str | None:
        """The token in the secret that belongs to a service account, if it has one."""
        found = self.kube.get(ServiceAccount, account, namespace=namespace)
        for reference in found.secrets or ():
            data = self.kube.get(Secret, str(reference.name), namespace=namespace).data or {}
            if "token" in data:
                return base64.b64decode(data["token"]).decode()
        return None

    def as_(self, access: Access) -> Cluster:
        """The same cluster, as another user; close that, too."""
        return Cluster(access.at(self.access.server))

    def wait(
        self,
        what: str,
        kind: type[Resource],
        until: Callable[[Sequence[Resource]], object],
        *,
        namespace: str | None = None,
        name: str | None = None,
        labels: LabelSelector | None = None,
        timeout: float = 30.0,
        seen: Callable[[Resource], object] | None = None,
    ) -> list[Resource]:
        """Watch objects until ``until(all of them)`` is true; return them, in no order.

        ``name`` or ``labels`` choose them. ``seen`` tells, of one of them, what the message of a
        `WaitTimeout` shows. Raises it after ``timeout`` seconds, `Refused`, `SystemDown`.
        """
        deadline = time.monotonic() + timeout
        fields: FieldSelector | None = {"metadata.name": name} if name else None
        found: dict[str, Resource] = {}
        for found in self._states(kind, namespace, labels, fields, deadline):
            if until(list(found.values())):
                return list(found.values())
        shown = {key: seen(one) if seen else "there" for key, one in found.items()}
        raise WaitTimeout(
            f"{what} did not happen within {timeout:g} s", found=str(shown) if shown else "none"
        )

    def _states(
        self,
        kind: type[Resource],
        namespace: str | None,
        labels: LabelSelector | None,
        fields: FieldSelector | None,
        deadline: float,
    ) -> Iterator[dict[str, Resource]]:
        """The objects by namespace/name, as they are and after each change, until ``deadline``."""
        chosen: dict[str, Any] = {"res": kind, "labels": labels, "fields": fields}
        if issubclass(kind, NamespacedResource):
            chosen["namespace"] = namespace
        while (remaining := deadline - time.monotonic()) > 0:
            listed = self.kube.list(**chosen)
            now = {_key(one): one for one in listed}
            yield now
            # Bounded on both sides: by the server, and should that be mute by what is read of it.
            lasts = min(remaining, _WATCH_S)
            with self._transport.watching(lasts), suppress(httpx2.TransportError):
                for event, one in self.kube.watch(
                    **chosen,
                    resource_version=listed.resourceVersion,
                    server_timeout=max(1, round(lasts)),
                    on_error=on_error_stop,
                ):
                    if event == "DELETED":
                        now.pop(_key(one), None)
                    else:
                        now[_key(one)] = one
                    yield now

    def close(self) -> None:
        self._plain.close()
        self.kube.close()


def _key(one: NamespacedResource | GlobalResource) -> str:
    metadata = one.metadata  # type: ignore[union-attr]
    return f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name


class _Transport(httpx2.BaseTransport):
    """Sends requests, with the user's credentials; raises `Refused` and `SystemDown`."""

    def __init__(self, tls: ssl.SSLContext, access: Access) -> None:
        self._inner = httpx2.HTTPTransport(verify=tls, trust_env=False)
        self._access = access
        self._watch = threading.local()

    @contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        """This thread's watches end after so many seconds, and with the context."""
        self._watch.deadline = time.monotonic() + seconds
        self._watch.streams = []
        try:
            yield
        finally:
            for response in self._watch.streams:
                response.close()
            del self._watch.deadline, self._watch.streams

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers.update(self._access.headers())
        if self._access.name:
            request.extensions["sni_hostname"] = self._access.name
        if request.extensions["timeout"]["read"] is None:
            return self._begin_watch(request)
        try:
            return self._successful(request)
        except httpx2.TransportError as error:
            raise unreachable(self._access.server, error) from error

    def _begin_watch(self, request: httpx2.Request) -> httpx2.Response:
        """lightkube would wait for ever, ask again for ever, and leave connections open.

        What breaks a watch is httpx2's error, which ends it: what comes after it is told by
        the list that follows.
        """
        remaining = self._watch.deadline - time.monotonic()
        if remaining <= 0:
            raise httpx2.ReadTimeout("the watch has ended", request=request)
        request.extensions["timeout"]["read"] = remaining
        response = self._successful(request)
        self._watch.streams.append(response)
        return response

    def _successful(self, request: httpx2.Request) -> httpx2.Response:
        response = self._inner.handle_request(request)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return response
        body = response.read()
        response.close()
        raise Refused(f"{request.method} {request.url.path}", response.status_code, body)

    def close(self) -> None:
        self._inner.close()


def unreachable(server: str, error: Exception) -> SystemDown:
    """The error for an API server that does not answer."""
    return SystemDown(
        f"the Kubernetes API at {server} does not answer",
        found=str(error) or type(error).__name__,
        expected="an answer of kube-apiserver, with a certificate by the kubeconfig's CA",
        advice="check that the cluster is deployed, systems.iec.endpoints.api and its kubeconfig",
    )


def open_cluster(lab: Lab, *, timeout: float = TIMEOUT_S) -> Cluster:
    """A lab's cluster, as the inventory's kubeconfig opens it, at the inventory's endpoint.

    Raises `ConfigError`, `SecretUnavailable`, `LabError`.
    """
    return Cluster(access(lab), timeout=timeout)


def access(lab: Lab) -> Access:
    """The kubeconfig's access, led to the inventory's endpoint: that is where it answers."""
    text = lab.secret(SYSTEM, SECRET)
    if text is None:
        raise LabError(
            f"lab {lab.inventory.name} says nothing of how its cluster is reached",
            expected=f"systems.{SYSTEM}.secrets.{SECRET}: file:PATH of a kubeconfig",
        )
    reference = lab.inventory.systems[SYSTEM].secrets[SECRET]
    kind, _, place = reference.partition(":")
    beside = Path(place).expanduser().parent if kind == "file" else None
    return kubeconfig.read(text, beside=beside).at(lab.url(SYSTEM, ENDPOINT))
