"""Keywords for Jenkins: agents, and jobs that run scripts on a dedicated host."""

from __future__ import annotations

import secrets

from robot.api.deco import keyword

from iec4_keywords.running import CriterionLibrary, evidence, lab
from lab.host.base import Host
from lab.jenkins.probe import client
from lab.jenkins.trial import Trial

#: The role of the dedicated host, which is also the label of its agent.
ROLE = "dc"


class Builds(CriterionLibrary):
    """A script on the dedicated host and a job that runs it, both gone when the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self._directory: str | None = None
        self._word = ""
        self._trial: Trial | None = None

    @property
    def _host(self) -> Host:
        return lab().with_role(ROLE)[0]

    @property
    def _script(self) -> str:
        assert self._directory is not None, "put a script there first"
        return f"{self._directory}/script"

    def close_test(self) -> None:
        if self._trial is not None:
            self._trial.close()
        self._trial = None
        if self._directory is not None:
            self._host.check(["rm", "-rf", self._directory])
        self._directory = None

    @keyword
    def an_agent_with_the_label_is_online(self, label: str) -> None:
        """Judged: at least one node with the label is online."""
        jenkins = client(lab())
        with evidence().judge(f"an agent with the label {label} is online"):
            tree = "computer[displayName,offline,assignedLabels[name]]"
            nodes = [
                node
                for node in jenkins.json("computer/", tree=tree)["computer"]
                if label in [each["name"] for each in node["assignedLabels"]]
            ]
            if all(node["offline"] for node in nodes):
                raise AssertionError(
                    f"of {len(nodes)} agents with the label {label} none is online"
                )

    @keyword
    def a_script_on_the_dedicated_host(self) -> None:
        """It says a word that only this test knows."""
        self._put("exit 0")

    @keyword
    def a_script_on_the_dedicated_host_that_fails(self) -> None:
        self._put("exit 3")

    @keyword
    def a_job_that_runs_it_shows_what_the_script_says(self) -> None:
        """Judged: the build succeeds, and the script's word is in its log."""
        trial = self._open_job()
        with evidence().judge("the script's output comes back"):
            _, result = trial.run()
            evidence().attach("console.txt", trial.output)
            if result != "SUCCESS":
                raise AssertionError(f"the build ends as {result}")
            if f"it says {self._word}\n" not in trial.output:
                raise AssertionError("the log does not have what the script says")

    @keyword
    def a_job_that_runs_it_fails(self) -> None:
        """Judged: the build ends as FAILURE."""
        trial = self._open_job()
        with evidence().judge("the failing script fails the build"):
            _, result = trial.run()
            if result != "FAILURE":
                raise AssertionError(f"the build ends as {result}; expected FAILURE")

    def _open_job(self) -> Trial:
        self._trial = Trial(lab(), f"sh {self._script}", label=ROLE)
        return self._trial

    def _put(self, end: str) -> None:
        host = self._host
        self._word = secrets.token_hex(8)
        self._directory = host.check(["mktemp", "-d"]).strip()
        host.check(["chmod", "755", self._directory])
        host.put(f"echo 'it says {self._word}'\n{end}\n".encode(), self._script, mode=0o755)
