"""What the runner does not know fails a build before or where it stands; nothing is passed over."""

from __future__ import annotations

import pytest

from tests.jenkinsfile.agent import Agent

GOOD = """
pipeline {
    agent any
    stages {
        stage('one') {
            steps {
                sh 'touch ran'
            }
        }
    }
}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("sh 'touch ran'", "sh 'touch ran", "expecting '''"),
        ("steps {", "stepz {", "line 6: stepz is not understood in one"),
        ("agent any", "agent any\n    agent none", "there is a second agent"),
        ("stage('one')", "parallel('one')", "line 5: parallel is not understood in stages"),
        (
            "agent any",
            "agent any\n    post { sometimes { } }",
            "sometimes is not understood in post",
        ),
        ("}\n}\n", "}\n}\npipeline {\n}\n", "there must be one pipeline block"),
        ("pipeline {", "node {", "node is not understood beside the pipeline block"),
        ("agent any", "agent { docker 'x' }", "docker is not understood in agent"),
        ("agent any", "agent any\n    options { retry(3) }", "retry is not understood in options"),
        ("agent any", "agent any\n    environment { A = credentials('x') }", "credentials is not"),
        ("agent any", "agent any\n    steps { }", "pipeline must have either stages or steps"),
        ("sh 'touch ran'", "input 'go on?'", "line 7: input is not understood in steps"),
        ("sh 'touch ran'", "println 'x'", "println is not understood in steps"),
        ("sh 'touch ran'", "sh 1", "sh with these arguments is not understood"),
        ("sh 'touch ran'", "build job: 'x', wait: false", "build: wait is not understood"),
        ("sh 'touch ran'", "X = 'y'", "X = … is not understood in steps"),
        ("sh 'touch ran'", 'sh "touch ${HOME}"', "No such property: HOME"),
        ("sh 'touch ran'", 'sh "touch ${build}"', "No such property: build"),
    ],
)
def test_it_is_refused(agent: Agent, old: str, new: str, says: str) -> None:
    assert GOOD.count(old) == 1
    jenkinsfile = agent.place / "Jenkinsfile"
    jenkinsfile.write_text(GOOD.replace(old, new))
    build = agent.run(jenkinsfile)
    assert build.result == "FAILURE"
    assert says in build.log
    assert not (agent.workspace() / "ran").exists()


def test_without_a_change_it_runs(agent: Agent) -> None:
    jenkinsfile = agent.place / "Jenkinsfile"
    jenkinsfile.write_text(GOOD)
    build = agent.run(jenkinsfile)
    assert build.result == "SUCCESS", build.log
    assert (agent.workspace() / "ran").exists()
