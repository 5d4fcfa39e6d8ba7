"""The reference application's packages, as nodes install them: one for edges, one for the dc."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.payload import ROOT, python_files
from lab.tars.package import packed

#: Where an edge finds the token that it shows to others, from its account's home directory.
TOKEN_FILE = "cvb/edge-token"  # noqa: S105 - where it lies

_SOURCE = ROOT / "lab" / "cvb" / "embedded"


def build(server: str, part: str, settings: Mapping[str, Any]) -> Path:
    """The tgz of a server that is ``part`` (edge, data-centre) of the application.

    It runs on the host's ``python3``, as `lab.tars.package.build_servant` says. The same
    settings (`lab.cvb.embedded.settings` reads them) give the same bytes.
    """
    runtime = python_files(["tarsio"], ["lab/cvb/embedded"])
    files = {f"runtime/{name}": path.read_bytes() for name, path in runtime.items()}
    files[server] = (_SOURCE / "launch").read_bytes()
    files["PART"] = f"{part}\n".encode()
    files["settings.json"] = json.dumps(settings, indent=1).encode()
    return packed(server, part, files)
