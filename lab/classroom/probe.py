"""The classroom's preflight: does it answer as itself?"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from http import HTTPStatus

from lab.classroom.errors import RestRefused
from lab.classroom.rest import ClassroomApi
from lab.classroom.tls import trust
from lab.errors import LabError, SystemDown
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


def check_configuration(lab: Lab) -> None:
    """Raise `LabError` when the inventory's CA or secret does not fit the classroom.

    A classroom that is down passes: that is for its liveness criterion to judge.
    """
    with (
        suppress(OSError),
        socket.create_connection(lab.address(SYSTEM, ENDPOINT), timeout=TIMEOUT_S) as plain,
    ):
        address = lab.address(SYSTEM, ENDPOINT)[0]
        try:
            trust(lab.ca(SYSTEM)).wrap_socket(plain, server_hostname=address).close()
        except ssl.SSLCertVerificationError as error:
            raise SystemDown(
                f"the classroom at {lab.url(SYSTEM, ENDPOINT)} cannot be trusted",
                found=error.verify_message,
                expected=f"a certificate by {lab.ca(SYSTEM) or 'a CA of this machine'}",
                advice=f"correct systems.{SYSTEM}.ca in the inventory",
            ) from error
    with suppress(SystemDown), api(lab, timeout=TIMEOUT_S) as classroom:
        try:
            classroom.config()
        except RestRefused as refused:
            if refused.status == HTTPStatus.UNAUTHORIZED:
                raise LabError(
                    f"the classroom at {classroom.url} does not know the inventory's secret",
                    found=refused.found,
                    advice=f"check systems.{SYSTEM}.secrets.{SECRET} in the inventory",
                ) from refused


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
