"""References to container images, as inventories name them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

#: A repository's parts, then a tag or a digest; what has neither is another image each day.
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._:/-]*(?::[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})")


def _check_image(value: str) -> str:
    name = value.rpartition("/")[2]
    if not _IMAGE.fullmatch(value) or not (":" in name or "@" in value):
        raise ValueError("an image reads REPOSITORY:TAG or REPOSITORY@sha256:…")
    if name.endswith(":latest"):
        raise ValueError("the tag latest is another image each day: name a version or a digest")
    return value


Image = Annotated[str, AfterValidator(_check_image)]
#: The command of a container engine that takes docker's arguments.
ENGINE = r"^(/\S+|[^/\s]+)$"
