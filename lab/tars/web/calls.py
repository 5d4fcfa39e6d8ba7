"""Calls of TarsWeb's HTTP API, and what of its answers counts as refused.

It answers nearly everything with HTTP 200; failure is a ``ret_code`` other than 200, or text
where JSON was due, so both are looked at.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lab.closing import Closing
from lab.errors import SystemDown
from lab.secrets import MASK, redactor
from lab.tars.web.answers import WebRefused
from lab.tars.web.pace import Pace

#: The prefix for programs, and that of TarsWeb's own pages; they serve the same.
API, PAGES = "/api", "/pages/server/api"


class _WithoutQueries(logging.Filter):
    """httpx logs the URL of every request; a ticket in its query is nobody's business."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                argument.copy_with(query=None) if isinstance(argument, httpx.URL) else argument
                for argument in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_WithoutQueries())


@dataclass(frozen=True)
class Origin:
    """From where a client appears to call.

    ``address``: bind to this address of our own; without it a connection within one machine
    comes from 127.0.0.1, which TarsWeb lets in. ``forwarded_for``: claim to pass on
    what comes from there (header X-Forwarded-For).
    """

    address: str | None = None
    forwarded_for: str | None = None


class Calls(Closing):
    """TarsWeb at ``url`` (``http(s)://HOST:PORT``).

    ``ticket`` is a token of TarsWeb, not needed from its own machine; it is redacted from now
    on. ``ca`` vouches for it under https; ``timeout`` is for each of connecting, sending and
    receiving, in seconds; a ``pace`` keeps its rate limit. Calls raise `WebRefused` when it says
    no, `SystemDown` when it does not answer. Usable from several threads. Use as a context
    manager, or `close` it.
    """

    def __init__(
        self,
        url: str,
        *,
        ticket: str | None = None,
        ca: Path | None = None,
        timeout: float = 35.0,
        prefix: str = API,
        origin: Origin | None = None,
        pace: Pace | None = None,
    ) -> None:
        # Not with the base URL: a URL that is shown must not show the ticket.
        self._ticket = {} if ticket is None else {"ticket": ticket}
        if ticket is not None:
            redactor.add(ticket)
        self.url = url.rstrip("/")
        self._pace = pace
        origin = origin or Origin()
        trust = ssl.create_default_context(cafile=None if ca is None else str(ca))
        self._prefix = prefix
        self._client = httpx.Client(
            timeout=timeout,
            cookies={"locale": "en"},  # messages in English
            headers={"X-Forwarded-For": origin.forwarded_for} if origin.forwarded_for else None,
            transport=httpx.HTTPTransport(
                verify=trust, local_address=origin.address, trust_env=False
            ),
        )

    def close(self) -> None:
        self._client.close()

    def under(self, prefix: str) -> Calls:
        """The same client for another prefix; it shares the connections."""
        other = copy(self)
        other._prefix = prefix
        return other

    def get(self, path: str, **query: str | int) -> Any:
        """``data`` of a GET's answer."""
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """``data`` of the answer to a POST of JSON."""
        return self.call("POST", path, json=body)

    def call(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, **content: Any
    ) -> Any:
        """``data`` of an answer; raises `WebRefused`, `SystemDown`."""
        response = self.request(method, path, params=params, **content)
        try:
            envelope = response.json()
            ret_code, data = envelope["ret_code"], envelope["data"]
        except (ValueError, KeyError, TypeError, RecursionError):
            text = self._without_ticket(response.text)
            raise WebRefused(path, response.status_code, None, text) from None
        if response.status_code != httpx.codes.OK or ret_code != httpx.codes.OK:
            message = self._without_ticket(str(envelope.get("err_msg", "")))
            raise WebRefused(path, response.status_code, ret_code, message)
        return data

    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, **content: Any
    ) -> httpx.Response:
        """The whole answer, whatever it says; raises `SystemDown`."""
        if self._pace is not None:
            self._pace.await_turn()
        try:
            return self._client.request(
                method,
                f"{self.url}{self._prefix}/{path}",
                params={**(params or {}), **self._ticket},
                **content,
            )
        except httpx.HTTPError as error:
            raise SystemDown(
                f"TarsWeb at {self.url} does not answer {method} {self._prefix}/{path}",
                found=self._without_ticket(str(error)) or type(error).__name__,
                expected="an HTTP answer",
                advice="check that TarsWeb runs there: its log tells",
            ) from None

    def _without_ticket(self, text: str) -> str:
        """An answer's text, as it may be shown."""
        for ticket in self._ticket.values():
            text = text.replace(ticket, MASK)
        return text
