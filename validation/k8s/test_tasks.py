"""What pods are given, do, and say."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import pytest
from lightkube.models.batch_v1 import JobSpec
from lightkube.models.core_v1 import (
    ConfigMapVolumeSource,
    PodTemplateSpec,
    SecretVolumeSource,
    Volume,
    VolumeMount,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap, Pod, Secret

from blueprints.evidence import Evidence
from lab.iec.workload import Place, Work, pod_spec
from lab.wait import wait_for

DONE_S = 20.0
WRITTEN_S = 10.0
MOUNTED_S = 60.0


@pytest.mark.criterion("K8S-23")
def test_configuration_and_secrets_are_mounted(agnhost_place: Place, evidence: Evidence) -> None:
    place, word = agnhost_place, secrets.token_hex(8)
    metadata = ObjectMeta(name="mounted")
    place.cluster.kube.create(
        ConfigMap(metadata=metadata, data={"word": f"open {word}"}), namespace=place.name
    )
    place.cluster.kube.create(
        Secret(metadata=metadata, stringData={"word": f"secret {word}"}), namespace=place.name
    )
    volumes = [
        Volume(name="open", configMap=ConfigMapVolumeSource(name="mounted")),
        Volume(name="secret", secret=SecretVolumeSource(secretName="mounted")),
    ]
    spec = pod_spec(Work(more={"volumes": volumes}), place.image)
    spec.containers[0].volumeMounts = [
        VolumeMount(name=volume.name, mountPath=f"/given/{volume.name}") for volume in volumes
    ]
    with evidence.judge("a pod finds its configuration and its secrets as files"):
        place.cluster.kube.create(Pod(metadata=metadata, spec=spec), namespace=place.name)
        place.ready("mounted", timeout=MOUNTED_S)
        for kind in ("open", "secret"):
            read = place.execute("mounted", "cat", f"/given/{kind}/word")
            assert read.status == 0, f"the pod has no file of it: {read.stderr}"
            assert read.stdout == f"{kind} {word}", f"it reads {read.stdout}"


@pytest.mark.criterion("K8S-24")
def test_a_job_is_done(agnhost_place: Place, evidence: Evidence) -> None:
    work = Work(args=("--version",), more={"restartPolicy": "OnFailure"})
    job = Job(
        metadata=ObjectMeta(name="three-times"),
        spec=JobSpec(
            completions=3,
            parallelism=3,
            template=PodTemplateSpec(spec=pod_spec(work, agnhost_place.image)),
        ),
    )

    def complete(found: Sequence[Job]) -> bool:
        conditions = [one for job in found for one in (job.status and job.status.conditions) or ()]
        return any(one.type == "Complete" and one.status == "True" for one in conditions)

    with evidence.judge("a job's pods run until it has been done as often as it says"):
        agnhost_place.cluster.kube.create(job, namespace=agnhost_place.name)
        done = agnhost_place.cluster.wait(
            "the job's completion",
            Job,
            complete,
            namespace=agnhost_place.name,
            name="three-times",
            timeout=DONE_S,
            seen=lambda one: one.status,
        )
        status = done[0].status
        assert status is not None
        assert status.succeeded == 3, f"it was done {status.succeeded} times"


@pytest.mark.criterion("K8S-25")
def test_what_a_pod_says_can_be_read(agnhost_place: Place, evidence: Evidence) -> None:
    place, word = agnhost_place, secrets.token_hex(8)
    say = ("sh", "-c", 'echo "$0"; exec /agnhost pause', word)
    place.pods({"says": Work(command=say)})
    path = f"/api/v1/namespaces/{place.name}/pods/says/log"

    def heard() -> bool:
        return word in place.cluster.get(path)

    with evidence.judge("the log of a pod has what it said"):
        wait_for("the pod's word in its log", heard, timeout=WRITTEN_S)
