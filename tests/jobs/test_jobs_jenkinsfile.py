"""The Jenkinsfile's shape: thin, bounded, archived in every outcome, and made of commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.jenkinsfile import JenkinsfileError, parse
from jobs.lint import pipeline_problems
from tests.jobs.command_line import parsed

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "Jenkinsfile", ROOT / "jobs" / "lab.Jenkinsfile"]
TEXT, LAB_TEXT = (file.read_text() for file in FILES)


def texts(steps):
    return [step.text for step in steps]


def test_it_has_the_stages_in_their_order():
    stages = parse(TEXT).block("stages").blocks
    assert [stage.name for stage in stages] == ["stage"] * 4
    assert [stage.quoted for stage in stages] == ["lab", "deploy", "validate", "perf"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_is_wrong_with_its_shape(file):
    assert pipeline_problems(parse(file.read_text())) == []


def test_a_lab_that_is_there_is_deployed_and_destroyed_by_children_and_judged_alone():
    deploy, judge, destroy = parse(LAB_TEXT).block("stages").blocks
    assert texts(deploy.block("steps").steps) == ['build job: "${params.DEPLOY_JOB}"']
    assert texts(destroy.block("steps").steps) == ['build job: "${params.DESTROY_JOB}"']
    assert texts(destroy.block("when").steps) == ["equals expected: 'yes', actual: params.DESTROY"]
    assert texts(judge.block("options").steps) == ['throttle(["${params.CATEGORY}"])']
    # Only that stage has an agent: a build that waits for its child holds nothing of the lab.
    assert [s.quoted for s in (deploy, judge, destroy) if s.block("agent")] == ["judge"]
    assert texts(parse(LAB_TEXT).steps) == ["agent none"]
    always = judge.block("post", "always")
    assert always.commands() == [["./iec4", "report", "--run", "$IEC4_RUN"]]
    assert [step.name for step in always.steps] == ["archiveArtifacts", "junit"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_sh_step_is_a_command_that_the_command_line_knows(file):
    commands = parse(file.read_text()).commands()
    assert len(commands) == file.read_text().count("sh '")
    for words in commands:
        assert words[0] == "./iec4"
        assert parsed(words[1:]) == [], words


def test_every_stage_works_on_the_one_run_directory():
    for words in parse(TEXT).commands():
        if words[1] != "lab":
            assert words[words.index("--run") + 1] == "$RUN_DIR"


def test_what_parameters_say_reaches_the_shell_as_quoted_variables_only():
    """A value is never pasted into a script: it could be one."""
    for path in (*parse(TEXT).walk(), *parse(LAB_TEXT).walk()):
        if path[-1].name == "sh":
            script = path[-1].quoted
            assert script.count('"$') == script.count("$")


def test_the_report_is_written_archived_and_published_and_the_lab_taken_down_last():
    always = parse(TEXT).block("post", "always")
    assert [block.name for block in always.blocks] == ["catchError"]
    assert always.blocks[0].commands() == [["./iec4", "report", "--run", "$RUN_DIR"]]
    assert [step.name for step in always.steps] == ["archiveArtifacts", "junit"]
    assert parse(TEXT).block("post", "cleanup").commands() == [["./iec4", "lab", "down"]]


@pytest.mark.parametrize("text", [TEXT, LAB_TEXT], ids=["own", "lab"])
def test_no_error_is_swallowed(text):
    for path in parse(text).walk():
        if path[-1].name == "catchError":
            assert "buildResult: 'FAILURE'" in path[-1].text
            assert "catchInterruptions: false" in path[-1].text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("label \"${params.BUILD_NODE ?: 'iec4'}\"", "docker 'x'", "no agent label"),
        ("        timestamps()\n", "", "no option timestamps"),
        ("archiveArtifacts artifacts", "echo text", "archiveArtifacts does not happen"),
        ("            junit testResults", "            echo testResults", "junit does not happen"),
        ("timeout(time: 5, unit: 'MINUTES')", "retry(2)", "sh without a time-out"),
        ("timeout(time: 15, unit: 'MINUTES')", "retry(2)", "sh without a time-out"),
        ("catchError(", "script(", "line 39: script is logic"),
        ("stage('deploy') {", "if (params.X) {", "line 34: if is logic"),
        ("timestamps()", "def x = 1", "line 8: def is logic"),
        (
            "sh './iec4 lab up'",
            'sh "./iec4 lab up ${params.X}"',
            "line 30: sh takes a text in single",
        ),
        ("sh './iec4 lab up'", "sleep 5", "line 30: nobody knows whose step sleep is"),
    ],
)
def test_a_change_for_the_worse_is_found(old, new, says):
    assert old in TEXT
    assert says in "; ".join(pipeline_problems(parse(TEXT.replace(old, new))))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('                label "${params.BUILD_NODE}"\n', "", "no agent label"),
        ("timeout(time: 150, unit: 'MINUTES')", "retry(2)", "build without a time-out"),
        ("archiveArtifacts artifacts", "echo text", "archiveArtifacts does not happen"),
        ("throttle(", "lock(", "nobody knows whose step lock is"),
        (
            "steps {\n                build job",
            "steps {\n                sh 'x' //",
            "sh without an agent",
        ),
    ],
)
def test_a_change_for_the_worse_of_a_labs_pipeline_is_found(old, new, says):
    assert old in LAB_TEXT
    assert says in "; ".join(pipeline_problems(parse(LAB_TEXT.replace(old, new))))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pipeline {\n  stages {\n  }\n", "line 2: this is no Groovy, or not closed"),
        ("pipeline {\n}\n}\n", "line 3: this is no Groovy"),
        ("pipeline {\n stage('a') { } stage('b') { }\n}\n", "line 2: this is no Groovy"),
        ("pipeline {\n echo 'a'; echo 'b'\n}\n", "line 2: more than one block or step"),
        ("pipeline {\n } else {\n}\n", "nothing beside it"),
        ("pipeline {\n echo 'open\n}\n", "line 2: this is no Groovy"),
        ("def x = 1\npipeline {\n}\n", "nothing beside it"),
        ("node {\n}\n", "there must be one pipeline"),
        ("", "there must be one pipeline"),
    ],
)
def test_what_is_no_pipeline_is_refused(text, says):
    with pytest.raises(JenkinsfileError, match=says):
        parse(text)


def test_strings_and_comments_may_hold_braces():
    text = """pipeline { // } a comment {
  /* } */ echo "${a ?: '}'} {é"
  sh 'echo \\'}\\''
  catchError(message: 'é {') { echo '}' }
}
"""
    echo, sh, block = parse(text).body
    assert (echo.text, echo.line) == ("echo \"${a ?: '}'} {é\"", 2)
    assert (sh.quoted, sh.line) == ("echo '}'", 3)
    assert (block.text, texts(block.steps)) == ("catchError(message: 'é {')", ["echo '}'"])


def test_its_shell_lines_are_sound(tmp_path):
    """As ShellCheck, which we did not write, sees them."""
    script = tmp_path / "steps.sh"
    lines = [p[-1].quoted for p in parse(TEXT).walk() if p[-1].name == "sh"]
    script.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    checker = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run(
        [checker, "--exclude", "SC2154", str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
