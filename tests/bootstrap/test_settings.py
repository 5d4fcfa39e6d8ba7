"""pip's configuration reaches uv, and failures become advice."""

from __future__ import annotations

from pathlib import Path

import pytest

import bootstrap

# As `pip config list` of pip 23 and 26 prints it.
LISTING = """\
:env:.find-links='/nonexistent /tmp'
:env:.index-url='https://env.example/simple'
global.cert='/etc/company.pem'
global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/simple'
global.index-url='https://file.example/simple'
global.trusted-host='a.example'
install.no-index='true'
"""


def test_pip_settings_are_ranked_as_pip_ranks_them() -> None:
    assert bootstrap.parse_pip_settings(LISTING) == {
        "cert": "/etc/company.pem",
        "extra-index-url": "https://a.example/simple https://b.example/simple",
        "find-links": "/nonexistent /tmp",
        "index-url": "https://env.example/simple",
        "no-index": "true",
        "trusted-host": "a.example",
    }


def test_uv_fetches_from_where_pip_would(tmp_path: Path) -> None:
    there = {"HOME": str(tmp_path), "PIP_TARGET": "/elsewhere", "UV_PYTHON": "3.8"}
    found = bootstrap.installer_environment(there, bootstrap.parse_pip_settings(LISTING), tmp_path)
    assert found == {
        "HOME": str(tmp_path),
        "SSL_CERT_FILE": "/etc/company.pem",
        "UV_DEFAULT_INDEX": "https://env.example/simple",
        "UV_FIND_LINKS": "/tmp",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "a.example",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "true",
    }


def test_what_uv_was_told_itself_stays(tmp_path: Path) -> None:
    told = {"HOME": str(tmp_path), "UV_INDEX_URL": "https://uv.example", "UV_HTTP_TIMEOUT": "7"}
    pip = {"index-url": "https://pip.example", "timeout": "60"}
    found = bootstrap.installer_environment(told, pip, tmp_path)
    assert "UV_DEFAULT_INDEX" not in found
    assert found["UV_HTTP_TIMEOUT"] == "7"


def test_without_a_home_the_cache_stays_in_the_checkout(tmp_path: Path) -> None:
    found = bootstrap.installer_environment({"HOME": "/nonexistent"}, {}, tmp_path)
    assert found["UV_CACHE_DIR"] == str(tmp_path / "cache" / "uv")


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("error: No space left on device (os error 28)", "the disk is full (12 MiB free"),
        ("error: Failed to fetch\n  cause: dns error\n", "package index could not be reached (cau"),
        (
            "Collecting x\nERROR: hashes do not match\n  expected abc",
            "(ERROR: hashes do not match)",
        ),
        ("", "(it said nothing)"),
    ],
)
def test_an_installer_s_output_becomes_one_line_of_advice(output: str, advice: str) -> None:
    line = bootstrap.advice_for(output, free_mib=12)
    assert advice in line
    assert "\n" not in line


def test_one_requirement_is_taken_out_of_the_lock_with_its_hashes() -> None:
    lock = "uv-build==1 \\\n    --hash=sha256:aa\nuv==2 ; x \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\nz==3 \\\n    --hash=sha256:dd\n"  # noqa: E501
    found = bootstrap.requirement_of("uv", lock)
    assert found == "uv==2 ; x \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    with pytest.raises(bootstrap.SetupFailed, match=r"no pip; renew it with tox -e lock"):
        bootstrap.requirement_of("pip", lock)
