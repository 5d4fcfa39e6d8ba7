"""A small client of the cluster's API, for its own components; objects are plain JSON."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from lab.iec.embedded.pki import Pair

Object = dict[str, Any]

_TIMEOUT = aiohttp.ClientTimeout(total=15)
#: The API server ends a watch after this time, so that none stays that nobody hears. Seconds.
_WATCH_S = 300
_LONGEST_LINE = 4 << 20
_READY_ASKED_EVERY_S = 0.1


class ApiError(Exception):
    """The API server answered by another status than 2xx: ``status``, and its message."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(f"{status}: {message}")


class Api:
    """The API at ``server``, entered with a client's certificate; ``ca`` vouches for it."""

    def __init__(self, server: str, ca: Pair, client: Pair) -> None:
        context = ssl.create_default_context(cafile=str(ca.certificate))
        context.load_cert_chain(client.certificate, client.key)
        self._session = aiohttp.ClientSession(
            server, connector=aiohttp.TCPConnector(ssl=context, limit=0), timeout=_TIMEOUT
        )

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str) -> Object:
        """Raises `ApiError`, `aiohttp.ClientError`, `TimeoutError`, as all calls do."""
        return await self._call("GET", path, query=query)

    async def text(self, path: str) -> str:
        async with self._session.get(path) as answer:
            text = await answer.text()
            if not answer.ok:
                raise ApiError(answer.status, text)
            return text

    async def ready(self, *, patience: float = 60.0) -> None:
        """Wait until the API server says that it is ready; raises what it said last. Seconds."""
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                await self.text("/readyz")
            except TROUBLE:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(_READY_ASKED_EVERY_S)
            else:
                return

    async def create(self, path: str, what: Object, *, unless_there: bool = False) -> Object:
        """POST to a collection; ``unless_there``: one that is there already is left as it is."""
        try:
            return await self._call("POST", path, what)
        except ApiError as error:
            if unless_there and error.status == 409:
                return {}
            raise

    async def replace(self, path: str, what: Object) -> Object:
        return await self._call("PUT", path, what)

    async def merge(self, path: str, change: Object) -> Object:
        """JSON merge patch (RFC 7396)."""
        return await self._call("PATCH", path, change, kind="application/merge-patch+json")

    async def delete(self, path: str, options: Object | None = None) -> None:
        """Delete; what is not there, or is another than the options say, is left alone."""
        try:
            await self._call("DELETE", path, options)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def watch(self, path: str, version: str, **query: str) -> AsyncIterator[Object]:
        """Events ``{"type", "object"}`` of a collection since ``version``, until it ends them."""
        query |= {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_S)}
        limit = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_WATCH_S + 15)
        async with self._session.get(
            path, params=query, timeout=limit, read_bufsize=_LONGEST_LINE
        ) as answer:
            if not answer.ok:
                raise ApiError(answer.status, await answer.text())
            async for line in answer.content:
                yield json.loads(line)

    async def _call(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        kind: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, path, data=data, params=query, headers={"Content-Type": kind}
        ) as answer:
            text = await answer.text()
            if not answer.ok:
                raise ApiError(answer.status, _message(text))
            found: Object = json.loads(text)
            return found


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, LookupError, TypeError):
        return text[:200]


#: What may come of a call to an API server that is starting, or that is gone.
TROUBLE = (ApiError, aiohttp.ClientError, OSError)
