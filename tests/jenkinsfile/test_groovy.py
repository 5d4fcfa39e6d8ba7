"""What brings Groovy: it says what to install, and takes no other file for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError, ToolMissing
from lab.jenkins import groovy
from tests.jenkins_double.running import with_groovy


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path))
    return tmp_path


def test_without_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match=r"no java .* apt install default-jre-headless maven"):
        groovy.prepared()


def test_without_java_its_tests_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(pytest.skip.Exception, match="apt install"):
        with_groovy()


def test_another_jar_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = cache / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(java.parent))
    jar = cache / "groovy" / f"groovy-all-{groovy.VERSION}.jar"
    jar.parent.mkdir()
    jar.write_bytes(b"no Groovy")
    with pytest.raises(LabError, match=rf"{jar.name} is not Groovy .* expected: {groovy.SHA256}"):
        groovy.prepared()
