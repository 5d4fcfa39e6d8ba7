"""Uploads that go well, and every way in which they do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import requests

from lab.loopback import ca
from lab.wait import wait_for
from submission.akraino_ui import Notification, UiFailed, notify
from submission.bundle import Bundle
from submission.doubles.akraino_ui import AkrainoUi
from submission.doubles.nexus import Fault
from submission.doubles.nexus import Nexus as NexusDouble
from submission.ledger import ABSENT, COMPLETE, PARTIAL, Entry, Ledger, Refused
from submission.nexus import Nexus, NexusRefused
from submission.tls import Untrusted
from submission.upload import Place, Upload
from tests.submission.conftest import BLUEPRINT, SUITES, make_lab_run
from tests.submission.test_bundle import BEGAN, STAMP, bundle_of

PLACE = Place("inwinstack", "iec-type4", "master")
CREDENTIALS = ("iec4", "not-a-secret")
Send = Callable[..., Entry]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle_of(make_lab_run(tmp_path_factory.mktemp("upload"), "inwinstack"))


@pytest.fixture
def nexus() -> Iterator[NexusDouble]:
    with NexusDouble() as double:
        yield double


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.json"


@pytest.fixture
def send(nexus: NexusDouble, bundle: Bundle, ledger_file: Path) -> Send:
    """Upload the bundle to the double, with ever so little patience."""

    def upload(
        *, attempts: int = 3, began: datetime = BEGAN, credentials: tuple[str, str] = CREDENTIALS
    ) -> Entry:
        with (
            Nexus(nexus.url, credentials=credentials, timeout=10) as client,
            Ledger(ledger_file).held() as ledger,
        ):
            work = Upload(
                client, bundle, PLACE, ledger, began=began, attempts=attempts, backoff=0.01
            )
            return wait_for("the upload", work.attempt, timeout=30, interval=0.01)

    return upload


def uploads(nexus: NexusDouble) -> list[str]:
    """The timestamps under which something was posted, in order."""
    return [r.path.rpartition("/")[2] for r in nexus.requests if r.method == "POST"]


def states(ledger_file: Path) -> dict[str, str]:
    return {entry["stamp"]: entry["state"] for entry in json.loads(ledger_file.read_text())}


def test_a_bundle_arrives_and_is_read_back(
    nexus: NexusDouble, send: Send, bundle: Bundle, ledger_file: Path
) -> None:
    done = send()
    assert (done.stamp, done.state) == (STAMP, COMPLETE)
    place = f"inwinstack/bluval_results/iec-type4/master/{STAMP}/"
    assert nexus.files == {place + name: data for name, data in bundle.files.items()}
    read = {r.path for r in nexus.requests if r.method == "GET"}
    assert {f"/content/sites/logs/{name}" for name in nexus.files} <= read
    assert states(ledger_file) == {STAMP: COMPLETE}


@pytest.mark.parametrize("status", [500, 503, 0], ids=["500", "503", "cut"])
def test_a_part_is_left_alone_and_the_whole_goes_up_again(
    nexus: NexusDouble, send: Send, bundle: Bundle, ledger_file: Path, status: int
) -> None:
    nexus.faults.append(Fault(status, files=3))
    done = send()
    assert done.stamp == "20261124-165101"
    assert uploads(nexus) == [STAMP, "20261124-165101"]
    assert states(ledger_file) == {STAMP: PARTIAL, "20261124-165101": COMPLETE}
    assert sum(f"/{STAMP}/" in name for name in nexus.files) == 3
    assert sum("/20261124-165101/" in name for name in nexus.files) == len(bundle.files)


def test_an_upload_that_arrived_though_the_answer_did_not_is_not_repeated(
    nexus: NexusDouble, send: Send
) -> None:
    nexus.faults.append(Fault(0, files=None))
    assert send().stamp == STAMP
    assert uploads(nexus) == [STAMP]


def test_a_timestamp_is_spent_even_if_nothing_arrived(
    nexus: NexusDouble, send: Send, ledger_file: Path
) -> None:
    nexus.faults.append(Fault(503, files=0))
    assert send().stamp == "20261124-165101"
    assert states(ledger_file)[STAMP] == ABSENT


def test_a_file_that_arrives_otherwise_than_it_was_sent_is_found(
    nexus: NexusDouble, send: Send, ledger_file: Path
) -> None:
    nexus.spoil.add("os/iec4/output.xml")
    with pytest.raises(Refused, match=r"results/os/iec4/output\.xml differs"):
        send(attempts=2)
    assert set(states(ledger_file).values()) == {PARTIAL}


def test_a_later_call_never_uses_a_spent_timestamp(nexus: NexusDouble, send: Send) -> None:
    nexus.faults.extend([Fault(500, files=1), Fault(500, files=1)])
    with pytest.raises(Refused, match="the upload came to nothing"):
        send(attempts=2)
    assert send().stamp == "20261124-165102"
    assert len(set(uploads(nexus))) == 3


def test_timestamps_of_others_in_the_silo_are_left_alone(nexus: NexusDouble, send: Send) -> None:
    nexus.files[f"inwinstack/bluval_results/rec/1.0/{STAMP}/results/x"] = b"theirs"
    nexus.files["other-lab/bluval_results/rec/1.0/20261124-165101/results/x"] = b"theirs"
    nexus._store(f"inwinstack/bluval_results/rec/1.0/{STAMP}/results/x", b"theirs")
    assert send().stamp == "20261124-165101"


def test_an_upload_whose_end_was_not_seen_is_looked_at_first(
    nexus: NexusDouble, send: Send, ledger_file: Path
) -> None:
    send()
    entries = json.loads(ledger_file.read_text())
    entries[0]["state"] = "posting"  # as a process leaves it that is killed in the middle
    ledger_file.write_text(json.dumps(entries))
    assert send().stamp == STAMP
    assert uploads(nexus) == [STAMP]


def test_wrong_credentials_are_told_once(nexus: NexusDouble, send: Send) -> None:
    with pytest.raises(NexusRefused, match="answered 403") as refused:
        send(credentials=("iec4", "wrong-one"))
    assert len(uploads(nexus)) == 1
    assert "wrong-one" not in str(refused.value)


def test_nothing_listens(bundle: Bundle, ledger_file: Path) -> None:
    with Nexus("http://127.0.0.1:9", timeout=5) as client, Ledger(ledger_file).held() as ledger:
        work = Upload(client, bundle, PLACE, ledger, began=BEGAN, attempts=2, backoff=0.01)
        with pytest.raises(Refused, match=r"came to nothing: .*could not be read"):
            wait_for("the upload", work.attempt, timeout=30, interval=0.01)
    assert ledger.spent() == set()


def test_a_ledger_is_held_by_one_at_a_time(ledger_file: Path) -> None:
    with (
        Ledger(ledger_file).held(),
        pytest.raises(Refused, match="another"),
        Ledger(ledger_file).held(),
    ):
        pass


def test_a_damaged_ledger_stops_the_upload(nexus: NexusDouble, send: Send,
                                           ledger_file: Path) -> None:  # fmt: skip
    ledger_file.write_text("[{")
    with pytest.raises(Refused, match="damaged"):
        send()
    assert nexus.requests == []


def test_credentials_go_with_the_upload_only(nexus: NexusDouble, send: Send) -> None:
    send()
    assert {r.method for r in nexus.requests if "authorization" in r.headers} == {"POST"}


def test_the_double_asks_who_is_there(nexus: NexusDouble) -> None:
    url = f"{nexus.url}/service/local/repositories/logs/content-compressed/a/b"
    answer = httpx.post(url, content=b"")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("BASIC realm=")
    elsewhere = url.replace("/logs/", "/images/")
    assert httpx.post(elsewhere, content=b"", auth=CREDENTIALS).status_code == 404
    assert httpx.post(url, content=b"no zip", auth=CREDENTIALS).status_code == 500


@pytest.fixture
def ui(nexus: NexusDouble) -> Iterator[AkrainoUi]:
    with AkrainoUi(nexus.url, {"inwinstack"}, "iec4-akraino-ui") as double:
        yield double


def told(submission: int, stamp: str = STAMP, name: str = "iec4-akraino-ui") -> Notification:
    return Notification(name, 7, submission, stamp)


def test_the_ui_shows_what_was_uploaded(ui: AkrainoUi, send: Send) -> None:
    submission = ui.submit(blueprint="iec-type4", layer="all", version="master", lab="inwinstack")
    send()
    notify(ui.url, told(submission.id))
    assert submission.state == "Completed"
    assert submission.build_number == 7
    result = submission.result
    assert result is not None
    assert (result.verdict, result.all_layers) == (True, True)
    assert result.dropped == {}
    assert set(result.suites) == SUITES
    assert result.suites["os/iec4"].tests[0] == (f"OS-01 {BLUEPRINT.by_id['OS-01'].title}", "PASS")


@pytest.mark.parametrize(
    ("submission", "stamp"), [(99, STAMP), (1, "20200101-000000")], ids=["id", "stamp"]
)
def test_the_ui_says_500_to_what_it_does_not_know(
    ui: AkrainoUi, send: Send, submission: int, stamp: str
) -> None:
    ui.submit(blueprint="iec-type4", layer="all", version="master", lab="inwinstack")
    send()
    with pytest.raises(UiFailed, match="answered 500"):
        notify(ui.url, told(submission, stamp))


def test_a_job_of_another_name_changes_nothing(ui: AkrainoUi, send: Send) -> None:
    submission = ui.submit(blueprint="iec-type4", layer="all", version="master", lab="inwinstack")
    send()
    notify(ui.url, told(submission.id, name="another"))
    assert submission.state == "Submitted"


def test_the_ui_loses_what_it_cannot_bind(nexus: NexusDouble, ui: AkrainoUi, send: Send) -> None:
    send()
    name = f"inwinstack/bluval_results/iec-type4/master/{STAMP}/results/os/iec4/output.xml"
    nexus.files[name] = nexus.files[name].replace(b"<errors>", b"<errors><msg>w</msg>")
    result = ui.read("inwinstack", "iec-type4", "master", STAMP)
    assert "os/iec4" not in result.suites
    assert "drops the suite" in result.dropped["os"]


def test_the_ui_away_is_one_error() -> None:
    with pytest.raises(UiFailed, match="cannot be told"):
        notify("http://127.0.0.1:9", told(1))


def test_the_ui_is_verified_by_a_ca_of_ones_own(
    nexus: NexusDouble, server_certificate: Path
) -> None:
    double = AkrainoUi(nexus.url, {"inwinstack"}, "iec4-akraino-ui")
    double.secure(server_certificate)
    with double as ui:
        with pytest.raises(Untrusted, match="--ca FILE"):
            notify(ui.url, told(1))
        assert ui.requests == []
        with pytest.raises(UiFailed, match="answered 500"):  # it knows of no submission
            notify(ui.url, told(1), ca=server_certificate.parent / ca.CERTIFICATE)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_requests_uploads_as_lftools_does(
    nexus: NexusDouble, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """lftools deploy nexus-zip: the archive as the body, the credentials from netrc."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {CREDENTIALS[0]} password {CREDENTIALS[1]}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    url = f"{nexus.url}/service/local/repositories/logs/content-compressed/{PLACE.under(STAMP)}"
    answer = requests.request(method, url, data=bundle.zip.read_bytes(), timeout=30)
    assert answer.status_code == 201
    site = f"{nexus.url}/content/sites/logs/{PLACE.under(STAMP)}"
    for name, data in bundle.files.items():
        assert requests.get(f"{site}/{name}", timeout=30).content == data
    assert requests.get(f"{site}/results", timeout=30).url == f"{site}/results/"
