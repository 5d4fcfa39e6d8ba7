"""What can go wrong with the embedded Jenkins on request. It looks at each act.

All are on the role ``jenkins-master``, where it runs; each spoils the one thing that its
criterion judges, and leaves what is needed to get there as it is.
"""

from __future__ import annotations

from lab.faultflags import Fault

_ROLES = ("jenkins-master",)

FAULTS = (
    Fault("jenkins.deaf", _ROLES, "requests are taken, never answered, and cut after 30 s"),
    Fault("jenkins.answers-cut", _ROLES, "answers end in their middle, and the connection too"),
    Fault("jenkins.open-to-all", _ROLES, "who is not logged in may read everything"),
    Fault("jenkins.plugin-missing", _ROLES, "the list of plugins lacks workflow-job"),
    Fault("jenkins.agents-away", _ROLES, "every agent is shown as offline"),
    Fault("jenkins.definition-changed", _ROLES, "a posted job is kept with another command in it"),
    Fault("jenkins.schedule-changed", _ROLES, "jobs with a schedule are shown with another"),
    Fault("jenkins.parameters-lost", _ROLES, "builds get empty values for their parameters"),
    Fault("jenkins.output-lost", _ROLES, "what steps write does not reach the log of their build"),
    Fault("jenkins.failure-hidden", _ROLES, "a build that fails ends as SUCCESS"),
    Fault("jenkins.artifacts-lost", _ROLES, "what a build archives is thrown away at its end"),
    Fault(
        "jenkins.abort-lets-go",
        _ROLES,
        "a build that is stopped ends as ABORTED, and its processes run on",
    ),
    Fault("jenkins.runs-together", _ROLES, "builds of a job run at the same time, asked or not"),
)
