"""Keywords for the Tars platform: services that are found, restarted, and come back."""

from __future__ import annotations

from robot.api.deco import keyword

from iec4_keywords.running import CriterionLibrary, evidence, lab
from lab.tars.client import TarsClient
from lab.tars.echo_client import Echo, Identity
from lab.tars.trial import FOLLOWS_S, Trial
from lab.wait import wait_for


class Platform(CriterionLibrary):
    """A service of its own a test, undeployed when the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self._trial: Trial | None = None
        self._before: Identity | None = None

    def close_test(self) -> None:
        if self._trial is not None:
            self._trial.close()
        self._trial = None

    @property
    def _service(self) -> Trial:
        assert self._trial is not None, "let a service run first"
        return self._trial

    @keyword
    def a_service_runs_on_the_platform(self) -> None:
        """Deployed, published, started, answering."""
        self._trial = Trial(lab())
        self._before = self._trial.run()

    @keyword
    def it_is_found_by_its_object_name(self) -> None:
        """Judged: the name service gives an endpoint, and the service answers there."""
        trial = self._service
        with evidence().judge("the service is found at its endpoint by name"):
            address = wait_for("an endpoint", trial.found_by_name, timeout=FOLLOWS_S)
            with TarsClient(address) as client:
                answered = Echo(client, trial.object_name).identity()
            if answered != self._before:
                raise AssertionError(f"another process answers at {address[0]}:{address[1]}")

    @keyword
    def after_a_restart_another_process_answers(self) -> None:
        """Judged: the restart replaces the process."""
        trial = self._service
        with evidence().judge("after the restart another process answers"):
            trial.web.restart(trial.server.id)
            self._expect_another_process()

    @keyword
    def its_process_is_killed(self) -> None:
        """kill -9, on the service's host."""
        assert self._before is not None
        lab().host(self._service.host).check(["kill", "-KILL", str(self._before.pid)])

    @keyword
    def the_platform_brings_it_back(self) -> None:
        """Judged: another process answers in its place."""
        with evidence().judge("the killed service comes back"):
            self._expect_another_process()

    def _expect_another_process(self) -> None:
        assert self._before is not None
        before = self._before.pid
        wait_for(
            "another process",
            lambda: self._service.identity().pid != before,
            timeout=FOLLOWS_S / 2,
        )
