"""A mutating admission webhook that acts out one fault of `rewriting`.

    python3 admission.py FAULT PORT CERTIFICATE KEY

Where the suite's packages are not, it runs beside ``rewriting.py``: both are all standard library.
Protocol: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

try:
    from lab.iec.rewriting import REWRITINGS, Object, rewrite
except ImportError:  # as two files
    from rewriting import REWRITINGS, Object, rewrite  # type: ignore[import-not-found,no-redef]

HOST = "127.0.0.1"
_GROUPS = [
    "", "apps", "batch", "policy", "discovery.k8s.io", "networking.k8s.io",
    "crd.projectcalico.org",
]  # fmt: skip
#: The suite's mark on its namespaces: no other's are touched.
_MARK = "iec4.run"
_PATIENCE_S = 5
_NAME = "iec4-fault.iec4.run"


def configuration(fault: str, port: int, certificate: bytes) -> Object:
    """The MutatingWebhookConfiguration by which the API server asks the webhook at ``port``.

    ``certificate``: in PEM, of the authority that vouches for the webhook's.
    """
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": fault},
        "webhooks": [
            {
                "name": _NAME,
                "clientConfig": {
                    "url": f"https://{HOST}:{port}/",
                    "caBundle": base64.b64encode(certificate).decode(),
                },
                "rules": [
                    {
                        "operations": ["CREATE", "UPDATE"],
                        "apiGroups": _GROUPS,
                        "apiVersions": ["*"],
                        "resources": [*REWRITINGS[fault].resources],
                    }
                ],
                "namespaceSelector": {"matchExpressions": [{"key": _MARK, "operator": "Exists"}]},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": _PATIENCE_S,
            }
        ],
    }


def answer(review: Object, fault: str) -> Object:
    """The AdmissionReview that answers one: allowed, with what the fault makes of the object."""
    request = review["request"]
    response: Object = {"uid": request["uid"], "allowed": True}
    changed = rewrite(fault, request)
    patch = [
        {"op": "add", "path": f"/{part}", "value": value}  # in place of one that is there
        for part, value in changed.items()
        if value != request["object"].get(part)
    ]
    if patch:
        encoded = base64.b64encode(json.dumps(patch).encode()).decode()
        response |= {"patchType": "JSONPatch", "patch": encoded}
    return {key: review[key] for key in ("apiVersion", "kind")} | {"response": response}


class Webhook(ThreadingHTTPServer):
    """Answers on the loopback address; run `serve_forever`, and `shutdown` from elsewhere."""

    daemon_threads = True

    def __init__(self, fault: str, port: int, certificate: str, key: str) -> None:
        self.fault = fault
        super().__init__((HOST, port), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        # Hands are shaken where the request is read: in its own thread, with its own time-out.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Webhook
    timeout = 60.0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answered = json.dumps(answer(json.loads(body), self.server.fault)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answered)))
        self.end_headers()
        self.wfile.write(answered)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Requests are not logged."""


if __name__ == "__main__":
    name, at, *pair = sys.argv[1:]
    Webhook(name, int(at), *pair).serve_forever()
