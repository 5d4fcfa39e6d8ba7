"""Image archives are what the specification says, and the same bytes each time."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab.errors import ToolMissing
from lab.iec import images
from lab.iec.oci import Content, digest_of, write_archive

NAME = "registry.k8s.io/e2e-test-images/agnhost:2.56"


@pytest.fixture
def content(tmp_path: Path) -> Content:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    return Content(
        files={"/usr/bin/program": program},
        texts={"/etc/passwd": "root:x:0:0:root:/:/bin/sh\n", "/start": "#!/bin/sh\n"},
        links={"/bin/other": "../usr/bin/program"},
        same={"/usr/bin/again": "/usr/bin/program"},
        directories=["/tmp"],
    )


def opened(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """An archive's members, and its manifest."""
    with tarfile.open(path) as tar:
        members = {m.name: f.read() for m in tar if (f := tar.extractfile(m)) is not None}
    (entry,) = json.loads(members["index.json"])["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": NAME}
    return members, json.loads(members[blob(entry["digest"])])


def blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def test_every_blob_has_the_digest_and_size_that_it_is_named_by(
    tmp_path: Path, content: Content
) -> None:
    write_archive(tmp_path / "image.tar", NAME, content, config={"Cmd": ["pause"]})
    members, manifest = opened(tmp_path / "image.tar")
    assert json.loads(members["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    for name, data in members.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    (layer,) = manifest["layers"]
    assert layer["size"] == len(members[blob(layer["digest"])])
    config = json.loads(members[blob(manifest["config"]["digest"])])
    assert config["config"] == {"Cmd": ["pause"]}
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]


def test_what_is_in_the_image_has_its_kind_and_mode(tmp_path: Path, content: Content) -> None:
    write_archive(tmp_path / "image.tar", NAME, content, config={})
    members, manifest = opened(tmp_path / "image.tar")
    (tmp_path / "layer.tar").write_bytes(members[blob(manifest["layers"][0]["digest"])])
    with tarfile.open(tmp_path / "layer.tar") as layer:
        found = {m.name: m for m in layer}
    modes = {name: f"{found[name].mode:o}" for name in ("usr/bin/program", "etc/passwd", "start")}
    assert modes == {"usr/bin/program": "755", "etc/passwd": "644", "start": "755"}
    assert found["usr/bin/again"].islnk()
    assert found["usr/bin/again"].linkname == "usr/bin/program"
    assert found["bin/other"].linkname == "../usr/bin/program"
    assert f"{found['tmp'].mode:o}" == "1777"
    assert [*found].index("usr/bin") < [*found].index("usr/bin/program")
    assert {(m.uid, m.gid, m.mtime) for m in found.values()} == {(0, 0, 0)}


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, content: Content) -> None:
    for name in ("one.tar", "two.tar"):
        write_archive(tmp_path / name, NAME, content, config={})
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    _, manifest = opened(tmp_path / "one.tar")
    assert digest_of(tmp_path / "one.tar").startswith("sha256:")
    assert manifest["schemaVersion"] == 2


def test_a_changed_program_is_another_content(tmp_path: Path, content: Content) -> None:
    before = content.stamp()
    assert content.stamp() == before
    (tmp_path / "program").write_bytes(b"another")
    assert content.stamp() != before


def test_a_program_that_is_not_there_is_told_with_the_command_that_builds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    with pytest.raises(ToolMissing, match="lab build --deep"):
        images.make(["multus"])


def test_images_have_upstream_s_names() -> None:
    names = {image.reference.rpartition(":")[0] for image in images.IMAGES.values()}
    assert {"registry.k8s.io/kube-proxy", "docker.io/calico/node", "registry.k8s.io/pause"} <= names
