"""Keywords for the pods' network: who reaches whom, without and with a policy."""

from __future__ import annotations

from contextlib import ExitStack

from robot.api.deco import keyword

from blueprints import policy_matrix
from iec4_keywords.running import CriterionLibrary, evidence, lab, task
from lab.iec.client import open_cluster
from lab.iec.policies import Stage
from lab.iec.workload import Place, agnhost_image, new_place

#: The scenario of the policy matrix that is performed.
_SCENARIO = "ingress-by-label"


class PodNetwork(CriterionLibrary):
    """The network policy matrix' pods, in namespaces that go with the test."""

    def __init__(self) -> None:
        super().__init__()
        self._matrix = policy_matrix.load()
        self._scenario = self._matrix.scenarios[_SCENARIO]
        self._made = ExitStack()
        self._stage: Stage | None = None

    @keyword
    def pods_of_which_each_reaches_every_other(self) -> None:
        """Arranging: what a policy will deny is open without one."""
        cluster = self._made.enter_context(open_cluster(lab()))

        def place(purpose: str) -> Place:
            made = new_place(cluster, purpose, run=task().run_name, image=agnhost_image(lab()))
            return self._made.enter_context(made)

        self._stage = Stage(self._matrix.stage, place)
        self._stage.settled(self._scenario.control)

    @keyword
    def a_policy_names_who_may_reach_one_of_them(self) -> None:
        """Arranging: the API server takes the policy."""
        assert self._stage is not None, "pods are there first"
        self._stage.put(self._scenario)

    @keyword
    def packets_of_those_arrive_and_no_others(self) -> None:
        """Judged: who is named connects, nobody else has an answer."""
        assert self._stage is not None, "pods are there first"
        with evidence().judge(self._scenario.says):
            self._stage.settled(self._scenario)

    def close_test(self) -> None:
        self._stage = None
        self._made.pop_all().close()
