"""What happens after a build's steps: test results, artifacts, its description."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from xml.etree.ElementTree import Element

from blueprints.guarded_xml import XmlRefused
from lab.jenkins.embedded import console, junit
from lab.jenkins.embedded.building import Running
from lab.jenkins.embedded.patterns import matching

#: The file in a build's directory that has its test report.
REPORT = "junit.json"


async def publish(build: Running, publisher: Element) -> None:
    """Do what one publisher of a freestyle job says. Raises `nodes.NodeDown`."""
    kind = publisher.tag.rpartition(".")[2]
    if kind == "JUnitResultArchiver":
        await record_tests(
            build,
            publisher.findtext("testResults") or "",
            allow_empty=publisher.findtext("allowEmptyResults") == "true",
        )
    elif kind == "ArtifactArchiver":
        await archive(
            build,
            publisher.findtext("artifacts") or "",
            publisher.findtext("excludes") or "",
            allow_empty=publisher.findtext("allowEmptyArchive") == "true",
        )
        if publisher.findtext("fingerprint") == "true":
            build.console.line("Recording fingerprints")
    elif kind == "DescriptionSetterPublisher":
        set_description(build, publisher)
    elif kind == "WsCleanup":
        await clean_workspace(build, publisher)
    else:
        build.console.line(f"[embedded] {publisher.tag} is not emulated")


async def clean_workspace(build: Running, cleanup: Element) -> None:
    """Empty the workspace, or remove what the patterns of ``cleanup`` name."""
    assert build.node is not None, "it is done where the steps run"
    build.console.line("[WS-CLEANUP] Deleting project workspace...")
    patterns = list(cleanup.iterfind("patterns/*"))
    if not patterns:
        await build.node.wipe(build.workspace)
        return
    by_type: dict[str, list[str]] = {"INCLUDE": [], "EXCLUDE": []}
    for each in patterns:
        by_type[each.findtext("type") or "INCLUDE"].append(each.findtext("pattern") or "")
    names = matching(
        await build.node.files(build.workspace),
        ",".join(by_type["INCLUDE"]) or "**",
        ",".join(by_type["EXCLUDE"]),
    )
    await build.node.remove(build.workspace, names)


async def record_tests(build: Running, pattern: str, *, allow_empty: bool) -> None:
    """Read JUnit files of the workspace; failures make the build unstable."""
    assert build.node is not None, "publishers run where the steps ran"
    build.console.line("Recording test results")
    names = matching(await build.node.files(build.workspace), pattern)
    with tempfile.TemporaryDirectory(prefix="jenkins-") as scratch:
        await build.node.fetch(build.workspace, names, Path(scratch))
        try:
            report = junit.report(Path(scratch, name) for name in names)
        except (XmlRefused, ValueError) as error:
            build.console.line(f"ERROR: a test report cannot be read: {error}")
            build.worsen("FAILURE")
            return
    if report["empty"]:
        if allow_empty:
            build.console.line("None of the test reports contained any result")
            return
        build.console.line("ERROR: No test report files were found. Configuration error?")
        build.worsen("FAILURE")
        return
    (build.place.directory / REPORT).write_text(json.dumps(report))
    build.console.line("[Checks API] No suitable checks publisher found.")
    if report["failCount"]:
        build.console.line(
            "Build step 'Publish JUnit test result report' changed build result to UNSTABLE"
        )
        build.worsen("UNSTABLE")


async def archive(build: Running, includes: str, excludes: str, *, allow_empty: bool) -> None:
    """Copy files of the workspace to the build."""
    assert build.node is not None, "publishers run where the steps ran"
    build.console.line("Archiving artifacts")
    names = matching(await build.node.files(build.workspace), includes, excludes)
    if names:
        await build.node.fetch(build.workspace, names, build.artifacts)
    elif not allow_empty:
        build.console.line(
            f'ERROR: No artifacts found that match the file pattern "{includes}". '
            "Configuration error?"
        )
        build.worsen("FAILURE")


def set_description(build: Running, publisher: Element) -> None:
    """Take the build's description from its log, by a regular expression."""
    log = console.plain(build.place.directory / "log").decode(errors="replace")
    failed = build.result in ("FAILURE", "ABORTED")
    pattern = publisher.findtext("regexpForFailed" if failed else "regexp") or ""
    try:
        found = re.search(pattern, log, re.MULTILINE) if pattern else None
        if found is None:
            build.console.line("[description-setter] Could not determine description.")
            return
        template = publisher.findtext("description") or r"\1"
        build.description = found.expand(template)
    except re.error:
        build.console.line("[description-setter] Error while parsing logs for description-setter")
        return
    build.console.line(f"[description-setter] Description set: {build.description}")
