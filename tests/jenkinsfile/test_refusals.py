"""What the runner does not know fails a build before or where it stands; nothing is passed over."""

from __future__ import annotations

import pytest

from tests.jenkinsfile.runner import Agent

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
        ("steps {", "stepz {", "Section.stepz()"),
        ("agent any", "agent any\n    agent none", "there is a second agent"),
        ("stage('one')", "parallel('one')", "Stages.parallel()"),
        ("agent any", "agent any\n    post { sometimes { } }", "Post.sometimes()"),
        ("}\n}\n", "}\n}\npipeline {\n}\n", "there must be one pipeline block"),
        ("agent any", "agent { docker 'x' }", "Agent.docker()"),
        ("agent any", "agent any\n    options { retry(3) }", "Options.retry()"),
        ("agent any", "agent any\n    environment { A = credentials('x') }", "credentials"),
        ("sh 'touch ran'", "input 'go on?'", "Steps.input()"),
        ("sh 'touch ran'", 'sh "touch ${HOME}"', "HOME"),
    ],
)
def test_it_is_refused(agent: Agent, old: str, new: str, says: str) -> None:
    assert GOOD.count(old) == 1
    jenkinsfile = agent.place / "Jenkinsfile"
    jenkinsfile.write_text(GOOD.replace(old, new))
    build = agent.run(jenkinsfile)
    assert build.result == "FAILURE"
    assert says in build.log
    assert not (agent.place / "job" / "ran").exists()


def test_without_a_change_it_runs(agent: Agent) -> None:
    jenkinsfile = agent.place / "Jenkinsfile"
    jenkinsfile.write_text(GOOD)
    build = agent.run(jenkinsfile)
    assert build.result == "SUCCESS", build.log
    assert (agent.place / "job" / "ran").exists()
