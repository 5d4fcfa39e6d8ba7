"""``submit`` and ``verify`` as processes, against the doubles of Nexus and of the UI."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from blueprints.evidence import Verdict
from pipeline import cli
from submission.attestation import ATTESTATION, public_pem
from submission.doubles.akraino_ui import AkrainoUi
from submission.doubles.nexus import Fault, Nexus
from tests.pipeline.conftest import Iec4, iec4
from tests.submission.conftest import SUITES, MakeRun

__all__ = ["iec4"]  # a fixture
PASSWORD = "correct-horse-battery"
Done = subprocess.CompletedProcess[str]


@dataclass
class Signer:
    """A key pair: the private key's file, and its public half's."""

    private: Path
    public: Path


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return make_signer(tmp_path, "release")


def make_signer(place: Path, name: str) -> Signer:
    key = Ed25519PrivateKey.generate()
    made = Signer(place / f"{name}.pem", place / f"{name}.pub.pem")
    made.private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    made.public.write_bytes(public_pem(key))
    return made


@pytest.fixture
def nexus() -> Iterator[Nexus]:
    with Nexus(password=PASSWORD) as double:
        yield double


@pytest.fixture
def ui(nexus: Nexus) -> Iterator[AkrainoUi]:
    with AkrainoUi(nexus.url, {"inwinstack", "snd-embedded"}, "iec4-ui", failing=1) as double:
        yield double


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iec4:
    """The command line in this process: the same, without the start of one."""

    def run(*arguments: str, **env: str) -> Done:
        with monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            code = cli.main(list(arguments))
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, shown.out, shown.err)

    return run


def submit(iec4: Iec4, run: Path, signer: Signer, nexus: Nexus, *more: str, **env: str) -> Done:
    return iec4(
        "submit", str(run), "--key", f"file:{signer.private}", "--nexus", nexus.url,
        "--credentials", "env:NEXUS_LOGIN", *more,
        NEXUS_LOGIN=f"iec4:{PASSWORD}", **env,
    )  # fmt: skip


def test_from_a_run_to_the_ui_and_back(
    iec4: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus, ui: AkrainoUi
) -> None:
    run = lab_run("inwinstack")
    submission = ui.submit(blueprint="iec-type4", layer="all", version="4.0", lab="inwinstack")
    nexus.faults.append(Fault(0, files=2))
    told = ("--ui", ui.url, "--submission-id", str(submission.id), "--version", "4.0")
    done = submit(iec4, run, signer, nexus, *told, JOB_NAME="iec4-ui", BUILD_NUMBER="7")
    assert done.returncode == 0, done.stderr
    assert "complete, every file read back" in done.stdout
    assert submission.state == "Completed"
    assert submission.result is not None
    assert submission.result.verdict is True
    assert submission.result.timestamp == "20261124-165101"
    assert set(submission.result.suites) == SUITES
    assert submission.result.dropped == {}
    assert PASSWORD not in done.stdout + done.stderr

    again = submit(iec4, run, signer, nexus, "--version", "4.0")
    assert again.returncode == 0, again.stderr
    assert "nothing is sent a second time" in again.stdout
    assert len([r for r in nexus.requests if r.method == "POST"]) == 2

    assert iec4("verify", str(run), "--key", str(signer.public)).returncode == 0
    beside = iec4("verify", str(run))
    assert beside.returncode == 0
    assert "by whom it was signed is not shown" in beside.stdout


@pytest.mark.parametrize(
    ("state", "more", "says"),
    [
        ({"profile": "embedded"}, (), "was made by the suite itself"),
        ({"interrupted": True}, (), "did not come to its end"),
        ({"scans": False}, (), "mandatory test os/lynis is missing"),
        ({"but": {"OS-01": None}}, ("--sandbox",), "planned and not judged: OS-01"),
    ],
    ids=["embedded", "interrupted", "no scans", "not judged"],
)
def test_what_must_not_be_sent_is_refused(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus,
    state: dict[str, object], more: tuple[str, ...], says: str,
) -> None:  # fmt: skip
    done = submit(here, lab_run("inwinstack", **state), signer, nexus, *more)
    assert done.returncode == 1
    assert says in done.stderr
    assert [line[:9] for line in done.stderr.splitlines()] == ["refused: "] * len(
        done.stderr.splitlines()
    )
    assert nexus.files == {}


def test_nexus_is_verified_by_a_ca_of_ones_own(
    here: Iec4, lab_run: MakeRun, signer: Signer, server_certificate: Path
) -> None:
    run = lab_run("inwinstack")
    double = Nexus(password=PASSWORD)
    double.secure(server_certificate)
    with double as nexus:
        strange = submit(here, run, signer, nexus)
        assert strange.returncode == 3
        assert "cannot be trusted" in strange.stderr
        assert "--ca FILE" in strange.stderr
        assert nexus.requests == []
        trusted = submit(
            here, run, signer, nexus, "--ca", str(server_certificate.parent / "ca.pem")
        )
    assert trusted.returncode == 0, trusted.stderr
    assert "complete, every file read back: https://" in trusted.stdout


def test_a_ca_that_is_none_is_a_mistake(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus
) -> None:
    done = submit(here, lab_run("inwinstack"), signer, nexus, "--ca", str(signer.public))
    assert done.returncode == 2
    assert "no file of CA certificates" in done.stderr


def test_an_embedded_run_goes_to_a_sandbox(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus
) -> None:
    run = lab_run("embedded", profile="embedded", scans=False)
    done = submit(here, run, signer, nexus, "--sandbox")
    assert done.returncode == 0, done.stderr
    place = "snd-embedded/bluval_results/iec-type4/master/20261124-165100/"
    assert {name.removeprefix(place).partition("/")[0] for name in nexus.files} == {
        ATTESTATION,
        "results",
    }


def test_an_upload_that_was_killed_after_it_arrived_is_not_repeated(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus
) -> None:
    run = lab_run("inwinstack")
    assert submit(here, run, signer, nexus).returncode == 0
    ledger = run / "submission" / "ledger.json"
    ledger.write_text(ledger.read_text().replace('"complete"', '"posting"'))
    again = submit(here, run, signer, nexus)
    assert again.returncode == 0, again.stderr
    assert "nothing is sent a second time" in again.stdout
    assert len([r for r in nexus.requests if r.method == "POST"]) == 1
    assert '"complete"' in ledger.read_text()


def test_a_submission_that_was_changed_on_nexus_is_told(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus
) -> None:
    run = lab_run("inwinstack")
    assert submit(here, run, signer, nexus).returncode == 0
    name = next(name for name in nexus.files if name.endswith("os/iec4/output.xml"))
    nexus.files[name] += b" "
    again = submit(here, run, signer, nexus)
    assert again.returncode == 1
    assert "partly unpacked (results/os/iec4/output.xml differs)" in again.stderr


def test_the_gate_s_page_holds_no_secret_of_a_lab(
    iec4: Iec4, lab_run: MakeRun, tmp_path: Path
) -> None:
    canary = 'canary&"7f31d9'
    lab = tmp_path / "lab.yaml"
    lab.write_text(
        "name: inwinstack\nkind: real\nprofile: lab\nhosts: {}\n"
        "systems: {tars: {adopted: true, secrets: {ticket: 'env:IEC4_CANARY'}}}\n"
    )
    run = lab_run("inwinstack")
    state = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**state, "inventory": str(lab)}))
    said = json.dumps({"family": "ubuntu", "release": "20.04", "scannedCves": {},
                       "errors": [f"cannot log in with {canary}"]})  # fmt: skip
    (run / "bluval" / "os" / "vuls" / "edge-a.json").write_text(said)
    done = iec4("gate", str(run), IEC4_CANARY=canary)
    assert done.returncode == 3
    pages = [(run / name).read_text() for name in ("gate.json", "gate.html")]
    assert all("cannot log in with" in page for page in pages)
    for page in (done.stdout, *pages):
        assert "7f31d9" not in page


@pytest.mark.parametrize(
    "more", [("--silo", "snd-inwinstack"), ("--silo", "inwinstack", "--sandbox"),
             ("--silo", "../up"), ("--version", "../up"), ("--ui", "http://127.0.0.1:9")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_one_line(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus, more: tuple[str, ...]
) -> None:
    done = submit(here, lab_run("inwinstack"), signer, nexus, *more, JOB_NAME="", BUILD_NUMBER="")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert nexus.requests == []


def test_a_canary_of_the_lab_stops_the_submission(
    iec4: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus, tmp_path: Path
) -> None:
    canary = 'canary&"7f31d9'
    lab = tmp_path / "lab.yaml"
    lab.write_text(
        "name: inwinstack\nkind: real\nprofile: lab\nhosts: {}\n"
        "systems: {tars: {adopted: true, secrets: {ticket: 'env:IEC4_CANARY'}}}\n"
    )
    run = lab_run("inwinstack", but={"OS-02": Verdict.FAIL})
    for result in run.glob("allure-results/*-result.json"):
        escaped = json.dumps(f"ticket {canary} refused")[1:-1]
        result.write_text(result.read_text().replace("OS-02 is not so", escaped))
    done = submit(iec4, run, signer, nexus, "--lab", str(lab), IEC4_CANARY=canary)
    assert done.returncode == 1
    assert "holds a secret" in done.stderr
    assert canary not in done.stderr
    assert nexus.requests == []


def test_a_private_key_in_an_output_stops_the_submission(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus
) -> None:
    run = lab_run("inwinstack")
    with (run / "bluval" / "os" / "lynis" / "edge-a.log").open("ab") as log:
        log.write(b"\n-----BEGIN OPENSSH PRIVATE KEY-----\n")
    done = submit(here, run, signer, nexus)
    assert done.returncode == 1
    assert "holds a secret" in done.stderr


def test_a_release_without_signature_is_refused(here: Iec4, lab_run: MakeRun, nexus: Nexus) -> None:
    done = here("submit", str(lab_run("inwinstack")), "--nexus", nexus.url)
    assert done.returncode == 1
    assert "a release is signed" in done.stderr


def test_credentials_come_from_netrc_as_lftools_reads_them(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login iec4 password {PASSWORD}\n")
    netrc.chmod(0o600)
    done = here(
        "submit", str(lab_run("inwinstack")), "--key", f"file:{signer.private}",
        "--nexus", nexus.url, NETRC=str(netrc),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_dry_run_says_where_it_would_go(
    here: Iec4, lab_run: MakeRun, signer: Signer, nexus: Nexus
) -> None:
    done = submit(here, lab_run("inwinstack"), signer, nexus, "--dry-run")
    assert done.returncode == 0
    assert "inwinstack/bluval_results/iec-type4/master/20261124-165100" in done.stdout
    assert nexus.requests == []


def rewritten(bundle: Path, *, drop: str = "", change: str = "", add: str = "") -> None:
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files.pop(drop, None)
    if change:
        files[change] += b" "
    if add:
        files[add] = b"more"
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


LYNIS = "results/os/lynis/output.xml"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ({"change": LYNIS}, f"{LYNIS} was changed"),
        ({"drop": LYNIS}, f"{LYNIS} is missing"),
        ({"add": "results/os/lynis/extra.xml"}, "results/os/lynis/extra.xml is not attested"),
        ({"add": "../evil"}, "'../evil' is no plain relative path"),
        ({"drop": ATTESTATION}, "it is not signed"),
        ({"change": ATTESTATION}, ""),
    ],
    ids=["changed", "missing", "added", "traversal", "unsigned", "white space"],
)
def test_verify_finds_what_was_done_to_a_bundle(
    here: Iec4, lab_run: MakeRun, signer: Signer, tmp_path: Path, damage: dict[str, str], says: str
) -> None:
    run = lab_run("inwinstack")
    made = here("submit", str(run), "--key", f"file:{signer.private}")
    assert made.returncode == 0, made.stderr
    rewritten(run / "submission" / "bundle.zip", **damage)
    done = here("verify", str(run), "--key", str(signer.public))
    assert done.returncode == (1 if says else 0)
    assert says in done.stderr
    assert not (tmp_path.parent / "evil").exists()


def test_verify_with_another_s_key_fails(
    here: Iec4, lab_run: MakeRun, signer: Signer, tmp_path: Path
) -> None:
    run = lab_run("inwinstack")
    assert here("submit", str(run), "--key", f"file:{signer.private}").returncode == 0
    other = make_signer(tmp_path, "other")
    done = here("verify", str(run), "--key", str(other.public))
    assert done.returncode == 1
    assert "no signature of the attestation is by key" in done.stderr


def test_verify_without_any_key_asks_for_one(here: Iec4, tmp_path: Path) -> None:
    bundle = tmp_path / "a.zip"
    bundle.write_bytes(b"")
    done = here("verify", str(bundle))
    assert done.returncode == 2
    assert "--key FILE" in done.stderr
