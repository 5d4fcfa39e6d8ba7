"""Felix started anew while pods talk: what policy allows goes on, what it denies stays denied."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from lightkube.models.core_v1 import EnvVar
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.models.networking_v1 import (
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicySpec,
)
from lightkube.resources.core_v1 import Pod
from lightkube.resources.networking_v1 import NetworkPolicy

from blueprints.evidence import Evidence
from lab.iec.client import Cluster
from lab.iec.felix import Felix
from lab.iec.policies import two_nodes
from lab.iec.traffic import Outcome
from lab.iec.workload import HTTP_PORT, Place, Work, ip_of, pod_spec, serving
from lab.session import Lab
from lab.wait import wait_for

#: A connection is held for so long; Felix must be back before it ends. Seconds.
HELD_S = 12
#: Felix is back, and what policies say holds, within this time. Seconds.
BACK_S = 10.0
_HELD_PORT = 8099
#: So many attempts in a row, five in a second, tell that something is so.
_ENOUGH = 8

#: How long an attempt of each pod may take, seconds: a busy machine is no reason to be refused.
_PATIENCE_S = {"friend": 5, "stranger": 1}

#: Tries to connect to $0 five times a second, for $1 each, and says a line of each attempt.
_TRY_ON = """
while :; do
  ( said=$(/agnhost connect "$0" --timeout="$1" 2>&1) && said=OPEN; echo "$said" ) &
  sleep 0.2
done
"""


@dataclass(frozen=True)
class Talk:
    """Pods that try to connect to a server all the time; policy lets ``friend`` alone."""

    place: Place
    address: str

    def said(self, pod: str) -> list[Outcome]:
        """What came of each attempt that a pod has made so far."""
        return [Outcome.of(line) for line in self._log(pod, "agnhost")]

    def await_outcome(self, pod: str, wanted: Outcome) -> int:
        """Wait until all that a pod tries comes out so; returns how often it has tried by then."""
        tried: list[Outcome] = []

        def settled() -> bool:
            tried[:] = self.said(pod)
            assert len(tried) >= _ENOUGH, f"{pod} has tried {len(tried)} times"
            assert {*tried[-_ENOUGH:]} == {wanted}, f"{pod} was {tried[-1]}, must be {wanted}"
            return True

        what = f"all that {pod} tries is {wanted}"
        wait_for(what, settled, timeout=BACK_S, not_yet=(AssertionError,))
        return len(tried)

    def await_more(self, pod: str) -> list[Outcome]:
        """Wait until a pod has tried some more, and that has come out; returns it all."""
        enough = len(self.said(pod)) + 2 * _ENOUGH

        def tried() -> list[Outcome] | None:
            said = self.said(pod)
            return said if len(said) >= enough else None

        return wait_for(f"more attempts of {pod}", tried, timeout=BACK_S)

    def hold(self) -> None:
        """Have a connection to the server that lasts until the server closes it."""
        options = {"RemoteAddr": f"{self.address}:{_HELD_PORT}", "TimeoutSeconds": 2 * HELD_S}
        argv = ("net", "--runner=nat-closewait-client", f"--options={json.dumps(options)}")
        more = {"restartPolicy": "OnFailure"}
        self.place.pod("holder", Work(argv, labels={"role": "friend"}, more=more))
        wait_for("a connection that is held", self._is_held, timeout=BACK_S)

    def _is_held(self) -> bool:
        return "Accepted client connection" in self._log("server", "holding")

    def await_end_of_held(self) -> int:
        """Wait until the server has closed it; returns how often it broke before."""

        def ended(pods: Sequence[Pod]) -> bool:
            return all(pod.status and pod.status.phase == "Succeeded" for pod in pods)

        self.place.wait_pods("the end of the connection", ended, labels={"app": "holder"})
        pod = self.place.cluster.kube.get(Pod, "holder", namespace=self.place.name)
        statuses = (pod.status and pod.status.containerStatuses) or ()
        return sum(one.restartCount for one in statuses)

    def allow(self, *roles: str) -> None:
        """Let pods of these roles alone connect to the server."""
        peers = [
            NetworkPolicyPeer(podSelector=LabelSelector(matchLabels={"role": role}))
            for role in roles
        ]
        spec = NetworkPolicySpec(
            podSelector=LabelSelector(matchLabels={"role": "server"}),
            policyTypes=["Ingress"],
            ingress=[NetworkPolicyIngressRule(from_=peers)],
        )
        metadata = ObjectMeta(name="who", namespace=self.place.name)
        self.place.cluster.kube.apply(
            NetworkPolicy(metadata=metadata, spec=spec), field_manager="iec4", force=True
        )

    def _log(self, pod: str, container: str) -> list[str]:
        path = f"/api/v1/namespaces/{self.place.name}/pods/{pod}/log"
        return self.place.cluster.get(path, container=container).splitlines()


@pytest.fixture
def talk(cluster: Cluster, new_namespace: Callable[..., Place]) -> Talk:
    place = new_namespace("felix")
    first, second = two_nodes(cluster)
    server = ip_of(place.pods({"server": _server(place.image, first)})["server"])
    talk = Talk(place, server)
    talk.allow("friend")
    trying = {
        name: Work(
            command=("sh", "-c", _TRY_ON, f"{server}:{HTTP_PORT}", f"{patience}s"),
            labels={"role": name},
            node=second,
        )
        for name, patience in _PATIENCE_S.items()
    }
    place.pods(trying)
    return talk


def _server(image: str, node: str) -> Work:
    """Serves HTTP; beside it, closes a connection that it took when `HELD_S` are over."""
    serves = pod_spec(serving(), image).containers[0]
    holding = pod_spec(Work(("port-forward-tester",)), image).containers[0]
    holding.name = "holding"
    settings = {
        "BIND_ADDRESS": "0.0.0.0",  # noqa: S104 - the pod's own
        "BIND_PORT": str(_HELD_PORT),
        "CHUNKS": "2",  # of nothing, but there is a pause between them
        "CHUNK_SIZE": "0",
        "CHUNK_INTERVAL": str(HELD_S * 1000),
    }
    holding.env = [EnvVar(name=name, value=value) for name, value in settings.items()]
    return Work(labels={"role": "server"}, node=node, more={"containers": [serves, holding]})


@pytest.mark.long
@pytest.mark.criterion("K8S-59")
def test_policy_outlives_felix(lab: Lab, talk: Talk, evidence: Evidence) -> None:
    wanted = {"friend": Outcome.OPEN, "stranger": Outcome.TIMEOUT}
    felix = Felix(lab)
    before = {pod: talk.await_outcome(pod, outcome) for pod, outcome in wanted.items()}
    talk.hold()
    ended = felix.end()
    with evidence.judge("what policy says holds while Felix is started anew"):
        felix.await_others(ended, timeout=BACK_S)
        for pod, outcome in wanted.items():
            said = talk.await_more(pod)[before[pod] :]
            evidence.measure(f"attempts_of_{pod}", len(said), "count")
            others = [one for one in said if one is not outcome]
            assert not others, (
                f"{len(others)} of {len(said)} attempts of {pod} were {others[0]}, not {outcome}"
            )
        talk.allow(*wanted)
        talk.await_outcome("stranger", Outcome.OPEN)
        assert talk.await_end_of_held() == 0, "a connection that policy allowed was broken"
