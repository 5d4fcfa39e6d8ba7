"""Speaks HTTP with a Jenkins: log-in, crumbs, patience, and errors that say what happened.

What is safe to repeat is repeated until Jenkins is there (again); what changes something is
repeated only where its answer shows that it was not done. Paths are relative to the base URL;
no redirect is followed, for Jenkins builds them from other names of its own than ours.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import jenkins
import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from lab import secrets
from lab.errors import LabError, WaitTimeout
from lab.jenkins.access import Access
from lab.jenkins.errors import (
    AnswerLost,
    CredentialsRefused,
    JenkinsDown,
    JenkinsError,
    NotFound,
    PermissionMissing,
    RequestRefused,
)
from lab.wait import wait_for

#: Seconds for one connection, and for one answer: a starting Jenkins accepts and says nothing.
CONNECT_S, ANSWER_S = 5.0, 20.0
#: Seconds that a Jenkins may be away (a restart with its plugins takes minutes).
PATIENCE_S = 300.0
#: Seconds that a Jenkins may be away which has not answered at all yet: the URL may be wrong.
FIRST_PATIENCE_S = 15.0
#: Seconds in which refused credentials, and failing reads, count as a part of a restart.
#: Recorded: 1 to 3 s of 401 and 403 for a valid token, in the midst of 503 (startup-503).
SHAKY_S = 30.0
#: Seconds between two tries, at most.
SLOWEST_S = 2.0

_TITLE = re.compile(r"<title>\s*(?:Error \d+ )?(.*?)\s*</title>", re.DOTALL | re.IGNORECASE)
_NO_CRUMB = "No valid crumb"


class _Away(LabError):
    """Nothing was done, and Jenkins may be there later."""


class Client:
    """A Jenkins as one account. Not for use by several threads at once.

    ``notice`` is told in a sentence when Jenkins is away, and when it is back. ``patience``:
    seconds that it may be away. Resolves the token, which is redacted from then on.
    """

    def __init__(
        self,
        access: Access,
        *,
        patience: float = PATIENCE_S,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.access = access
        #: python-jenkins over this client: its names for jobs and their configuration.
        self.jobs = _PythonJenkins(self)
        self._patience = patience
        self._notice = notice
        self._session = requests.Session()
        self._session.verify = str(access.ca) if access.ca else True
        if access.user is not None and access.token is not None:
            secret = secrets.resolve(access.token)
            self._session.auth = HTTPBasicAuth(access.user.encode(), secret.encode())
        self._crumb: dict[str, str] | None = None
        self._met = False  # has anything answered yet?
        self._logged_in = False  # have the credentials been good for something?
        self._is_away = False
        self._shaky_until = 0.0

    def get(self, path: str, **query: str | int) -> requests.Response:
        """GET; raises `JenkinsError` for any answer but 200."""
        response = self.request("GET", path, query=query)
        if response.status_code != 200:
            raise _refusal(response, response.status_code)
        return response

    def json(self, path: str, **query: str | int) -> Any:
        """GET ``path``/api/json as data."""
        response = self.get(f"{path}api/json", **query)
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise JenkinsError(
                f"{response.url} is no JSON",
                found=response.headers.get("Content-Type", "no type"),
                expected="Jenkins' API",
                advice="is there something else than Jenkins at this URL?",
            ) from None

    def post(
        self, path: str, *, data: Mapping[str, str] | None = None, **query: str | int
    ) -> requests.Response:
        """POST; returns any answer below 400. Raises `AnswerLost` when it may have been done."""
        return self.request("POST", path, query=query, data=data)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        data: Any = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> requests.Response:
        """Send until there is an answer that counts. Raises `JenkinsError` for 400 and above."""
        url = self.access.base + path
        request = requests.Request(
            method, url, params=dict(query or {}), data=data, headers=dict(headers or {})
        )
        started = time.monotonic()

        def probe() -> requests.Response:
            try:
                response = self._once(request)
            except _Away as away:
                if not self._met and time.monotonic() > started + FIRST_PATIENCE_S:
                    raise self._down(FIRST_PATIENCE_S, str(away)) from None
                self._goes_away(str(away))
                raise
            self._comes_back()
            return response

        try:
            return wait_for(
                "an answer", probe, timeout=self._patience, slowest=SLOWEST_S, not_yet=(_Away,)
            )
        except WaitTimeout as late:
            raise self._down(self._patience, late.found) from None

    def _once(self, request: requests.Request) -> requests.Response:
        """Send once, or twice where the crumb was too old."""
        if request.method == "GET":
            return self._judge(self._send(request))
        for crumb in (self._crumb, None):
            self._crumb = crumb or self._fetch_crumb()
            # A kept connection may have died unnoticed: the answer would be lost for nothing.
            self._session.close()
            response = self._send(request)
            if response.status_code != 403 or _NO_CRUMB not in response.text:
                break
        return self._judge(response)

    def _send(self, request: requests.Request) -> requests.Response:
        prepared = self._session.prepare_request(request)
        changes = request.method != "GET"
        if changes and self._crumb:
            prepared.headers[self._crumb["crumbRequestField"]] = self._crumb["crumb"]
        settings = self._session.merge_environment_settings(
            prepared.url or "", {}, None, self._session.verify, None
        )
        try:
            response = self._session.send(
                prepared, allow_redirects=False, timeout=(CONNECT_S, ANSWER_S), **settings
            )
        except requests.exceptions.SSLError as error:
            raise JenkinsDown(
                f"{self.access.base} cannot be trusted",
                found=_reason(error),
                advice="name the authority that vouches for it: --ca FILE",
            ) from None
        except requests.exceptions.RequestException as error:
            if changes and not _was_never_sent(error):
                raise AnswerLost(
                    f"the answer to POST {prepared.path_url} was lost", found=_reason(error)
                ) from None
            raise _Away(_reason(error)) from None
        if changes and response.status_code in (502, 504):
            raise AnswerLost(
                f"the answer to POST {prepared.path_url} was lost",
                found=f"a gateway's {response.status_code}",
            )
        return response

    def _judge(self, response: requests.Response) -> requests.Response:
        """The answer, if it is one; raises what it means otherwise."""
        self._met = True
        status = response.status_code
        if status in (502, 503, 504):
            self._shaky_until = time.monotonic() + SHAKY_S
            raise _Away(f"{status} {_said(response)}")
        if status < 400:
            self._logged_in = True
            self._shaky_until = 0.0
            return _unmoved(response, self.access.base)
        refusal = _refusal(response, status)
        may_pass = isinstance(refusal, CredentialsRefused) or (
            status == 500 and response.request.method == "GET"
        )
        if may_pass:
            if self._logged_in and not self._shaky_until:
                self._shaky_until = time.monotonic() + SHAKY_S
            if time.monotonic() < self._shaky_until:
                raise _Away(f"{status} {_said(response)}, as Jenkins says in a restart")
        raise refusal

    def _fetch_crumb(self) -> dict[str, str] | None:
        """A crumb and its session cookie; a Jenkins without crumbs has no such page."""
        request = requests.Request("GET", f"{self.access.base}crumbIssuer/api/json")
        try:
            found = self._judge(self._send(request)).json()
        except NotFound:
            return None
        return {name: str(found[name]) for name in ("crumb", "crumbRequestField")}

    def _goes_away(self, why: str) -> None:
        if not self._is_away:
            self._is_away = True
            self._notice(f"Jenkins is away ({why}); waiting up to {self._patience:g} s")

    def _comes_back(self) -> None:
        if self._is_away:
            self._is_away = False
            self._notice("Jenkins is back")

    def _down(self, waited: float, found: str | None) -> JenkinsDown:
        return JenkinsDown(
            f"no answer of Jenkins at {self.access.base} within {waited:g} s",
            found=found,
            advice="is the URL right, and Jenkins up?",
        )


class _PythonJenkins(jenkins.Jenkins):  # type: ignore[misc]  # has no types
    """python-jenkins with our way of sending: log-in, crumbs, patience and errors are ours."""

    def __init__(self, client: Client) -> None:
        super().__init__(client.access.base)
        self._client = client

    def jenkins_request(
        self,
        req: requests.Request,
        add_crumb: bool = True,  # noqa: ARG002  python-jenkins' signature
        resolve_auth: bool = True,  # noqa: ARG002
        stream: bool | None = None,
    ) -> requests.Response:
        return self._request(req, stream)

    def _request(self, req: requests.Request, stream: bool | None = None) -> requests.Response:  # noqa: ARG002
        path = str(req.url).removeprefix(self.server)
        return self._client.request(str(req.method), path, data=req.data, headers=req.headers)


def _was_never_sent(error: requests.exceptions.RequestException) -> bool:
    """Whether no connection came about, so that nothing can have been done."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _reason(error: requests.exceptions.RequestException) -> str:
    """The innermost cause, without the object's address that urllib3 puts before it."""
    cause: BaseException = error
    while cause.args and isinstance(cause.args[0], BaseException):
        cause = cause.args[0]
    reason = getattr(cause, "reason", None)
    text = str(reason or cause)
    return text.split(">: ", 1)[-1] or type(cause).__name__


