"""Secrets stand in configuration by reference; what else stands in their place is refused.

Apart from `lab.secrets`, which travels to hosts where no configuration is read.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from blueprints.errors import Unshown

_REFERENCE = re.compile(r"^(env|file|agent):.+$", re.DOTALL)


def check_reference(value: str) -> str:
    """Return a reference as it is; raises `Unshown` for anything else.

    That may be the secret itself, written in by mistake.
    """
    if not _REFERENCE.match(value):
        raise Unshown("a secret stands here by reference: env:NAME, file:PATH or agent:COMMENT")
    return value


Reference = Annotated[str, AfterValidator(check_reference)]
