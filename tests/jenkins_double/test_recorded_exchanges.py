"""Recorded requests to Jenkins 2.528.2, sent to the embedded one: the same answers.

docs/embedded-jenkins.md lists the recorded exchanges that are not here: they are not emulated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jenkins_double.recorded import EXCHANGES, HEADERS, comparable, exchange, text_of
from tests.jenkins_double.running import (
    Answer,
    Master,
    freestyle,
    parameter,
    parameters,
    running_master,
)

#: Exchanges about jobs that have been built: they read what two builds have left.
BUILT = {
    "artifact", "artifact-missing", "artifact-range", "build-result-tree",
    "build-unknown-log", "build-unknown-number", "consoletext", "job-api-with-builds",
    "job-builds-range", "lastbuild", "lastbuild-buildnumber", "lastfailedbuild-none",
    "laststablebuild", "log-head", "log-no-start", "log-post", "log-start-0", "log-start-beyond",
    "log-start-end-plus-1", "log-start-exact-end", "log-start-middle", "log-start-negative",
    "log-start-text", "testreport-missing", "testreport-tree",
    "testreport-unstable",
}  # fmt: skip
#: Exchanges that lie there for the client's tests, and are not emulated.
NOT_HERE = {"pipeline-config-after-run": "a run does not write its job's config.xml anew"}
NAMES = sorted({path.stem for path in EXCHANGES.glob("*.json")} - NOT_HERE.keys())

COPY = "/createItem?name={}&mode=copy&from=rec-seed"
#: exchange → requests before it: (method, path, the exchange whose body it has, or None)
FIRST: dict[str, tuple[tuple[str, str, str | None], ...]] = {
    "bwp-missing-parameters": (("POST", "/job/rec-slow/buildWithParameters?delay=60sec", None),),
    "bwp-json-body": (("POST", "/job/rec-slow/buildWithParameters?delay=60sec", None),),
    "build-unparameterized-again": (("POST", "/job/rec-third/build?delay=60sec", None),),
    "configxml-get-after-disable": (("POST", "/job/rec-new/disable", None),),
    "configxml-get-after-post": (("POST", "/job/rec-new/config.xml", "configxml-post"),),
    "configxml-get-after-bad-posts": (
        ("POST", "/job/rec-new/config.xml", "configxml-post-broken"),
    ),
    "createitem-copy-api": (("POST", COPY.format("rec-copy"), None),),
    "createitem-name-unicode-api": (("POST", "", "createitem-name-unicode"),),
    "createitem-unknown-element-config": (("POST", "", "createitem-unknown-element"),),
    "createitem-unknown-element-config-saved": (
        ("POST", "", "createitem-unknown-element"),
        ("POST", "/job/rec-unkel/disable", None),
    ),
    "createitem-xml-utf8-description": (("POST", "", "createitem-xml-utf8"),),
    "createitem-xml-wrong-encoding-description": (("POST", "", "createitem-xml-wrong-encoding"),),
    "dodelete": (("POST", COPY.format("rec-renamed"), None),),
    "delete-method": (("POST", COPY.format("rec-copy"), None),),
    "delete-method-no-slash": (("POST", COPY.format("rec-copy3"), None),),
    "description-get": (("POST", "", "description-post"),),
    "disable-again": (("POST", "/job/rec-new/disable", None),),
}
#: Exchanges that were recorded before rec-new, rec-third and rec-slow were there.
ONLY_SEED = {"reader-root-jobs", "root-api", "root-api-tree-jobs"}
MAKES_REC_NEW = {"createitem-ok"}

DEFINITIONS = parameters(
    parameter("String", "SUITE", "<description/><defaultValue>smoke</defaultValue>"),
    parameter(
        "Choice",
        "RIG",
        '<choices class="java.util.Arrays$ArrayList"><a class="string-array">'
        "<string>rig-a</string><string>rig-b</string></a></choices>",
    ),
    parameter("Boolean", "CLEAN", "<defaultValue>false</defaultValue>"),
)
SLOW = """mkdir -p out
echo "suite $SUITE on $RIG clean $CLEAN"
for i in 1 2 3 4 5; do echo "tick $i äöü"; done
F=""
N=0
if [ "$CLEAN" = true ]
then F='<failure message="expected 1 got 2">trace line 1</failure>'; N=1
fi
echo '<testsuite name="rig" tests="3" failures="'$N'"><testcase classname="pkg.C" name="a" \
time="0.5"/><testcase classname="pkg.C" name="b" time="0.25">'$F'</testcase><testcase \
classname="pkg.C" name="c"><skipped message="later"/></testcase></testsuite>' >out/r.xml
"""
PUBLISHERS = (
    "<hudson.tasks.junit.JUnitResultArchiver><testResults>out/*.xml</testResults>"
    "</hudson.tasks.junit.JUnitResultArchiver>"
    "<hudson.tasks.ArtifactArchiver><artifacts>out/**</artifacts></hudson.tasks.ArtifactArchiver>"
)
SLOW_JOB = freestyle(SLOW, properties=DEFINITIONS, publishers=PUBLISHERS)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """Two builds of rec-slow, the second one unstable; one of rec-fail."""
    with running_master(tmp_path_factory.mktemp("built")) as master:
        master.create("rec-slow", SLOW_JOB)
        master.create("rec-fail", freestyle("exit 3"))
        master.create("rec-new", freestyle("echo hello"))
        assert master.run("rec-fail")["result"] == "FAILURE"
        assert master.run("rec-slow", RIG="rig-b")["result"] == "SUCCESS"
        assert master.run("rec-slow", CLEAN="true")["result"] == "UNSTABLE"
        yield master


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    home: Path = tmp_path_factory.mktemp("changing")
    with running_master(home, "--labels", "linux") as master:
        yield master


def reset(master: Master, name: str) -> None:
    """The jobs that the exchange was recorded with, and nothing else."""
    for item in master.get("/queue/api/json")["items"]:
        master.ask("POST", f"/queue/cancelItem?id={item['id']}")
    for job in master.get("/api/json?tree=jobs[url]")["jobs"]:
        path = job["url"].removeprefix(master.url)
        assert master.ask("POST", f"{path}doDelete").status == 302
    seed = freestyle("echo seed", properties=DEFINITIONS)
    master.create("rec-seed", seed)
    master.create("rec-off", freestyle("true").replace("<disabled>false", "<disabled>true"))
    if name in ONLY_SEED:
        return
    if name not in MAKES_REC_NEW:
        assert exchange("createitem-ok").send(master).status == 200
    master.create("rec-slow", SLOW_JOB)
    master.create("rec-third", freestyle("true"))
    if name == "label-unknown":
        master.create("rec-nolabel", freestyle("true", label="nosuch"))
    for method, path, source in FIRST.get(name, ()):
        if source is None:
            assert master.ask(method, path).status < 400
        else:
            exchange(source).send(master, path or None)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_answer_as_jenkins(name: str, built: Master, changing: Master) -> None:
    recorded = exchange(name)
    master = built if name in BUILT else changing
    if name not in BUILT:
        reset(master, name)
    path = recorded.path
    if name == "log-start-exact-end":
        path = path.replace("1390", str(_size(master)))
    elif name == "log-start-end-plus-1":
        path = path.replace("1391", str(_size(master) + 1))
    _compare(recorded.response, recorded.send(master, path), master, name)


def _size(master: Master) -> int:
    return int(master.ask("HEAD", "/job/rec-slow/2/logText/progressiveText").headers["X-Text-Size"])


def _compare(recorded: dict[str, Any], found: Answer, master: Master, name: str) -> None:
    assert found.status == recorded["status"], found.raw[:500]
    assert _headers(found, master) == _recorded_headers(recorded)
    kind = recorded["headers"].get("Content-Type", "")
    body = recorded["body"]
    if "json" in kind and found.raw:
        base = f"{master.url}/"
        assert comparable(found.body, base) == comparable(body, base)
    elif "X-Text-Size" in recorded["headers"]:
        assert found.headers["X-Text-Size"] == str(_size(master))
        if name != "log-start-middle":  # its offset points into what is ours
            assert text_of(found.text) == text_of(body)
        assert b"\r\n" in found.raw or not found.raw
    elif "text/html" in kind:
        title = re.search("<title>Error.*?</title>", body)
        assert title is None or title[0] in found.text
    elif kind.startswith("text/plain"):
        crumb = re.compile("(?<=:)[0-9a-f]{64}")
        assert text_of(crumb.sub("", found.text)) == text_of(crumb.sub("", body))
    else:
        assert found.text == body


def _headers(found: Answer, master: Master) -> dict[str, list[str]]:
    headers = {name: found.headers.get_all(name) or [] for name in HEADERS}
    headers["Content-Type"] = [
        value.replace("; ", ";").lower()
        for value in headers["Content-Type"]
        if value != "application/octet-stream"  # aiohttp's, where Jenkins sends none
    ]
    return {
        name: [_place(value, master) for value in values]
        for name, values in headers.items()
        if values
    }


def _place(value: str, master: Master) -> str:
    value = value.replace(f"{master.url}/", "http://JENKINS/")
    return re.sub(r"/queue/item/\d+/", "/queue/item/N/", value)


def _recorded_headers(recorded: dict[str, Any]) -> dict[str, list[str]]:
    found = {}
    for name in HEADERS:
        value = recorded["headers"].get(name)
        if value is not None:
            values = value if isinstance(value, list) else [value]
            values = [v.replace("; ", ";").lower() if name == "Content-Type" else v for v in values]
            found[name] = [re.sub(r"/queue/item/\d+/", "/queue/item/N/", v) for v in values]
    return found
