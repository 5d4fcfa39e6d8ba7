"""The classroom's preflight: does it answer as itself?"""

from __future__ import annotations

from lab.classroom.errors import RestRefused
from lab.classroom.rest import ClassroomApi
from lab.errors import SystemDown
from lab.session import Lab

#: The system's name in inventories, its endpoint there and the name of its secret.
SYSTEM = "classroom"
ENDPOINT = "api"
SECRET = "api"  # noqa: S105 - its name
#: A preflight answers quickly, or the classroom counts as down (s).
TIMEOUT_S = 5.0


def api(lab: Lab, *, timeout: float = 10.0) -> ClassroomApi:
    """The REST interface of a lab's classroom; raises `ConfigError`, `SecretUnavailable`."""
    return ClassroomApi(
        lab.url(SYSTEM, ENDPOINT),
        lab.secret(SYSTEM, SECRET) or "",
        ca=lab.ca(SYSTEM),
        timeout=timeout,
    )


def probe(lab: Lab) -> str:
    """Return the version that GET /config tells; raises `SystemDown` with advice."""
    with api(lab, timeout=TIMEOUT_S) as classroom:
        try:
            return classroom.config().version
        except RestRefused as refused:
            raise SystemDown(
                f"the classroom at {classroom.url} does not let us in",
                found=refused.found,
                expected="200 to GET /config",
                advice=f"check systems.{SYSTEM}.secrets.{SECRET} in the inventory"
                if refused.status == 401
                else "check that openvidu-server answers there: its log tells",
                evidence=refused.evidence,
            ) from refused
