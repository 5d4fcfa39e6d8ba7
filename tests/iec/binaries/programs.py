"""Stand-ins for other people's programs: they say a version, and a Go that "builds" such."""

from __future__ import annotations

from pathlib import Path

from lab.iec.binaries.catalogue import BINARIES

#: Says what it is asked for: versions, checks and builds. It takes as long as WAITS says.
_GO = """#!/bin/sh
case "$1" in
version) echo "go version go1.26.0 linux/amd64"; exit ;;
mod) exit ;;
esac
echo "$@" >>"$CALLS"
for last; do case "$before" in -o) made=$last ;; esac; before=$last; done
if [ -n "$WAITS" ]; then exec sleep "$WAITS"; fi
for package; do
    case "$package" in
%s
    *) continue ;;
    esac
    file=$made
    [ -d "$made" ] && file=$made/$name
    printf '#!/bin/sh\\necho version v%%s\\n' "$version" >"$file"
    chmod 755 "$file"
done
"""


def program(path: Path, says: str) -> Path:
    """A program that says its version whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def go(directory: Path) -> Path:
    """The command ``go`` in ``directory``."""
    cases = "\n".join(
        f"    {b.package}) name={b.built_as} version={b.version} ;;" for b in BINARIES.values()
    )
    directory.mkdir(exist_ok=True)
    path = directory / "go"
    path.write_text(_GO % cases)
    path.chmod(0o755)
    return path
