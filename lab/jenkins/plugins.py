"""The pinned plugins of a Jenkins master: those that jobs use, and what installing adds."""

from __future__ import annotations

from lab.payload import ROOT

#: The pinned plugins, ``NAME:VERSION`` a line.
PLUGINS = ROOT / "lab" / "jenkins" / "plugins.txt"
#: What configures a master that the suite installs. Kept apart from the list above: no job
#: uses it, and an adopted master that is configured by hand does well without.
CONFIGURING = {"configuration-as-code": "2006.v001a_2ca_6b_574"}


def pinned_plugins() -> dict[str, str]:
    """name → version of the plugins that every Jenkins master has."""
    pairs = (line.partition(":") for line in PLUGINS.read_text().splitlines() if line[:1] != "#")
    return {name: version for name, _, version in pairs}
