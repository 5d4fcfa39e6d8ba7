"""What mutated inputs found: each smallest input is now refused as its parser documents."""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from blueprints import vuls
from blueprints.config import Document
from blueprints.errors import ConfigError, Unacceptable
from jobs import jenkinsfile
from lab import clock
from lab.classroom import errors
from lab.classroom.records import read_cdr_line
from lab.classroom.token import Token
from lab.classroom.wire import Malformed
from lab.errors import LabError
from lab.iec import kubeconfig
from lab.iec.client import Refused
from lab.iec.execution import exit_status
from lab.jenkins.console import ConsoleLog
from lab.jenkins.embedded import exports, junit
from lab.tars import managed
from lab.tars.body import Double, Struct, field
from lab.tars.encodings import decode_arguments
from lab.tars.errors import BrokenConfiguration, MalformedBody
from lab.tars.packets import Version
from lab.tars.web import TarsWeb
from lab.tars.web.answers import WebRefused
from perf import handover
from perf.histogram import Histogram
from pipeline import rundir
from reports.results import read_results
from reports.scan import scan
from submission import ledger
from submission.untrusted import parse_yaml, read_zip

#: A number that JSON may have, and a double cannot.
BEYOND = "9" * 400
DEEP = "[" * 20_000


class Numbered(Struct, frozen=True):
    number: Double = field(tag=0)


@pytest.mark.parametrize(
    "text",
    ["a: !!int ''", "a: !!bool maybe", "a: !!timestamp b", "a: !!float", "a: 2026-13-01"],
)
def test_yaml_whose_tag_cannot_have_the_value(text: str, tmp_path: Path) -> None:
    with pytest.raises(Unacceptable, match="not valid YAML"):
        parse_yaml(text.encode())
    file = tmp_path / "lab.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"lab\.yaml:1:4: .* no (int|bool|timestamp|float)$"):
        Document(file)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a: \xd4", "byte 4 is not UTF-8"),
        (b"a: \0", "not valid YAML: unacceptable character"),
        (b"[" * 65 + b"]" * 65, r"lab\.yaml:1:65: .*nested deeper than 64 levels"),
        (DEEP.encode(), r"lab\.yaml:1:1001: .*exceeded maximum nesting depth"),
        (b"a: &a [*a]", "an alias within what it names"),
        (b"a: &a [" + b"x," * 400 + b"]\nb: &b [" + b"*a," * 400 + b"]", "more than 50000 values"),
    ],
)
def test_configuration_that_is_no_text_or_too_much(data: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=says):
        Document(file)


