"""Fresh clones of the checkout, to be started as a newcomer starts them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import bootstrap
from benchmarks.checkout import ROOT, copy_checkout

#: The machine's Python below this environment.
PYTHON = str(Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info))
NOBODY = 65534
TIMEOUT_S = 110

#: What the editable install needs; enough of a lock to try the bootstrap with.
_SMALL = ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers", "uv")
_TALKATIVE_PIPELINE = """\
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "cwd": os.getcwd(), "file": __file__}))
"""


@dataclass
class Clone:
    """A copy of the checkout with a home and an environment of its own."""

    path: Path
    home: Path
    env: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    @property
    def iec4(self) -> Path:
        return self.path / "iec4"

    @property
    def venv(self) -> Path:
        return self.path / ".iec4" / "venv"

    def start(
        self, *arguments: str, cwd: Path | None = None, script: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """``./iec4 arguments``; stdout and stderr are kept apart."""
        return subprocess.run(
            [*self.prefix, str(script or self.iec4), *arguments],
            cwd=cwd or self.home,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def launch(self, *argv: str | Path) -> subprocess.Popen[str]:
        """Start a command of the clone and let it run; its stderr is piped."""
        return subprocess.Popen(
            [*self.prefix, *argv],
            cwd=self.home,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self, **more: str) -> dict[str, str]:
        """What a log-in shell would have, and where packages come from on this machine."""
        kept = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "UV_"))}
        base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.home)}
        return kept | base | {"IEC4_PYTHON": PYTHON} | self.env | more

    def complete(self) -> bool:
        """Whether the stamp equals the lock."""
        stamp, lock = self.venv / "complete.lock", self.path / "requirements.lock"
        return stamp.exists() and stamp.read_bytes() == lock.read_bytes()


def small_clone(place: Path, env: dict[str, str] | None = None) -> Clone:
    """A clone in ``place`` with an empty home. Its lock holds the installers only, and its
    pipeline says how it was started: `.ci/run` is the first start with the whole lock.
    """
    home = place / "home"
    home.mkdir(parents=True)
    clone = Clone(copy_checkout(place / "a clone"), home, env or {})
    lock = (ROOT / "requirements.lock").read_text()
    small = "".join(bootstrap.requirement_of(name, lock) for name in _SMALL)
    (clone.path / "requirements.lock").write_text(small)
    (clone.path / "pipeline" / "__main__.py").write_text(_TALKATIVE_PIPELINE)
    return clone


def said(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """What the talkative pipeline of a small clone printed."""
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def give_to_nobody(place: Path) -> tuple[str, ...]:
    """Make ``place`` an ordinary user's; returns the words that start a command as that user."""
    for folder, _, files in os.walk(place):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    # `env` in between: setpriv itself still has root's way into root's directories.
    setpriv = shutil.which("setpriv")
    assert setpriv, "setpriv belongs to util-linux, which every Debian has"
    return (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env")


def python_for(prefix: tuple[str, ...]) -> str | None:
    """A Python with venv that the user behind ``prefix`` may start; root's own may be hidden."""
    for python in (PYTHON, "/usr/local/bin/python3", "/usr/bin/python3"):
        judge = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
        argv = [*prefix, python, "-I", "-c", judge]
        if (
            Path(python).exists()
            and not subprocess.run(
                argv, cwd="/", capture_output=True, timeout=20, check=False
            ).returncode
        ):
            return python
    return None