def _said(response: requests.Response) -> str:
    """Jenkins' own reason: X-Error, or the title of its page."""
    if said := response.headers.get("X-Error"):
        return said.strip()
    title = _TITLE.search(response.text)
    return " ".join(unescape(title[1]).split()) if title else response.reason


def _unmoved(response: requests.Response, base: str) -> requests.Response:
    """Refuse a redirect to another place than Jenkins' own (its own ones are paths, or queue)."""
    location = urlsplit(response.headers.get("Location", ""))
    is_redirect = 300 <= response.status_code < 400
    if is_redirect and location.path.endswith("/login"):
        raise CredentialsRefused("Jenkins asks for a log-in", advice="give --user and --token")
    if is_redirect and location.scheme and "/queue/item/" not in location.path:
        raise RequestRefused(
            f"{base} sends elsewhere",
            status=response.status_code,
            found=f"{location.scheme}://{location.netloc}",
            advice="give the URL that Jenkins itself uses",
        )
    return response


def _refusal(response: requests.Response, status: int) -> JenkinsError:
    """What an answer from 400 on means."""
    asked = f"{response.request.method} {response.request.path_url}"
    said = _said(response)
    permission = response.headers.get("X-Required-Permission")
    if status == 403 and permission:
        account = response.headers.get("X-You-Are-Authenticated-As", "anonymous")
        return PermissionMissing(
            f"Jenkins refused {asked}",
            found=f"{account} lacks {permission}",
            advice="give the account this permission, or use another one",
        )
    if status in (401, 403):
        known = "Authorization" in response.request.headers
        return CredentialsRefused(
            f"Jenkins refused {asked}",
            found=f"{status} {said}" + ("" if known else ", to an anonymous caller"),
            advice="check the account and its token" if known else "log in: --user and --token",
        )
    if status == 404:
        return NotFound(
            f"Jenkins has no {response.request.path_url}",
            found="404",
            advice="check the name; jobs that an account may not see are not found either",
        )
    return RequestRefused(f"Jenkins refused {asked}", status=status, found=f"{status} {said}")
