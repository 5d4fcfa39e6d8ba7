"""What comes from outside is read within limits, or refused by one kind of error."""

from __future__ import annotations

import contextlib
import io
import json
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blueprints import conformance, kube_hunter, lynis, vuls
from blueprints.documents import parse_json, parse_xml
from blueprints.errors import Unacceptable
from blueprints.security import security_rules
from submission import untrusted
from submission.attestation import mismatches, verified
from submission.ui_view import shown, view
from submission.untrusted import parse_yaml, read_bytes, read_zip, safe_name
from submission.verify import verify
from tests.submission.conftest import RECORDED, make_lab_run
from tests.submission.test_bundle import KEY, bundle_of

RULES = security_rules()

few = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def zipped(*members: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name that stands there twice
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members:
                archive.writestr(member, data)
    return made.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member, target.encode()


def encrypted() -> bytes:
    """The flag alone will do: in the local head (byte 6) and in the central one (byte 8)."""
    data = bytearray(zipped(("a", b"x")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (zipped(("../a", b"")), "plain relative path"),
        (zipped(("/etc/passwd", b"")), "plain relative path"),
        (zipped(("a/../../b", b"")), "plain relative path"),
        (zipped(("a\\..\\b", b"")), "plain relative path"),
        (zipped(("a//b", b"")), "plain relative path"),
        (zipped(("C:/a", b"")), "plain relative path"),
        (zipped(("a" * 300, b"")), "plain relative path"),
        (zipped(("../", b""), ("a", b"")), "plain relative path"),
        (zipped(link("a", "/etc/passwd")), "no plain file"),
        (zipped(("a", b"1"), ("a", b"2")), "twice"),
        (zipped(("a", b"1"), ("a/b", b"2")), "lies below a file"),
        (zipped(("a", b"\0" * 5_000_000)), "unpacks to too much"),
        (zipped(*((f"f{n}", b"") for n in range(untrusted.MEMBERS + 1))), "members"),
        (encrypted(), "encrypted"),
        (b"PK\x03\x04", "no sound zip"),
        (zipped(("a", b"x" * 100))[:-30], "no sound zip"),
    ],
    ids=range(16),
)
def test_a_hostile_archive_is_refused(tmp_path: Path, archive: bytes, says: str) -> None:
    file = tmp_path / "inner" / "bundle.zip"
    file.parent.mkdir()
    file.write_bytes(archive)
    with pytest.raises(Unacceptable, match=says):
        read_zip(file)
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "bundle.zip"]


def test_members_are_limited_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "UNPACKED", 10_000)
    file = tmp_path / "bundle.zip"
    file.write_bytes(zipped(("a", bytes(range(250)) * 20), ("b", bytes(range(250)) * 30)))
    with pytest.raises(Unacceptable, match="b unpacks to too much"):
        read_zip(file)


@few
@given(st.binary(max_size=300) | st.binary(max_size=50).map(lambda data: zipped(("a/b", data))))
def test_any_bytes_are_an_archive_or_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bundle.zip"
    file.write_bytes(data)
    try:
        names = read_zip(file)
    except Unacceptable:
        return
    assert all(safe_name(name) == name for name in names)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle that verifies."""
    bundle = bundle_of(make_lab_run(tmp_path_factory.mktemp("sound"), "inwinstack"))
    assert verify(bundle.zip, KEY.public_key()).problems == ()
    return bundle.zip.read_bytes()


@few
@given(st.data())
def test_a_bundle_with_a_byte_turned_is_not_sound_or_the_same(
    tmp_path: Path, sound: bytes, data: st.DataObject
) -> None:
    """Some bytes of a zip file mean nothing (a member's time); all others are vouched for."""
    turned = bytearray(sound)
    turned[data.draw(st.integers(0, len(turned) - 1))] ^= data.draw(st.integers(1, 255))
    before, after = tmp_path / "before.zip", tmp_path / "after.zip"
    before.write_bytes(sound)
    after.write_bytes(turned)
    if not verify(after, KEY.public_key()).problems:
        assert read_zip(after) == read_zip(before)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "document type"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>', "document type"),
        (b"<a>" * 70 + b"</a>" * 70, "levels"),
        (b"<a>&undefined;</a>", "not well-formed"),
        (b"<a", "not well-formed"),
        (b"", "not well-formed"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "not well-formed"),
    ],
)
def test_hostile_xml_is_refused(document: bytes, says: str) -> None:
    with pytest.raises(Unacceptable, match=says):
        parse_xml(document)


LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 10)) for n in range(98, 106)
)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (LAUGHS, "expands to more"),
        (b"a: &a [*a]", "within itself"),
        (b"a: &a {b: *a}", "within itself"),
        (b"[" * 100, "levels"),
        (b"a: !!python/object/apply:os.system [id]", "not valid YAML"),
        (b"a: !!python/name:os.system", "not valid YAML"),
        (b"a: 1\na: 2", "a key twice"),
        (b"[a]: 1", "a key is no word"),
        (b"\xff\xfe", "UTF-8|not valid"),
        (b"a: 2026-99-99", "not valid YAML"),
        (b"a: [", "not valid YAML"),
    ],
)
def test_hostile_yaml_is_refused(document: bytes, says: str) -> None:
    with pytest.raises(Unacceptable, match=says):
        parse_yaml(document)


def test_plain_yaml_and_its_anchors_are_read() -> None:
    assert parse_yaml(b"a: &x {b: 1}\nc: *x\nd: 'True'") == {"a": {"b": 1}, "c": {"b": 1},
                                                             "d": "True"}  # fmt: skip
    assert parse_yaml(b"") is None
    for file in RECORDED.glob("bluval/*.yaml"):
        assert "blueprint" in parse_yaml(read_bytes(file))


def test_a_long_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_bytes(b"x" * 11)
    with pytest.raises(Unacceptable, match="longer"):
        read_bytes(file, limit=10)
    with pytest.raises(Unacceptable, match="cannot be read"):
        read_bytes(tmp_path / "none")


def test_deep_json_is_refused() -> None:
    with pytest.raises(Unacceptable, match="not valid JSON"):
        parse_json(b"[" * 200_000)


Reader = Callable[[bytes], Any]
READERS: dict[str, Reader] = {
    "json": parse_json,
    "xml": parse_xml,
    "yaml": parse_yaml,
    "output.xml": shown,
    "test_info": lambda data: view({"results/test_info.yaml": data}),
    "lynis": lambda data: lynis.judge(data.decode(errors="replace"), RULES.lynis["mature"]),
    "vuls": lambda data: vuls.judge(data, RULES.vuls, 9.0),
    "kube-hunter": lambda data: kube_hunter.judge(data, RULES.kube_hunter),
    "conformance": conformance.judge,
    "attestation": lambda data: verified(data, KEY.public_key()),
}

WORDS = (
    "nodes", "vulnerabilities", "vid", "vulnerability", "family", "release", "scannedCves",
    "cveContents", "nvd", "cvss3Score", "errors", "payload", "payloadType", "signatures", "sig",
    "test_info", "layer", "subject", "digest", "name",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
TAGS = st.sampled_from(
    ("robot", "suite", "test", "status", "statistics", "total", "stat", "errors", "msg")
)
XML = st.recursive(
    TAGS.map("<{0}/>".format),
    lambda inner: st.tuples(TAGS, st.lists(inner, max_size=4)).map(
        lambda made: f'<{made[0]} name="n" status="PASS">{"".join(made[1])}</{made[0]}>'
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@few
@given(
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | XML.map(str.encode)
)
def test_any_document_is_read_or_refused(reader: Reader, data: bytes) -> None:
    with contextlib.suppress(Unacceptable):
        reader(data)


@few
@given(JSON)
def test_any_statement_is_compared_without_harm(content: Any) -> None:
    if isinstance(content, dict):
        assert mismatches(content, {"a": b""})
