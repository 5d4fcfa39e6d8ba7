"""Keywords for the Tars platform: services that are found, restarted, and come back."""

from __future__ import annotations

from robot.api.deco import keyword

from iec4_keywords.running import CriterionLibrary, evidence, lab
from lab.tars import monitor
from lab.tars.client import TarsClient
from lab.tars.echo_client import ECHO_INT, Echo, Identity
from lab.tars.trial import FOLLOWS_S, Trial
from lab.wait import wait_for

CALLS = 50
#: A call that takes long enough to notice a server that dies for want of another.
LONG_CALL_MS = 2_000


class Platform(CriterionLibrary):
    """A service of its own a test, undeployed when the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self._trial: Trial | None = None
        self._before: Identity | None = None
        self._absent: dict[str, int] = {}

    def close_test(self) -> None:
        if self._absent:
            self._let_the_optional_servers("start")
        self._absent = {}
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

    @keyword
    def the_optional_servers_are_absent(self) -> None:
        """All of them that the platform lists are stopped, until the test ends."""
        servers = monitor.framework_servers(self._service.web)
        self._absent = {name: server.id for name, server in servers.items()}
        self._let_the_optional_servers("stop")

    @keyword
    def the_service_works_and_their_absence_is_told(self) -> None:
        """Judged: calls, a long one too, are answered, and the platform tells who is away."""
        trial = self._service
        with (
            evidence().judge(f"services work without {', '.join(sorted(self._absent))}"),
            TarsClient(trial.address) as client,
        ):
            echo = Echo(client, trial.object_name)
            echo.pause(LONG_CALL_MS)
            for number in range(CALLS):
                if echo.echo(ECHO_INT, number).ret != number:
                    raise AssertionError(f"the echo of {number} is another")
            servers = monitor.framework_servers(trial.web)
            told = {name: servers[name].present_state for name in self._absent}
            if set(told.values()) != {"inactive"}:
                raise AssertionError(f"their absence is not told: states are {told}")

    def _let_the_optional_servers(self, command: str) -> None:
        web = self._service.web
        web.finished(web.add_task(command, [*self._absent.values()], serial=False))

    def _expect_another_process(self) -> None:
        assert self._before is not None
        before = self._before.pid
        wait_for(
            "another process",
            lambda: self._service.identity().pid != before,
            timeout=FOLLOWS_S / 2,
        )
