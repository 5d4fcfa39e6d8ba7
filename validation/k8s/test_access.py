"""Who may do what: nobody, accounts with few rights, accounts with none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from lightkube.models.core_v1 import ResourceQuotaSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
from lightkube.resources.core_v1 import ConfigMap, Pod, ResourceQuota, Secret, ServiceAccount
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding

from blueprints.evidence import Evidence
from fixtures.cluster import refusal_of
from lab.iec.client import Cluster
from lab.iec.workload import Place, Work, pod_spec

#: What tells a stranger something; the health endpoints do not, and are left out.
CLOSED = ("/api", "/apis", "/version", "/metrics", "/api/v1/namespaces", "/api/v1/secrets")
NOT_LET_IN = (401, 403)
QUOTA_S = 20.0


@contextmanager
def account(place: Place, name: str) -> Iterator[Cluster]:
    """The cluster as a service account of the place, by a token of its."""
    token = place.cluster.token(name, namespace=place.name)
    with place.cluster.as_(place.cluster.access.with_token(token)) as entered:
        yield entered


@pytest.mark.criterion("K8S-17")
def test_nobody_is_let_in(cluster: Cluster, evidence: Evidence) -> None:
    with (
        cluster.as_(cluster.access.anonymous()) as nobody,
        evidence.judge("who does not say who it is learns nothing"),
    ):
        for path in CLOSED:
            refusal = refusal_of(lambda path=path: nobody.get(path))
            assert refusal, f"{path} is shown to anybody"
            assert refusal.status in NOT_LET_IN, f"{path}: {refusal}"


@pytest.mark.criterion("K8S-18")
def test_an_account_may_do_what_its_role_says_and_no_more(
    agnhost_place: Place, evidence: Evidence
) -> None:
    _reader(agnhost_place)
    here = agnhost_place.name
    image = agnhost_place.image
    with (
        account(agnhost_place, "reader") as reader,
        evidence.judge("an account may do what its role says, and no more"),
    ):
        refusal = refusal_of(lambda: list(reader.kube.list(Pod, namespace=here)))
        assert refusal is None, f"it may not list pods, as its role says: {refusal}"
        beyond: dict[str, Callable[[], object]] = {
            "make pods": lambda: reader.kube.create(
                Pod(metadata=ObjectMeta(name="beyond"), spec=pod_spec(Work(), image)),
                namespace=here,
                dry_run=True,
            ),
            "read configuration": lambda: list(reader.kube.list(ConfigMap, namespace=here)),
            "list another namespace's pods": lambda: list(
                reader.kube.list(Pod, namespace="kube-system")
            ),
        }
        for what, act in beyond.items():
            assert (refusal := refusal_of(act)), f"it may {what}, which its role does not say"
            assert refusal.reason == "Forbidden", f"{what}: {refusal}"


def _reader(place: Place) -> None:
    """An account that may list the place's pods."""
    kube, metadata = place.cluster.kube, ObjectMeta(name="reader")
    kube.create(ServiceAccount(metadata=metadata), namespace=place.name)
    rule = PolicyRule(apiGroups=[""], resources=["pods"], verbs=["list"])
    kube.create(Role(metadata=metadata, rules=[rule]), namespace=place.name)
    binding = RoleBinding(
        metadata=metadata,
        roleRef=RoleRef(apiGroup="rbac.authorization.k8s.io", kind="Role", name="reader"),
        subjects=[Subject(kind="ServiceAccount", name="reader", namespace=place.name)],
    )
    kube.create(binding, namespace=place.name)


@pytest.mark.criterion("K8S-19")
def test_an_account_without_rights_reads_no_secret(
    agnhost_place: Place, evidence: Evidence
) -> None:
    """The account that every pod has, unless it asks for another."""
    place = agnhost_place
    secret = Secret(metadata=ObjectMeta(name="unread"), stringData={"word": "unread"})
    place.cluster.kube.create(secret, namespace=place.name)
    with (
        account(place, "default") as default,
        evidence.judge("the account that pods have by default reads no secret"),
    ):
        acts: dict[str, Callable[[], object]] = {
            "reads": lambda: default.kube.get(Secret, "unread", namespace=place.name),
            "lists": lambda: list(default.kube.list(Secret, namespace=place.name)),
        }
        for what, act in acts.items():
            assert (refusal := refusal_of(act)), f"it {what} secrets of its namespace"
            assert refusal.reason == "Forbidden", str(refusal)


@pytest.mark.criterion("K8S-22")
def test_a_quota_holds(new_namespace: Callable[..., Place], evidence: Evidence) -> None:
    place = new_namespace("quota")
    quota = ResourceQuota(
        metadata=ObjectMeta(name="one-pod"), spec=ResourceQuotaSpec(hard={"pods": "1"})
    )
    place.cluster.kube.create(quota, namespace=place.name)
    place.cluster.wait(
        "the quota's first count",
        ResourceQuota,
        lambda found: any((one.status and one.status.used) for one in found),
        namespace=place.name,
        timeout=QUOTA_S,
    )
    place.pod("first", Work())
    with evidence.judge("a namespace gets no more than its quota"):
        refusal = refusal_of(lambda: place.pod("second", Work()))
        assert refusal, "a second pod was let in where the quota is one"
        assert "exceeded quota" in str(refusal), str(refusal)
