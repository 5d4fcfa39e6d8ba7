"""What ``submit`` and ``verify`` do below their arguments; each returns an exit code.

Here secrets are resolved: the signing key, Nexus' credentials, and those of the lab, which
must not be in what is sent.
"""

from __future__ import annotations

import netrc
import os
import re
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from blueprints import model
from blueprints.errors import ConfigError, Unacceptable
from blueprints.model import Blueprint
from blueprints.release_rules import release_rules
from blueprints.security import security_rules
from lab import secrets
from lab.errors import WaitTimeout
from lab.secrets import redactor
from lab.wait import wait_for
from pipeline.releasing import blueprint_of, learn_secrets_of
from reports.exit_codes import ExitCode
from reports.results import RunResults, read_results
from submission import attestation, exceptions
from submission.akraino_ui import Notification, UiFailed, notify
from submission.bundle import Bundle, Rules, build, maturity_of, refusals, suites
from submission.ledger import COMPLETE, Entry, Ledger, Refused
from submission.nexus import Nexus, NexusFailed, NexusRefused
from submission.tls import Untrusted
from submission.untrusted import read_bytes, read_zip
from submission.upload import Place, Upload, digest, unpacked
from submission.validity import timestamp
from submission.verify import facts, key_beside, locate, verify

SANDBOX = "snd-"
#: Seconds for all attempts of one upload, and for telling the UI.
UPLOAD_TIMEOUT_S = 900
NOTIFY_TIMEOUT_S = 60

_SILO = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
#: Nothing with a private key in it leaves, whosever key it is.
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")


@dataclass(frozen=True)
class Request:
    """What a person asked ``submit`` for. References name secrets; ``silo`` defaults to the
    lab's name; without ``nexus`` the bundle is made and nothing sent; ``ca`` vouches for Nexus
    and the UI, the machine's own CAs without it."""

    run: Path
    version: str = "master"
    silo: str | None = None
    lab: str | None = None
    blueprint: str | None = None
    sandbox: bool = False
    key: str | None = None
    nexus: str | None = None
    credentials: str | None = None
    ui: str | None = None
    submission_id: int | None = None
    dry_run: bool = False
    ca: Path | None = None


def submit(request: Request) -> int:
    """Refuse or build; sign, upload, read back, tell the UI."""
    node = os.environ.get("NODE_NAME", "")
    if node.startswith(SANDBOX):  # as in ci-management: such a node of Jenkins pushes nothing
        print(f"{node} is a sandbox's node: the bundle is made, and nothing is sent.")
        request = replace(request, dry_run=True)
    run = read_results(request.run.resolve())
    blueprint = model.load(request.blueprint or blueprint_of(run))
    if run.blueprint != blueprint.name:
        raise ConfigError(f"run {run.id} is of {run.blueprint!r}, not of {blueprint.name}")
    place = Place(_silo(request, run), run.blueprint, _version(request.version))
    notification = _notification(request)
    learn_secrets_of(run, request.lab)
    key = None if request.key is None else attestation.private_key(secrets.resolve(request.key))
    home = run.directory / "submission"
    try:
        if key is None and request.nexus is not None and not request.sandbox:
            raise Refused(["a release is signed: give its key by reference (--key file:PATH)"])
        with Ledger(home / "ledger.json").held() as ledger:
            done, bundle = _earlier(request, ledger, place, home)
            if bundle is None:
                bundle = _bundle(request, run, blueprint, key, home)
                print(f"The bundle: {bundle.zip} ({'signed' if bundle.signed else 'not signed'})")
            if request.nexus is None or request.dry_run:
                print(f"Not sent. Its place: {place.under(bundle.stamp)}")
                return ExitCode.OK
            if done is None:
                done = _upload(request, request.nexus, run, bundle, place, ledger)
        print(f"{done.state}, every file read back: {done.url}")
        if request.ui is not None and notification is not None:
            _tell(request.ui, notification, done.stamp, request.ca)
    except Refused as refused:
        for reason in refused.reasons:
            print(redactor.text(f"refused: {reason}"), file=sys.stderr)
        return ExitCode.MANDATORY_FAILED
    except (NexusRefused, NexusFailed, UiFailed, Untrusted, WaitTimeout) as error:
        print(f"iec4: {redactor.text(str(error))}", file=sys.stderr)
        return ExitCode.NOT_JUDGED
    return ExitCode.OK


def _silo(request: Request, run: RunResults) -> str:
    silo = request.silo or (SANDBOX + run.lab if request.sandbox else run.lab)
    if not _SILO.fullmatch(silo):
        raise ConfigError(f"silo {silo!r} is no lab's name; give one to --silo, like inwinstack")
    if silo.startswith(SANDBOX) is not request.sandbox:
        raise ConfigError(
            f"silo {silo} and --sandbox do not go together: silos that begin with {SANDBOX!r} "
            "are the sandbox's, and only they are"
        )
    return silo


def _version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise ConfigError(f"version {version!r} cannot be a directory's name")
    return version


def _notification(request: Request) -> Notification | None:
    """What the UI is to be told, but for the timestamp; Jenkins' environment has the rest."""
    if request.ui is None:
        return None
    job, number = os.environ.get("JOB_NAME", ""), os.environ.get("BUILD_NUMBER", "")
    if not job or not number.isdecimal() or request.submission_id is None:
        raise ConfigError(
            "--ui needs --submission-id, and JOB_NAME and BUILD_NUMBER from Jenkins' environment"
        )
    return Notification(job, int(number), request.submission_id, "")


def _holds_secret(data: bytes) -> bool:
    return redactor.found_in(data) or _PRIVATE_KEY.search(data) is not None


