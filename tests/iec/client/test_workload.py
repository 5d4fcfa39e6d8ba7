"""What the suite makes on a cluster, and how it looks at it."""

from __future__ import annotations

import uuid

import pytest
from lightkube.models.core_v1 import (
    ContainerState,
    ContainerStateWaiting,
    ContainerStatus,
    PodCondition,
    PodStatus,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Pod, ServiceAccount

from lab.errors import WaitTimeout
from lab.iec.client import Cluster
from lab.iec.installation import ClusterInstall
from lab.iec.workload import (
    AGNHOST,
    RUN,
    UNTIL,
    Place,
    Work,
    agnhost_image,
    is_ready,
    metadata,
    new_place,
    pod_spec,
    serving,
    state_of,
    sweep,
)
from lab.inventory import Inventory, SystemEntry
from lab.session import Lab


def namespace(cluster: Cluster, *, run: str, until: str) -> str:
    name = f"iec4-{uuid.uuid4().hex[:8]}"
    marked = ObjectMeta(name=name, labels={RUN: run}, annotations={UNTIL: until})
    cluster.kube.create(Namespace(metadata=marked))
    return name


def ends(cluster: Cluster, name: str) -> bool:
    return metadata(cluster.kube.get(Namespace, name)).deletionTimestamp is not None


def test_what_a_dead_run_left_is_swept_and_a_living_one_s_is_not(cluster: Cluster) -> None:
    left = namespace(cluster, run="old", until="1")
    living = namespace(cluster, run="now", until="99999999999")
    assert left in sweep(cluster)
    assert (ends(cluster, left), ends(cluster, living)) == (True, False)
    assert not ends(cluster, "default")


def test_a_place_is_removed_with_its_context_and_that_twice_is_no_error(cluster: Cluster) -> None:
    place = Place(cluster, namespace(cluster, run="now", until="1"), AGNHOST)
    with place:
        assert not ends(cluster, place.name)
    place.close()
    assert ends(cluster, place.name)


def test_a_place_without_an_account_is_not_left_behind(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No controller manager runs here, so no account is made."""
    monkeypatch.setattr("lab.iec.workload.ACCOUNT_S", 0.2)
    with pytest.raises(WaitTimeout, match="account"):
        new_place(cluster, "orphan", run="now")
    left = [
        one
        for one in cluster.kube.list(Namespace, labels={RUN: None})
        if metadata(one).name.startswith("iec4-orphan-")
    ]
    assert all(metadata(one).deletionTimestamp for one in left)


def test_pods_are_made_as_the_server_wants_them(cluster: Cluster) -> None:
    """The server, its strictest pod security included, takes the spec."""
    name = namespace(cluster, run="now", until="99999999999")
    strict = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    cluster.kube.patch(Namespace, name, strict)
    cluster.kube.create(ServiceAccount(metadata=ObjectMeta(name="default")), namespace=name)
    place = Place(cluster, name, AGNHOST)
    place.pod("server", serving(labels={"tier": "web"}, requests={"cpu": "10m"}))
    made = cluster.kube.get(Pod, "server", namespace=name)
    assert metadata(made).labels == {"app": "server", "tier": "web"}
    assert made.spec.containers[0].readinessProbe.httpGet.path == "/hostname"
    with pytest.raises(WaitTimeout, match=r"server.*Pending"):
        place.ready("server", timeout=0.2)
    place.deployment("web", serving(), replicas=2)


def test_what_is_asked_for_more_outranks_the_usual() -> None:
    spec = pod_spec(Work(more={"enableServiceLinks": True}), AGNHOST)
    assert (spec.enableServiceLinks, spec.automountServiceAccountToken) == (True, False)


def pod(*conditions: PodCondition, waiting: str | None = None, ending: bool = False) -> Pod:
    states = [
        ContainerStatus(
            name="one",
            image="",
            imageID="",
            ready=False,
            restartCount=0,
            state=ContainerState(waiting=ContainerStateWaiting(reason=waiting)),
        )
    ]
    return Pod(
        metadata=ObjectMeta(name="one", deletionTimestamp="now" if ending else None),
        status=PodStatus(
            phase="Pending",
            conditions=list(conditions),
            containerStatuses=states if waiting else None,
        ),
    )


READY = PodCondition(type="Ready", status="True")
UNSCHEDULED = PodCondition(
    type="PodScheduled", status="False", reason="Unschedulable", message="no node fits"
)


def test_a_pod_is_ready_by_its_condition_unless_it_ends() -> None:
    assert is_ready(pod(READY))
    assert not is_ready(pod(READY, ending=True))
    assert not is_ready(pod(UNSCHEDULED))


def test_a_pod_s_state_says_what_it_waits_for() -> None:
    assert state_of(pod(waiting="ErrImagePull")) == "Pending: ErrImagePull"
    assert state_of(pod(UNSCHEDULED)) == "Pending: Unschedulable no node fits"


@pytest.mark.parametrize(
    ("system", "image"),
    [
        (SystemEntry(), AGNHOST),
        (SystemEntry(agnhost="mirror.lab/agnhost:2.56"), "mirror.lab/agnhost:2.56"),
        (
            SystemEntry(cluster=ClusterInstall(image_repository="mirror.lab/k8s")),
            "mirror.lab/k8s/e2e-test-images/agnhost:2.56",
        ),
    ],
)
def test_the_image_comes_from_where_the_inventory_says(system: SystemEntry, image: str) -> None:
    inventory = Inventory(
        name="test", kind="real", profile="lab", hosts={}, systems={"iec": system}
    )
    assert agnhost_image(Lab(inventory)) == image