def _packed(method: int, name: str, *, damaged: bool = False) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr(name, b"{}" * 200)
    data = bytearray(made.getvalue())
    if damaged:  # in the packed bytes, behind the local head
        at = 30 + len(name) + 12
        data[at : at + 8] = b"\xff" * 8
    return bytes(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("damaged", [False, True])
def test_zip_files_that_are_packed_unusually(method: int, damaged: bool, tmp_path: Path) -> None:
    place = tmp_path / "files"
    place.mkdir()
    file = place / "a.zip"
    file.write_bytes(_packed(method, "run.json", damaged=damaged))
    with pytest.raises(Unacceptable, match="packed neither by deflate"):
        read_zip(file)
    with pytest.raises(ConfigError, match="packed neither by deflate"):
        read_results(file)
    assert scan(place, lambda _: False) == [
        "a.zip could not be searched for secrets: it is a zip file packed in an unusual way"
    ]


def test_a_zip_file_of_a_later_version_cannot_be_searched(tmp_path: Path) -> None:
    data = bytearray(_packed(zipfile.ZIP_DEFLATED, "a"))
    central = data.index(b"PK\x01\x02")
    data[central + 6 : central + 8] = struct.pack("<H", 128)
    (tmp_path / "a.zip").write_bytes(data)
    assert scan(tmp_path, lambda _: False) == [
        "a.zip could not be searched for secrets: it is a damaged zip file"
    ]


def test_a_zip_file_s_member_without_a_name(tmp_path: Path) -> None:
    data = _packed(zipfile.ZIP_DEFLATED, "a").replace(b"a", b"\0")  # a name ends at its zero
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(Unacceptable, match="a member without a name"):
        read_zip(tmp_path / "a.zip")


def test_a_server_s_configuration_with_a_number_beyond_all_bounds() -> None:
    text = (
        "<tars>\n<application>\n<server>\napp=a\nserver=b\n{}\n</server>\n</application>\n</tars>"
    )
    managed.read_configuration(text.format(""))
    with pytest.raises(BrokenConfiguration, match="OverflowError"):
        managed.read_configuration(text.format(f"deactivating-timeout={BEYOND}"))
    with pytest.raises(BrokenConfiguration, match="the server's node has no endpoint"):
        managed.read_configuration(text.format("node=tars.tarsnode.ServerObj"))
    with pytest.raises(BrokenConfiguration, match="AttributeError"):
        managed.read_configuration(text.format("<node>\na=b\n</node>"))


def test_numbers_that_no_double_holds() -> None:
    with pytest.raises(Malformed, match="duration"):
        read_cdr_line(
            f'{{"participantLeft":{{"sessionId":"s","timestamp":1,"duration":{BEYOND}}}}}'
        )
    with pytest.raises(MalformedBody, match="holds no Numbered"):
        decode_arguments(Numbered, b'{"number":%s}' % BEYOND.encode(), Version.JSON)
    report = '{"family":"ubuntu","release":"20.04","scannedCves":{"CVE-2020-0001":{"cveContents":'
    with pytest.raises(Unacceptable, match="no report of Vuls"):
        vuls.judge(f'{report}{{"nvd":{{"cvss3Score":{BEYOND}}}}}}}}}}}'.encode(), {}, 9.0)


def test_a_token_that_is_no_url() -> None:
    with pytest.raises(Malformed, match="a token is no URL"):
        Token.from_url("//[")


def test_json_that_is_nested_too_deep() -> None:
    assert errors.ErrorBody.parse(DEEP) is None


@pytest.mark.parametrize("body", ["null", "true", '{"a": 1}', "[null]", "[[]]"])
def test_tarsweb_s_answers_without_rows(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = httpx.Response(200, text=f'{{"data": {body}, "ret_code": 200}}')
    web = TarsWeb("http://127.0.0.1:1")
    monkeypatch.setattr(web, "request", lambda *_, **__: answer)
    with pytest.raises(WebRefused, match="no list of objects in the answer"):
        web.servers("Demo")
    with pytest.raises(WebRefused, match="no list of objects in the answer"):
        web.states([])
    web.close()


@pytest.mark.parametrize(("time", "seconds"), [("0b1e-3", 0.0), ("nan", 0.0), ("1.5", 1.5)])
def test_a_build_s_junit_file_with_a_time_that_is_none(
    time: str, seconds: float, tmp_path: Path
) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(f'<testsuite><testcase name="a" time="{time}"/></testsuite>')
    assert junit.report([file])["duration"] == seconds


def test_brackets_within_brackets_of_the_api_s_tree() -> None:
    with pytest.raises(exports.BadTree, match="more than 64 brackets"):
        exports.parse_tree("a[" * 5000)


def test_a_jenkinsfile_s_step_that_no_shell_takes() -> None:
    text = "pipeline {\n  stages {\n    sh 'echo \"'\n  }\n}\n"
    with pytest.raises(jenkinsfile.JenkinsfileError, match="line 3: no shell takes this"):
        jenkinsfile.parse(text).commands()


def test_a_log_of_notes_that_never_end_is_read_in_no_time() -> None:
    data = b"\x1b[8mha:" * 40_000
    log = ConsoleLog()
    begin = time.process_time()
    log.feed(len(data), data)
    assert log.finish().count("ha:") == 40_000
    assert time.process_time() - begin < 2  # it took minutes


GOOD = Histogram()
GOOD.record_batch([5.0, 100.0])


@pytest.mark.parametrize(
    "change",
    [
        lambda told: {**told, "buckets": [[0.5, 2]]},
        lambda told: {**told, "buckets": [[5, 10**30]]},
        lambda told: {**told, "sum": 10**400},
        lambda told: {**told, "count": float("inf")},
        lambda told: [told],
    ],
)
def test_damaged_histograms(change: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(ValueError, match="histogram"):
        Histogram.from_json(change(GOOD.to_json()))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["5", "[]", DEEP, '{"latencies": 5, "plan": 5}'])
def test_a_load_generator_s_nonsense(text: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(text)
    with pytest.raises(handover.LoadBroken):
        handover.read(file)


KUBECONFIG = {
    "current-context": "a",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "u", "user": {"token": "a-token-of-it"}}],
    "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
}


@pytest.mark.parametrize(
    "changed",
    [
        {"users": [{"name": "u", "user": {"token": 5}}]},
        {"users": [{"name": "u", "user": None}]},
        {"users": [{"name": "u", "user": {"client-key-data": "\u00e9"}}]},
        {"users": [{"name": "u", "user": {"client-key": "a\0b"}}]},
    ],
)
def test_kubeconfigs_that_are_none(changed: dict[str, object]) -> None:
    kubeconfig.read(json.dumps(KUBECONFIG))
    with pytest.raises(LabError, match="the kubeconfig"):
        kubeconfig.read(json.dumps({**KUBECONFIG, **changed}))


@pytest.mark.parametrize("text", ["a: !!int ''", "a: 2026-13-01", DEEP])
def test_a_kubeconfig_that_is_no_yaml(text: str) -> None:
    with pytest.raises(LabError, match="the kubeconfig cannot be read"):
        kubeconfig.read(text)


def test_a_clock_s_words_that_are_long() -> None:
    begin = time.process_time()
    with pytest.raises(ValueError, match="timesyncd says nothing"):
        clock.read("timesyncd\nStratum: 2\n" + " \n" * 20_000 + "a")
    with pytest.raises(ValueError, match="ntpd says nothing"):
        clock.read("ntpd\n" + "9" * 60_000)
    with pytest.raises(ValueError, match="timesyncd says nothing"):
        clock.read("timesyncd\nStratum: 2\nLeap: normal\nServer: a\nOffset: " + "9" * 60_000)
    assert time.process_time() - begin < 2  # it took a minute


@pytest.mark.parametrize("text", ['{"schema": 2, "stages": [1]}', "[2]", '{"schema": 2}'])
def test_a_damaged_run_is_not_gone_on_with(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text.replace("2", str(rundir.SCHEMA), 1))
    with pytest.raises(ConfigError, match=r"run\.json (is damaged: |has schema)"):
        rundir.RunDirectory.open(tmp_path)


def test_a_text_without_an_end_is_no_jenkinsfile() -> None:
    text = "pipeline {\n agent none\n stages {\n stage('a\r') {\n }\n }\n}\n"
    with pytest.raises(jenkinsfile.JenkinsfileError, match="line 4: a text in quotes has no end"):
        jenkinsfile.parse(text)


def test_a_status_of_exec_without_a_code_is_a_refusal() -> None:
    with pytest.raises(Refused, match="500"):
        exit_status("/exec", b'{"status": "Failure", "code": null}')


@pytest.mark.parametrize("text", ['[{"stamp": ["a"]}]', "{}", "[" * 10_000])
def test_a_damaged_ledger_of_uploads_spends_nothing_unseen(text: str, tmp_path: Path) -> None:
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "ledger.json").write_text(text)
    with pytest.raises(ledger.Refused, match="is damaged"):
        ledger.Ledger.of(tmp_path)
