"""Renders the job definitions to the XML that Jenkins takes, with Jenkins Job Builder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from blueprints.config import Document
from blueprints.errors import ConfigError

DEFINITIONS = Path(__file__).parent / "definitions"
#: What differs from site to site; may be replaced by a file of one's own.
SITE = DEFINITIONS / "site.yaml"
TIMEOUT_S = 60


def render(output: Path | None = None, *, site: Path = SITE) -> dict[str, str]:
    """Render every job; return ``{job name: XML}``, sorted by name.

    The same definitions give the same text, whatever stands in this machine's own
    configuration of Jenkins Job Builder. ``output``: a directory that also gets them, as
    ``NAME.xml``. Raises `ConfigError` with Job Builder's own words when they do not fit.
    """
    if not site.is_file():
        raise ConfigError(f"{site} is no file; copy {SITE.name} from {DEFINITIONS} and change it")
    Document(site)  # says where it is no YAML
    shared = sorted(path for path in DEFINITIONS.glob("*.yaml") if path != SITE)
    with tempfile.TemporaryDirectory(prefix="iec4-jobs-") as scratch:
        rendered = Path(scratch) / "rendered"
        _build(":".join(str(path.resolve()) for path in (*shared, site)), Path(scratch), rendered)
        jobs = {
            file.parent.relative_to(rendered).as_posix(): file.read_text(encoding="utf-8")
            for file in sorted(rendered.rglob("config.xml"))
        }
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for name, xml in jobs.items():
            (output / f"{name}.xml").write_text(xml, encoding="utf-8")
    return jobs


def _build(sources: str, home: Path, rendered: Path) -> None:
    """Run ``jenkins-jobs test`` with a home and a configuration of its own."""
    configuration = home / "jenkins_jobs.ini"
    configuration.write_text("[job_builder]\n")
    argv = [sys.executable, "-W", "ignore", "-m", "jenkins_jobs"]
    argv += ["--conf", str(configuration), "-l", "warning"]
    argv += ["test", sources, "-o", str(rendered), "--config-xml"]
    environment = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "PATH": os.defpath}
    try:
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"jenkins-jobs did not end within {TIMEOUT_S} s") from None
    if done.returncode != 0 or not rendered.exists():
        raise ConfigError(f"the job definitions cannot be rendered: {_reason(done.stderr)}")


def _reason(said: str) -> str:
    """Job Builder's innermost complaint: its last line that names a file and a place."""
    lines = [line for line in said.splitlines() if line.strip(" ^")]
    placed = [line for line in lines if re.match(r"\S+:\d+:\d+: ", line)]
    return (placed or lines or ["it said nothing"])[-1].strip()
