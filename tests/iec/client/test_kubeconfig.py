"""Kubeconfigs as they come, and as they should not come."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.iec.kubeconfig import read
from lab.secrets import redactor, resolve

KEY = "-----BEGIN PRIVATE KEY-----\nbm90LXJlYWxseS1hLWtleQ==\n-----END PRIVATE KEY-----\n"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(cluster: dict[str, Any], user: dict[str, Any]) -> str:
    cluster = {"server": "https://10.0.0.1:6443/"} | cluster
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "edge", "cluster": {"server": "https://10.0.0.1:6443/"} | cluster}
            ],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "a@e", "context": {"cluster": "edge", "user": "admin"}}],
            "current-context": "a@e",
        }
    )


def test_data_in_the_file_is_decoded() -> None:
    found = read(
        config(
            {"certificate-authority-data": encoded("CA"), "tls-server-name": "kubernetes"},
            {"client-certificate-data": encoded("CERT"), "client-key-data": encoded(KEY)},
        )
    )
    assert (found.server, found.ca, found.name) == ("https://10.0.0.1:6443", "CA", "kubernetes")
    assert (found.certificate, found.key, found.token) == ("CERT", KEY, None)


def test_files_are_found_beside_it(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("CA")
    (tmp_path / "token").write_text("a-long-token\n")
    text = config({"certificate-authority": "ca.pem"}, {"tokenFile": "token"})
    found = read(text, beside=tmp_path)
    assert (found.ca, found.token) == ("CA", "a-long-token")
    assert found.headers() == {"Authorization": "Bearer a-long-token"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no: kubeconfig", "current-context"),
        ("- a list", "no kubeconfig"),
        ("kind: [Config", "no kubeconfig"),
        (config({}, {}).replace("current-context: a@e", "current-context: other"), "other"),
        (config({"insecure-skip-tls-verify": True}, {}), "does not verify"),
        (config({}, {"exec": {"command": "aws"}}), "logs in by exec"),
        (config({}, {"client-key-data": "%%%"}), "client-key cannot be read"),
        (config({}, {"client-key": "nowhere.pem"}), "client-key cannot be read"),
    ],
)
def test_what_cannot_be_used_is_told(text: str, says: str) -> None:
    with pytest.raises(LabError, match=says):
        read(text)


def test_of_a_kubeconfig_only_its_secrets_are_redacted(tmp_path: Path) -> None:
    token = "eyJhbGciOi.token.of-an-account"
    file = tmp_path / "kubeconfig"
    file.write_text(config({}, {"client-key-data": encoded(KEY), "token": token}))
    resolve(f"file:{file}")
    shown = redactor.text(f"{file.read_text()} bm90LXJlYWxseS1hLWtleQ==")
    assert "server: https://10.0.0.1:6443/" in shown
    assert "current-context: a@e" in shown
    for secret in (encoded(KEY), token, "bm90LXJlYWxseS1hLWtleQ=="):
        assert secret not in shown


def test_other_secrets_are_redacted_whole(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("kind of a secret: Config")
    resolve(f"file:{file}")
    assert redactor.text("kind of a secret: Config") == "[secret]"
