"""The second look for secrets: in every spelling and packing, and never in the answer."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.secrets import Redactor
from reports import scan as scanning
from reports.scan import scan

SECRET = 'open "sesame"/at\\once & <now> é'


@pytest.fixture
def found_in():
    redactor = Redactor()
    redactor.add(SECRET)
    return redactor.found_in


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("innocent.txt", "nothing here")
        archive.writestr("log.txt", data)
    return file.getvalue()


def tarred(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo("log.txt")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


PLAIN = f"password: {SECRET}\n".encode()
B64 = base64.b64encode
PACKINGS = {
    "plain": PLAIN,
    "json": json.dumps({"password": SECRET}).encode(),
    "json with escaped slashes": json.dumps(SECRET).replace("/", "\\/").encode(),
    "json in json": json.dumps(json.dumps({"password": SECRET})).encode(),
    "html": html.escape(SECRET).encode(),
    "numbered html": "".join(f"&#{ord(c)};" for c in SECRET).encode(),
    "base64": b"data:text/plain;base64," + B64(PLAIN),
    "base64, other alignment": b"data:text/plain;base64," + B64(b"x" + PLAIN),
    "base64 behind a path": b"logs/" + B64(PLAIN),
    "base64 of html behind a path": b"logs/" + B64(html.escape(f"x {SECRET}").encode()),
    "url-safe base64": base64.urlsafe_b64encode(b"\xff\xfe\xfb" * 9 + PLAIN),
    "base64 of json": B64(json.dumps({"password": SECRET}).encode()),
    "base64 of base64": B64(b"one more: " + B64(b"xy" + PLAIN)),
    "basic credentials": b"Authorization: Basic " + B64(f"user:{SECRET}".encode()),
    "gzip": gzip.compress(PLAIN),
    "gzip, second member": gzip.compress(b"a") + gzip.compress(PLAIN),
    "gzip, cut off": gzip.compress(PLAIN + bytes(range(256)) * 40)[:-30],
    "gzip of json": gzip.compress(json.dumps([SECRET]).encode()),
    "tar.gz": tarred(PLAIN),
    "zip": zipped(PLAIN),
    "zip, stored": zipped(PLAIN, zipfile.ZIP_STORED),
    "zip in gzip": gzip.compress(zipped(PLAIN)),
    "zip in base64": B64(zipped(PLAIN)),
    "gzip in zip in json": json.dumps({"x": B64(zipped(gzip.compress(PLAIN))).decode()}).encode(),
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_secret_is_found_in_every_packing(tmp_path: Path, found_in, packing):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "host.log").write_bytes(PACKINGS[packing])
    (tmp_path / "clean.log").write_bytes(PACKINGS[packing].replace(b"e", b"E"))
    assert scan(tmp_path, found_in)[-1] == "logs/host.log holds a secret"


def test_every_offender_is_named_and_the_secret_is_not(tmp_path: Path):
    redactor = Redactor()
    redactor.add("open-sesame")
    (tmp_path / "open-sesame.log").write_text("open-sesame")
    (tmp_path / "link").symlink_to("to-open-sesame")
    (tmp_path / "clean.txt").write_text("nothing")
    told = scan(tmp_path, redactor.found_in)
    assert len(told) == 3
    assert "link is a link whose target holds a secret" in told
    assert "sesame" not in " ".join(told)


def test_links_are_not_followed(tmp_path: Path, found_in):
    outside = tmp_path / "outside"
    outside.write_bytes(PLAIN)
    inside = tmp_path / "run"
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    assert scan(inside, found_in) == []


def test_a_secret_across_two_pieces_is_found(tmp_path: Path, found_in, monkeypatch):
    monkeypatch.setattr(scanning, "PIECE", 1000)
    monkeypatch.setattr(scanning, "OVERLAP", 200)
    for before in range(950, 1010, 7):
        (tmp_path / "log").write_bytes(b"." * before + PLAIN + b"." * 3000)
        assert scan(tmp_path, found_in) == ["log holds a secret"], before


def test_what_unpacks_without_end_is_told(tmp_path: Path, found_in, monkeypatch):
    monkeypatch.setattr(scanning, "UNPACKED_LIMIT", 1024 * 1024)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(2 * 1024 * 1024)))
    nested = PLAIN
    for _ in range(scanning.DEPTH + 1):
        nested = gzip.compress(nested)
    (tmp_path / "nested.gz").write_bytes(nested)
    (tmp_path / "odd.zip").write_bytes(b"PK\x03\x04 and no more")
    told = scan(tmp_path, found_in)
    assert len(told) == 3
    assert all("could not be searched for secrets" in says for says in told)


@given(st.binary(max_size=400))
def test_any_bytes_can_be_searched(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("scan")
    for name, prefix in (("a", b""), ("b", b"\x1f\x8b"), ("c", b"PK\x03\x04")):
        (directory / name).write_bytes(prefix + data)
    told = scan(directory, lambda found: b"open sesame" in found)
    assert all("could not be searched" in says for says in told)
