"""What is kept of secrets, and of what was done."""

from __future__ import annotations

import json
import secrets
from functools import partial

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Secret

from blueprints.evidence import Evidence
from lab.iec.host_programs import ClusterHost
from lab.iec.workload import Place
from lab.session import Lab
from lab.wait import wait_for

#: How long etcd and the audit log may take to write what has happened, seconds.
WRITTEN_S = 10.0


def _holds(host: ClusterHost, directory: str, word: str) -> bool:
    """Whether a word stands somewhere in the files of a directory, as it is."""
    return host.run("grep", "-rqaF", word, directory).status == 0


@pytest.mark.criterion("K8S-20")
def test_secrets_are_encrypted_where_they_are_kept(
    lab: Lab, agnhost_place: Place, evidence: Evidence
) -> None:
    """etcd writes all that it keeps into its files: what is no secret is found there."""
    host = ClusterHost(lab)
    directory = host.program("etcd").flag("data-dir")
    place, open_word, secret_word = agnhost_place, secrets.token_hex(16), secrets.token_hex(16)
    secret = Secret(metadata=ObjectMeta(name="kept"), stringData={"word": secret_word})
    place.cluster.kube.create(secret, namespace=place.name)
    open_map = ConfigMap(metadata=ObjectMeta(name="kept"), data={"word": open_word})
    place.cluster.kube.create(open_map, namespace=place.name)
    wait_for(
        "the finding of what is no secret among etcd's files",
        partial(_holds, host, directory, open_word),
        timeout=WRITTEN_S,
    )
    with evidence.judge("etcd's files hold no secret as it is"):
        assert not _holds(host, directory, secret_word), f"a secret lies open in {directory}"


@pytest.mark.criterion("K8S-21")
def test_what_is_done_is_written_down(lab: Lab, agnhost_place: Place, evidence: Evidence) -> None:
    host = ClusterHost(lab)
    name, word = f"audited-{secrets.token_hex(4)}", secrets.token_hex(16)
    secret = Secret(metadata=ObjectMeta(name=name), stringData={"word": word})
    agnhost_place.cluster.kube.create(secret, namespace=agnhost_place.name)
    with evidence.judge("the audit log says who did what to which object"):
        log = host.program("kube-apiserver").flag("audit-log-path")

        def entries() -> list[str]:
            return host.run("grep", "-aF", name, log).text.splitlines()

        found = wait_for("the entry of a secret's making", entries, timeout=WRITTEN_S)
        entry = json.loads(found[-1])
        assert entry["verb"] == "create", f"it says that somebody did {entry['verb']}"
        assert entry["user"]["username"], "it does not say who"
        assert word not in found[-1], "it says what the secret is"