def _earlier(
    request: Request, ledger: Ledger, place: Place, home: Path
) -> tuple[Entry | None, Bundle | None]:
    """An upload of this run that arrived whole, looked at again: it is never sent twice.

    A process may have been killed before it saw the end of its upload.
    """
    archive = home / "bundle.zip"
    if request.nexus is None or request.dry_run:
        return None, None
    with Nexus(request.nexus, ca=request.ca) as nexus:
        for entry in ledger.arrived(nexus.site(place.under(""))):
            same = archive.is_file() and digest(archive) == entry.bundle
            if same:
                files = _files_of(archive)
                state, wrong = unpacked(nexus, place.under(entry.stamp), files)
            elif entry.state == COMPLETE:
                state, wrong = "not known", "the bundle that was sent is gone"
            else:
                continue
            if state == COMPLETE:
                ledger.record(entry.stamp, entry.url, entry.bundle, COMPLETE)
                print("Submitted before; nothing is sent a second time.")
                return ledger.entries[-1], Bundle(archive, entry.stamp, files, signed=True)
            if entry.state == COMPLETE:
                raise Refused([f"submitted before as {entry.url}, now {state} ({wrong})"])
            ledger.record(entry.stamp, entry.url, entry.bundle, state)
    return None, None


def _files_of(archive: Path) -> dict[str, bytes]:
    try:
        return read_zip(archive)
    except Unacceptable as error:
        raise Refused([str(error)]) from None


def _bundle(
    request: Request,
    run: RunResults,
    blueprint: Blueprint,
    key: Ed25519PrivateKey | None,
    home: Path,
) -> Bundle:
    rules = Rules(release_rules(), security_rules())
    excepted = exceptions.load(run.blueprint).valid(
        run.lab, maturity_of(run), datetime.now(UTC).date(), rules.release.exception_notice_days
    )
    if reasons := refusals(run, blueprint, rules, sandbox=request.sandbox, excepted=excepted):
        raise Refused(reasons)
    assert run.started is not None, "a run that ended began"
    try:
        content = suites(run, blueprint, rules)
    except Unacceptable as error:
        raise Refused([str(error)]) from None
    bundle = build(
        run,
        content,
        home / "bundle.zip",
        stamp=timestamp(run.started),
        key=key,
        found_in=_holds_secret,
        facts=facts(run, blueprint, sandbox=request.sandbox),
    )
    public = home / "public-key.pem"
    if key is None:
        public.unlink(missing_ok=True)  # of an earlier bundle
    else:
        public.write_bytes(attestation.public_pem(key))
    return bundle


def _upload(
    request: Request, url: str, run: RunResults, bundle: Bundle, place: Place, ledger: Ledger
) -> Entry:
    assert run.started is not None, "a run that ended began"
    credentials = _credentials(url, request.credentials)
    with Nexus(url, credentials=credentials, ca=request.ca) as nexus:
        work = Upload(nexus, bundle, place, ledger, began=run.started)
        return wait_for("the upload to Nexus", work.attempt, timeout=UPLOAD_TIMEOUT_S)


def _credentials(url: str, reference: str | None) -> tuple[str, str] | None:
    """User and password: by reference (``user:password``), else from netrc, as lftools does."""
    if reference is not None:
        user, colon, password = secrets.resolve(reference).partition(":")
        if not colon or not password:
            raise ConfigError(f"credentials {reference} must read user:password")
        redactor.add(password)
        return user, password
    file = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not file.exists():
        return None
    try:
        found = netrc.netrc(str(file)).authenticators(urlsplit(url).hostname or "")
    except (netrc.NetrcParseError, OSError) as error:
        raise ConfigError(f"{file} cannot be read as netrc: {type(error).__name__}") from None
    if found is None or not found[2]:
        return None
    redactor.add(found[2])
    return found[0], found[2]


def _tell(url: str, notification: Notification, stamp: str, ca: Path | None) -> None:
    told = Notification(
        notification.name, notification.buildNumber, notification.submissionId, stamp
    )
    refusals_met: list[str] = []

    def attempt() -> bool:
        try:
            notify(url, told, ca=ca)
        except UiFailed as error:
            refusals_met.append(str(error))
            return False
        return True

    try:
        wait_for("the notification of the UI", attempt, timeout=NOTIFY_TIMEOUT_S)
    except WaitTimeout:
        raise UiFailed(f"{refusals_met[-1]}; the results are on Nexus all the same") from None
    print(f"The UI knows of submission {told.submissionId}.")


def verify_bundle(place: Path, key_file: Path | None) -> int:
    """Check a bundle offline; say what it is, or what is wrong."""
    bundle = locate(place)
    if not bundle.is_file():
        raise ConfigError(f"{place} is no bundle: expected a zip file or a submitted run")
    if key_file is not None:
        try:
            pem: bytes | None = read_bytes(key_file, limit=4096)
        except Unacceptable as error:
            raise ConfigError(str(error)) from None
    else:
        pem = key_beside(bundle)
    if pem is None:
        raise ConfigError(
            "whose signature is it to be? Give the public key with --key FILE "
            "(there is none beside the bundle)"
        )
    key = attestation.public_key(pem)
    found = verify(bundle, key)
    for problem in found.problems:
        print(f"not sound: {problem}", file=sys.stderr)
    if found.problems or found.claim is None:
        return ExitCode.MANDATORY_FAILED
    claim = found.claim
    print(
        f"{claim.result}: run {claim.run} of {claim.blueprint} in lab {claim.lab} "
        f"(profile {claim.profile}, {claim.maturity}{', for a sandbox' * claim.sandbox})"
    )
    print(f"Signed by key {attestation.key_id(key)}; every file is as it was signed.")
    if key_file is None:
        print(
            "That key lay beside the bundle: nothing was changed since, but by whom it was "
            "signed is not shown; --key FILE would."
        )
    return ExitCode.OK
