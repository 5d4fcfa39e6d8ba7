"""Commands that cannot see some places of the machine: a mount namespace each.

With it a test shows that a host runs only what was copied to it, and a host can be without what
its machine has.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

#: Runs in the host's home. Where the home lies below a hidden directory it is mounted
#: there again, and nothing beside it; /proc/self/cwd still leads to the original then.
_SCRIPT = """
home=$1 count=$2
shift 2
while [ "$count" -gt 0 ]; do
    if [ -d "$1" ]; then mount -t tmpfs none "$1" || exit 126
    elif [ -e "$1" ]; then mount --bind /dev/null "$1" || exit 126
    fi
    shift
    count=$((count - 1))
done
if ! [ -d "$home" ]; then
    mkdir -p "$home" && mount --no-canonicalize --bind /proc/self/cwd "$home" || exit 126
fi
cd "$home" && exec "$@"
"""


def behind(hidden: Sequence[Path], home: Path) -> list[str]:
    """What to put before a command so that it sees ``hidden`` directories and devices empty.

    It runs as root of a user namespace of its own, which maps to the lab's user.
    """
    if not hidden:
        return []
    places = [str(path) for path in hidden]
    script = ["sh", "-c", _SCRIPT, "sh", str(home), str(len(places)), *places]
    return ["unshare", "-Urm", *script]


def refused() -> str | None:
    """Why this machine does not allow it, as a reason to SKIP; None when it does."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / "hidden" / "home"
        home.mkdir(parents=True)
        try:
            done = subprocess.run(
                [*behind([home.parent], home), "true"],
                cwd=home,
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"unshare -Urm cannot be run: {error}"
    if done.returncode != 0:
        return f"unshare -Urm is refused: {done.stderr.strip() or done.returncode}"
    return None
