"""The first start, and all that can go wrong with it, in clones with an empty home."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.wait import wait_for
from tests.bootstrap.clones import Clone, give_to_nobody, python_for, said, small_clone

pytestmark = pytest.mark.xdist_group("bootstrap")


def test_an_ordinary_user_starts_twice_at_once(open_place: Path) -> None:
    clone = small_clone(open_place / "newcomer")
    if os.getuid() == 0:
        clone.prefix = give_to_nobody(open_place / "newcomer")
    python = python_for(clone.prefix)
    if python is None:
        pytest.skip("no Python that an ordinary user may start")
    clone.env["IEC4_PYTHON"] = python

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(clone.start, ("1", "2")))

    assert [said(one)["arguments"] for one in both] == [["1"], ["2"]]
    told = "".join(one.stderr for one in both)
    assert "another start is making the environment; waiting for it" in told
    assert told.count("environment ready") == 1
    assert sorted(path.name for path in clone.home.iterdir()) == [".cache"]
    again = clone.start()
    assert said(again)
    assert again.stderr == "", "it must not be made twice"


def test_arguments_and_directory_are_kept_and_nothing_leaks_in(made: Clone, tmp_path: Path) -> None:
    decoy = tmp_path / "pipeline"
    decoy.mkdir()
    (decoy / "__init__.py").touch()
    (decoy / "__main__.py").write_text("raise SystemExit('the decoy ran')")
    link = tmp_path / "linked"
    link.symlink_to(made.iec4)

    found = said(
        made.start("run", "a b", "*", cwd=tmp_path, script=link, PYTHONPATH=str(tmp_path),
                   PYTHONHOME="/nonexistent")
    )  # fmt: skip

    assert found["arguments"] == ["run", "a b", "*"]
    assert found["cwd"] == str(tmp_path)
    assert found["file"] == str(made.path / "pipeline" / "__main__.py")


def test_a_changed_lock_updates_in_place(made: Clone) -> None:
    lock = made.path / "requirements.lock"
    kept = made.venv / "kept"
    kept.touch()
    lock.write_text(lock.read_text() + "# changed\n")

    done = made.start()

    assert "environment ready" in done.stderr
    assert made.complete()
    assert kept.exists(), "running commands would have lost their environment"


def test_what_was_killed_half_way_is_made_again(made: Clone) -> None:
    (made.venv / "complete.lock").unlink()
    first = made.launch(made.iec4)
    assert first.stderr is not None
    for line in first.stderr:
        if "pip and uv" in line:
            break
    (bootstrap_pid,) = _children(first.pid)
    wait_for("an installer", lambda: _children(bootstrap_pid), timeout=30)
    os.kill(bootstrap_pid, signal.SIGKILL)
    assert first.wait(30) != 0
    first.communicate()

    second = made.start()

    assert "waiting" in second.stderr, "the installer outlived its parent, and still holds the lock"
    assert made.complete()
    assert said(second)["file"] == str(made.path / "pipeline" / "__main__.py")


def _children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_lost_interpreter_is_replaced(made: Clone) -> None:
    python = made.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")
    assert said(made.start())
    assert python.exists()


def test_a_moved_checkout_does_not_start_the_code_of_its_old_place(made: Clone) -> None:
    old = made.path
    made.path = old.rename(old.with_name("moved clone"))
    done = made.start(IEC4_PYTHON="/nonexistent/python3")
    made.path = made.path.rename(old)
    assert done.returncode == 2, "it must want to make its environment again"
    assert said(made.start())["file"] == str(old / "pipeline" / "__main__.py")


def test_where_uv_cannot_pip_installs(made: Clone) -> None:
    lock, uv = made.path / "requirements.lock", made.venv / "bin" / "uv"
    whole = uv.rename(uv.with_name("uv.whole"))
    uv.write_text("#!/bin/sh\necho 'error: cannot run here'; exit 1\n")
    uv.chmod(0o755)
    lock.write_text(lock.read_text() + "# changed\n")

    done = made.start()
    whole.rename(uv)

    assert said(done)
    assert "trying pip" in done.stderr
    assert made.complete()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('echo "Python 3.9 is too old"; exit 1', "found {python}: Python 3.9 is too old"),
        ("exec '{real}' -I -c \"import sys; sys.modules['ensurepip'] = None\n$3\"", "lacks venv"),
        ("exit 1", "found {python}: does not run"),
    ],
)
def test_an_unfit_python_is_one_line(
    tmp_path: Path, script: str, expected: str, unfit: Clone
) -> None:
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\n" + script.replace("{real}", unfit.environment()["IEC4_PYTHON"]))
    python.chmod(0o755)
    done = unfit.start(IEC4_PYTHON=str(python))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert expected.format(python=python) in done.stderr
    assert "apt install python3" in done.stderr


def test_no_python_is_one_line(unfit: Clone) -> None:
    done = unfit.start(IEC4_PYTHON="/nonexistent/python3")
    assert done.returncode == 2
    assert "found no /nonexistent/python3; on Debian: apt install" in done.stderr


@pytest.fixture(scope="module")
def unfit(open_place: Path) -> Clone:
    """A clone that is never made."""
    return small_clone(open_place / "unfit")


def test_without_a_network_one_line_says_what_to_do(unfit: Clone, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1/simple"
    done = unfit.start(
        PIP_INDEX_URL=nowhere, PIP_RETRIES="0", PIP_FIND_LINKS="", PIP_CACHE_DIR=str(tmp_path)
    )
    assert done.returncode == 3
    last = done.stderr.splitlines()[-1]
    assert "iec4: the package index could not be reached" in last
    assert "check the network" in last
    assert "Traceback" not in done.stderr
    assert not unfit.complete()


def test_a_full_disk_is_one_line(unfit: Clone, shared_cache: dict[str, str]) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-Urm", "true"], check=False).returncode:
        pytest.skip("this machine refuses mount namespaces")
    (unfit.path / ".iec4").mkdir(exist_ok=True)
    done = subprocess.run(
        [unshare, "-Urm", "sh", "-c", 'mount -t tmpfs -o size=20m none "$1" && exec "$2"', "-",
         unfit.path / ".iec4", unfit.iec4],
        env=unfit.environment(**shared_cache), capture_output=True, text=True, timeout=110,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "the disk is full" in done.stderr.splitlines()[-1]
    assert "free space" in done.stderr
    assert "Traceback" not in done.stderr
