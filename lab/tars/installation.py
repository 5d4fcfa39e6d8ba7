"""What an inventory says about Tars: where its optional servers run (``placement``)."""

from __future__ import annotations

#: The framework's servers that services work without, each with its objects' last names.
OPTIONAL_SERVERS = {
    "tarsstat": ("StatObj", "QueryObj"),
    "tarsproperty": ("PropertyObj", "QueryObj"),
    "tarsnotify": ("NotifyObj",),
    "tarslog": ("LogObj",),
}
#: In a placement: leave the server out.
ABSENT = "none"
