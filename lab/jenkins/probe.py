"""Jenkins' preflight: does it answer as itself, and does it know us?"""

from __future__ import annotations

from contextlib import suppress

import httpx

from blueprints.errors import ConfigError
from lab.errors import LabError, SystemDown
from lab.jenkins.access import Access
from lab.jenkins.client import Client
from lab.session import Lab

#: The system's name in inventories, its endpoint there, and the role that it runs on.
SYSTEM = "jenkins"
ENDPOINT = "web"
ROLE = "jenkins-master"
#: A preflight answers quickly, or the system counts as down (s).
TIMEOUT_S = 5.0
#: How long a criterion waits for a Jenkins that is away (s).
PATIENCE_S = 10.0


def access(lab: Lab) -> Access:
    """Where a lab's Jenkins is, and as whom: ``secrets`` has one entry, ACCOUNT: its API token.

    Raises `ConfigError` when the inventory does not say.
    """
    url = lab.url(SYSTEM, ENDPOINT)
    entry = lab.inventory.systems[SYSTEM]
    if len(entry.secrets) != 1:
        raise ConfigError(
            f"systems.{SYSTEM}.secrets has one entry, ACCOUNT: a reference to its API token; "
            f"found {len(entry.secrets)}"
        )
    [(user, token)] = entry.secrets.items()
    return Access(url, user, token, entry.ca)


def master_host(lab: Lab) -> str:
    """The name of the host that Jenkins runs on; raises `ConfigError` when there is none."""
    hosts = lab.inventory.with_role(ROLE)
    if not hosts:
        raise ConfigError(f"lab {lab.inventory.name} has no host with the role {ROLE}")
    return hosts[0]


def client(lab: Lab, *, patience: float = PATIENCE_S) -> Client:
    """A client of a lab's Jenkins; raises `ConfigError`, `SecretUnavailable`."""
    return Client(access(lab), patience=patience)


def check_configuration(lab: Lab) -> None:
    """Raise `LabError` when Jenkins does not know the inventory's account and token.

    A Jenkins that is down passes: that is for its liveness criterion to judge.
    """
    where = access(lab)
    with suppress(httpx.HTTPError):
        status, name = _who_am_i(lab)
        if status == httpx.codes.UNAUTHORIZED or (name is not None and name != where.user):
            raise LabError(
                f"Jenkins at {where.base} does not know {where.user} by the inventory's token",
                found=f"{status} from GET /whoAmI",
                expected=f"200, and the name {where.user}",
                advice=f"check systems.{SYSTEM}.secrets.{where.user} in the inventory",
            )


def probe(lab: Lab) -> str:
    """Return the version that Jenkins tells; raises `SystemDown` with advice."""
    where = access(lab)
    try:
        with _web(lab) as web:
            login = web.get("login")
        status, name = _who_am_i(lab)
    except httpx.HTTPError as error:
        raise SystemDown(
            f"Jenkins at {where.base} does not answer",
            found=str(error) or type(error).__name__,
            expected="its log-in page",
            advice="check that Jenkins runs there: its log tells",
        ) from error
    version = login.headers.get("X-Jenkins")
    if login.status_code != httpx.codes.OK or version is None:
        raise SystemDown(
            f"what answers at {where.base} is not a Jenkins that is ready",
            found=f"{login.status_code}, X-Jenkins {version or 'missing'}",
            expected="200 and X-Jenkins from GET /login",
            advice="wait if it is starting (503), or check the endpoint in the inventory",
        )
    if name != where.user:
        raise SystemDown(
            f"Jenkins at {where.base} does not let {where.user} in",
            found=f"{status} from GET /whoAmI",
            expected=f"200, and the name {where.user}",
            advice=f"check systems.{SYSTEM}.secrets.{where.user} in the inventory",
        )
    return str(version)


def agents_online(lab: Lab) -> bool:
    """True when every node is; raises `SystemDown`, which names those that are not."""
    nodes = client(lab).json("computer/", tree="computer[displayName,offline]")["computer"]
    away = [node["displayName"] for node in nodes if node["offline"]]
    if away:
        raise SystemDown("agents are offline", found=", ".join(away))
    return True


def _web(lab: Lab, *, auth: tuple[str, str] | None = None) -> httpx.Client:
    where = access(lab)
    verify = str(where.ca) if where.ca else True
    return httpx.Client(base_url=where.base, timeout=TIMEOUT_S, verify=verify, auth=auth)


def _who_am_i(lab: Lab) -> tuple[int, str | None]:
    """How GET /whoAmI is answered: its status, and the account's name if it is a Jenkins' 200."""
    user = access(lab).user or ""
    with _web(lab, auth=(user, lab.secret(SYSTEM, user) or "")) as web:
        answer = web.get("whoAmI/api/json")
    try:
        name = answer.json().get("name") if answer.status_code == httpx.codes.OK else None
    except ValueError:
        name = None
    return answer.status_code, name
