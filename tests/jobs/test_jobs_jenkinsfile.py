"""The Jenkinsfile's shape: thin, bounded, archived in every outcome, and made of commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from jobs.lint import pipeline_problems
from lab.jenkins.jenkinsfile import JenkinsfileError, parse
from pipeline.cli import app

FILE = Path(__file__).parents[2] / "Jenkinsfile"
TEXT = FILE.read_text()


def stages():
    return [block for block in parse(TEXT).block("stages").blocks if block.name == "stage"]


def test_it_has_the_stages_in_their_order():
    assert [stage.head for stage in stages()] == [
        "stage('lab')",
        "stage('deploy')",
        "stage('validate')",
        "stage('perf')",
    ]


def test_nothing_is_wrong_with_its_shape():
    assert pipeline_problems(parse(TEXT)) == []


def test_every_sh_step_is_a_command_that_the_command_line_knows():
    """Parsed by the command line itself, down to each option; nothing is run."""
    commands = parse(TEXT).commands()
    assert len(commands) == TEXT.count("sh '")
    for words in commands:
        assert words[0] == "./iec4"
        command, arguments = typer.main.get_command(app), words[1:]
        context = typer.Context(command)
        while hasattr(command, "commands"):
            name, *arguments = arguments
            command = command.commands[name]
            context = typer.Context(command, parent=context)
        command.parse_args(context, list(arguments))
        assert not context.args, words


def test_every_stage_works_on_the_one_run_directory():
    for words in parse(TEXT).commands():
        if words[1] != "lab":
            assert words[words.index("--run") + 1] == "$RUN_DIR"


def test_what_parameters_say_reaches_the_shell_as_quoted_variables_only():
    """A value is never pasted into a script: it could be one."""
    for line in TEXT.splitlines():
        if line.strip().startswith("sh "):
            assert line.strip()[3] == "'"
            assert line.count('"$') == line.count("$")


def test_the_report_is_written_archived_and_published_and_the_lab_taken_down_last():
    always = parse(TEXT).block("post", "always")
    assert [block.name for block in always.blocks] == ["catchError"]
    assert always.blocks[0].commands() == [["./iec4", "report", "--run", "$RUN_DIR"]]
    assert [step.split()[0] for step in always.steps] == ["archiveArtifacts", "junit"]
    assert parse(TEXT).block("post", "cleanup").commands() == [["./iec4", "lab", "down"]]


def test_no_error_is_swallowed():
    for path in parse(TEXT).walk():
        if path[-1].name == "catchError":
            assert "buildResult: 'FAILURE'" in path[-1].head
            assert "catchInterruptions: false" in path[-1].head


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("label \"${params.BUILD_NODE ?: 'iec4'}\"", "docker 'x'", "no agent label"),
        ("        timestamps()\n", "", "no option timestamps"),
        ("archiveArtifacts artifacts", "echo text", "archiveArtifacts does not happen"),
        ("            junit testResults", "            echo testResults", "junit does not happen"),
        ("timeout(time: 5, unit: 'MINUTES')", "retry(2)", "sh without a time-out"),
        ("timeout(time: 15, unit: 'MINUTES')", "retry(2)", "sh without a time-out"),
        ("catchError(", "script(", "script is logic"),
        ("catchError(", "if (", "if is logic"),
    ],
)
def test_a_change_for_the_worse_is_found(old, new, says):
    assert old in TEXT
    assert says in "; ".join(pipeline_problems(parse(TEXT.replace(old, new))))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pipeline {\n  stages {\n  }\n", "line 1: this block is not closed"),
        ("pipeline {\n}\n}\n", "line 3: closes a block"),
        ("pipeline {\n stage('a') { } stage('b') { }\n}\n", "line 2: more than one block"),
        ("pipeline {\n echo 'a'; echo 'b'\n}\n", "line 2: more than one"),
        ("pipeline {\n } else {\n}\n", "line 2: more than one"),
        ("pipeline {\n echo 'open\n}\n", "line 2: more than one"),
        ("def x = 1\npipeline {\n}\n", "nothing beside it"),
        ("", "there must be one pipeline"),
    ],
)
def test_what_does_not_keep_to_one_block_a_line_is_refused(text, says):
    with pytest.raises(JenkinsfileError, match=says):
        parse(text)


def test_strings_and_comments_may_hold_braces():
    text = "pipeline {\n  // } a comment {\n  echo \"${a ?: '}'} {\"\n  sh 'echo \\'}\\''\n}\n"
    assert parse(text).steps == ["echo \"${a ?: '}'} {\"", "sh 'echo \\'}\\''"]


def test_its_shell_lines_are_sound(tmp_path):
    """As ShellCheck, which we did not write, sees them."""
    script = tmp_path / "steps.sh"
    lines = [line.strip()[4:-1] for line in TEXT.splitlines() if line.strip().startswith("sh '")]
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
