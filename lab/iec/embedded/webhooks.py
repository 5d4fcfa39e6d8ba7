"""Faults that a webhook acts out (`lab.iec.admission`), in the embedded cluster."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from lab.iec.admission import HOST, Webhook, configuration
from lab.iec.embedded.api import Api, Object
from lab.iec.embedded.pki import Authority
from lab.iec.rewriting import KEPT

_COLLECTION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_POLICIES = "/apis/networking.k8s.io/v1"


@dataclass(frozen=True)
class Running:
    """A webhook that answers, its thread, and where its keys lie."""

    fault: str
    webhook: Webhook
    thread: threading.Thread
    pki: Path


async def begin(api: Api, fault: str, files: Path) -> Running:
    """Have the API server ask a webhook of ours; its keys lie below ``files``."""
    pki = files / fault
    authority = Authority(pki)
    pair = authority.server("webhook", "webhook", [HOST])
    webhook = Webhook(fault, 0, str(pair.certificate), str(pair.key))
    thread = threading.Thread(target=webhook.serve_forever, name=fault, daemon=True)
    thread.start()
    port = webhook.server_address[1]
    vouching = authority.pair.certificate.read_bytes()
    await api.create(_COLLECTION, configuration(fault, port, vouching))
    return Running(fault, webhook, thread, pki)


async def end(api: Api, running: Running) -> None:
    """Have it asked no more, and let go what it held."""
    await api.delete(f"{_COLLECTION}/{running.fault}")
    running.webhook.shutdown()
    running.webhook.server_close()
    running.thread.join()
    shutil.rmtree(running.pki)
    for policy in (await api.get(f"{_POLICIES}/networkpolicies"))["items"]:
        if KEPT in policy["metadata"].get("finalizers", ()):
            await _let_go(api, policy)


async def _let_go(api: Api, policy: Object) -> None:
    meta = policy["metadata"]
    path = f"{_POLICIES}/namespaces/{meta['namespace']}/networkpolicies/{meta['name']}"
    await api.merge(path, {"metadata": {"finalizers": None}})
