"""etcd, the API server, the controller manager and the scheduler: how they are configured.

Flags and files: https://kubernetes.io/docs/reference/command-line-tools-reference/. What differs
from a plain cluster, and why: secrets lie encrypted in etcd; there is an audit log; who is nobody
may ask whether the API is healthy, and nothing else (a plain one tells its version).
"""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any

from lab.iec.embedded.pki import Authority
from lab.iec.embedded.plan import API_PORT, LOOPBACK, SERVICES, Plan, service_address
from lab.iec.embedded.program import Program

_ETCD = f"http://{LOOPBACK}:2379"
_ETCD_PEER = f"http://{LOOPBACK}:2380"
API_URL = f"https://{LOOPBACK}:{API_PORT}"

_ANONYMOUS_PATHS = ("/livez", "/readyz", "/healthz")
_ISSUER = "https://kubernetes.default.svc.cluster.local"

#: Garbage is collected at little growth: on a lab, memory is scarcer than time.
_THRIFTY = {"GOGC": "50"}


def control_plane(plan: Plan, authority: Authority, files: Path) -> dict[str, Program]:
    """The programs by name; ``files``: a directory for their configuration, which it makes."""
    files.mkdir(mode=0o700)
    admin = authority.client("admin", "kubernetes-admin", "system:masters")
    authority.kubeconfig("admin", admin, API_URL)
    for name in ("kube-controller-manager", "kube-scheduler"):
        authority.kubeconfig(name, authority.client(name, f"system:{name}"), API_URL)
    argvs = {
        "etcd": _etcd(plan),
        "kube-apiserver": _api_server(plan, authority, files),
        "kube-controller-manager": _controller_manager(plan, authority),
        "kube-scheduler": _scheduler(plan, authority),
    }
    return {
        name: Program(name, [plan.binary(name), *argv], plan.log(name), _THRIFTY)
        for name, argv in argvs.items()
    }


def _flags(**flags: object) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]


def _etcd(plan: Plan) -> list[str]:
    # What it keeps goes with the lab: nothing is gained by waiting for the disk.
    return _flags(
        data_dir=plan.home / "etcd",
        listen_client_urls=_ETCD,
        advertise_client_urls=_ETCD,
        listen_peer_urls=_ETCD_PEER,
        initial_advertise_peer_urls=_ETCD_PEER,
        initial_cluster=f"default={_ETCD_PEER}",
        unsafe_no_fsync="true",
        log_level="warn",
    )


def _api_server(plan: Plan, authority: Authority, files: Path) -> list[str]:
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names += ["kubernetes.default.svc.cluster.local", "localhost"]
    addresses = [LOOPBACK, str(plan.gateway), str(service_address()), plan.outside]
    server = authority.server("apiserver", "kube-apiserver", [*names, *addresses])
    to_kubelets = authority.client("apiserver-kubelet-client", "kube-apiserver-kubelet-client")
    accounts = authority.key("service-accounts")
    return _flags(
        etcd_servers=_ETCD,
        bind_address="0.0.0.0",  # noqa: S104  all of a network that nobody else is in
        advertise_address=plan.gateway,
        secure_port=API_PORT,
        tls_cert_file=server.certificate,
        tls_private_key_file=server.key,
        client_ca_file=authority.pair.certificate,
        requestheader_client_ca_file=authority.pair.certificate,
        requestheader_allowed_names="front-proxy-client",
        kubelet_client_certificate=to_kubelets.certificate,
        kubelet_client_key=to_kubelets.key,
        kubelet_certificate_authority=authority.pair.certificate,
        kubelet_preferred_address_types="InternalIP",
        service_account_key_file=accounts,
        service_account_signing_key_file=accounts,
        service_account_issuer=_ISSUER,
        service_cluster_ip_range=SERVICES,
        authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction",
        allow_privileged="true",
        authentication_config=_write(files / "authentication.json", _authentication()),
        encryption_provider_config=_write(files / "encryption.json", _encryption()),
        audit_policy_file=_write(files / "audit-policy.json", _audit_policy()),
        audit_log_path=plan.log("audit"),
        # Websockets go to the node agent as they come: it does not speak what they would be
        # translated to (SPDY).
        feature_gates="TranslateStreamCloseWebsocketRequests=false",
        profiling="false",
    )


def _controller_manager(plan: Plan, authority: Authority) -> list[str]:
    return [
        *_client(plan, "kube-controller-manager"),
        *_flags(
            service_account_private_key_file=plan.pki / "service-accounts.key",
            root_ca_file=authority.pair.certificate,
            cluster_signing_cert_file=authority.pair.certificate,
            cluster_signing_key_file=authority.pair.key,
            use_service_account_credentials="true",
        ),
    ]


def _scheduler(plan: Plan, authority: Authority) -> list[str]:
    del authority
    return _client(plan, "kube-scheduler")


def _client(plan: Plan, name: str) -> list[str]:
    """How a component reaches the API, and answers when it is asked for its health."""
    kubeconfig = plan.pki / f"{name}.conf"
    return _flags(
        kubeconfig=kubeconfig,
        authentication_kubeconfig=kubeconfig,
        authorization_kubeconfig=kubeconfig,
        bind_address=LOOPBACK,
        leader_elect="false",
        profiling="false",
    )


def _authentication() -> dict[str, Any]:
    return {
        "apiVersion": "apiserver.config.k8s.io/v1beta1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {
            "enabled": True,
            "conditions": [{"path": path} for path in _ANONYMOUS_PATHS],
        },
    }


def _encryption() -> dict[str, Any]:
    key = {"name": "key1", "secret": base64.b64encode(secrets.token_bytes(32)).decode()}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [{"secretbox": {"keys": [key]}}, {"identity": {}}],
            }
        ],
    }


def _audit_policy() -> dict[str, Any]:
    """Who did what to which object, never what was in it; reading is not worth a line."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "userGroups": ["system:nodes"]},
            {"level": "None", "users": ["system:kube-scheduler", "system:apiserver"]},
            {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "Metadata"},
        ],
    }


def _write(place: Path, content: dict[str, Any]) -> Path:
    place.touch(mode=0o600)
    place.write_text(json.dumps(content))
    return place
