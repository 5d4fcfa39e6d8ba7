"""What is done to a cluster on its control plane's machine in a deep lab, for faults of `lab.iec`.

What a webhook spoils is spoilt as in the embedded cluster, by the same webhook.
"""

from __future__ import annotations

from pathlib import Path

from lab.deep.act import Act
from lab.deep.network_faults import NETWORK_ACTS
from lab.iec import admission, rewriting

_ADMIN = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
_KUBECTL = f"{_ADMIN} --namespace kube-system"
_MANIFESTS = "/etc/kubernetes/manifests"
_SCHEDULER = f"{_MANIFESTS}/kube-scheduler.yaml"
#: Nobody but a person who looks after etcd presents it.
_CERTIFICATE = "/etc/kubernetes/pki/etcd/healthcheck-client.crt"
_CONTROLLERS = "deployment/calico-kube-controllers"

#: Those policies that a fault keeps from being deleted: namespace and name, one a line.
_KEPT = '{range .items[?(@.metadata.finalizers)]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}'
#: Where webhooks listen, one after the other.
_FIRST_PORT = 18000


def _webhook(fault: str, port: int) -> Act:
    """The API server asks a webhook on its machine, which ends with it."""
    place = f"/run/iec4-webhooks/{fault}"
    modules = "\n".join(
        f"cat >{Path(str(module.__file__)).name} <<'END-OF-MODULE'\n"
        f"{Path(str(module.__file__)).read_text()}\nEND-OF-MODULE"
        for module in (rewriting, admission)
    )
    return Act(
        (),
        f"""
mkdir -p {place}
cd {place}
{modules}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \\
    -subj /CN=webhook -addext subjectAltName=IP:{admission.HOST} \\
    -keyout key.pem -out certificate.pem 2>/dev/null
setsid python3 admission.py {fault} {port} certificate.pem key.pem >log 2>&1 &
echo $! >pid
until python3 -c '
import socket
socket.create_connection(("{admission.HOST}", {port})).close()' 2>/dev/null
do sleep 0.1; done
python3 -c '
import json, pathlib, admission
vouching = pathlib.Path("certificate.pem").read_bytes()
print(json.dumps(admission.configuration("{fault}", {port}, vouching)))' | {_ADMIN} apply -f -
""",
        f"""
{_ADMIN} delete mutatingwebhookconfiguration {fault}
kill "$(cat {place}/pid)"
rm -rf {place}
{_ADMIN} get networkpolicies --all-namespaces -o jsonpath='{_KEPT}' |
while read -r namespace name; do
    {_ADMIN} --namespace "$namespace" patch networkpolicy "$name" --type merge \\
        --patch '{{"metadata": {{"finalizers": null}}}}'
done
""",
    )


#: e2e.test marks its namespaces by this label.
_REFUSED = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: k8s.secrets-refused}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchExpressions: [{key: e2e-framework, operator: Exists}]}
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [secrets]}
  validations: [{expression: "false", message: no secret may be made}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: k8s.secrets-refused}
spec: {policyName: k8s.secrets-refused, validationActions: [Deny]}
"""
#: Has a policy hold: for a moment after it is made, the API server does not know of it.
_TRIED = f"""
{_ADMIN} create namespace trial-of-fault
{_ADMIN} label namespace trial-of-fault e2e-framework=trial
until ! {_ADMIN} --namespace trial-of-fault create secret generic trial --dry-run=server
do sleep 0.2; done
{_ADMIN} delete namespace trial-of-fault
"""

CLUSTER_ACTS = {
    **NETWORK_ACTS,
    **{fault: _webhook(fault, _FIRST_PORT + i) for i, fault in enumerate(rewriting.REWRITINGS)},
    "k8s.scheduler-stopped": Act(
        (_SCHEDULER,),
        f"rm {_SCHEDULER}\nwhile pgrep -x kube-scheduler >/dev/null; do sleep 0.2; done",
        "until pgrep -x kube-scheduler >/dev/null; do sleep 0.2; done",
    ),
    "k8s.certificate-file-short": Act(
        (_CERTIFICATE,),
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
        f"-subj /CN=short -keyout /dev/null -out {_CERTIFICATE} 2>/dev/null",
    ),
    "k8s.secrets-refused": Act(
        (),
        f"{_ADMIN} apply -f - <<'END'\n{_REFUSED}\nEND\n{_TRIED}",
        f"{_ADMIN} delete validatingadmissionpolicybinding,validatingadmissionpolicy "
        "k8s.secrets-refused",
    ),
    "k8s.system-pod-broken": Act(
        (),
        f"{_KUBECTL} set image {_CONTROLLERS} '*=registry.invalid/nothing:1'",
        f"{_KUBECTL} rollout undo {_CONTROLLERS}\n"
        f"{_KUBECTL} rollout status {_CONTROLLERS} --timeout=25s",
    ),
}
