"""The ways to other servers of the application, which the name service knows."""

from __future__ import annotations

from typing import TypeVar

from lab.tars.aio import AsyncProxy, AsyncTarsClient
from lab.tars.body import Function, Struct
from lab.tars.errors import ConnectFailed, ObjectNotFound
from lab.tars.queryf import FIND_OBJECT_BY_ID_IN_SAME_GROUP, QUERY_OBJECT, ById

A = TypeVar("A", bound=Struct)
R = TypeVar("R", bound=Struct)


class Finder:
    """The name service."""

    def __init__(self, registry: tuple[str, int]) -> None:
        self._client = AsyncTarsClient(registry)
        self._query = AsyncProxy(self._client, QUERY_OBJECT)

    async def find(self, name: str, host: str | None, *, timeout: float) -> tuple[str, int]:
        """Where an object is served, on ``host`` if one is named; raises `TarsError`."""
        asked = ById(id=name)
        found = await self._query.invoke(FIND_OBJECT_BY_ID_IN_SAME_GROUP, asked, timeout=timeout)
        for endpoint in found.active:
            if host in (None, endpoint.host):
                return endpoint.host, endpoint.port
        raise ObjectNotFound(
            f"{name} has no active endpoint" + (f" on {host}" if host else ""),
            found=f"{len(found.active)} active endpoints",
        )

    def close(self) -> None:
        self._client.close()


class Link:
    """One object elsewhere, on ``host`` if one is named: looked up again when it has moved."""

    def __init__(self, finder: Finder, name: str, host: str | None = None) -> None:
        self._finder = finder
        self._name = name
        self._host = host
        self._client: AsyncTarsClient | None = None
        self._sent_before = 0

    @property
    def sent_bytes(self) -> int:
        """Of all requests, headers included."""
        return self._sent_before + (self._client.sent_bytes if self._client else 0)

    async def invoke(self, function: Function[A, R], arguments: A, *, timeout: float) -> R:
        """Call; raises `TarsError`."""
        if self._client is None:
            address = await self._finder.find(self._name, self._host, timeout=timeout)
            if self._client is None:  # another call has looked it up meanwhile
                self._client = AsyncTarsClient(address)
        client = self._client
        try:
            return await AsyncProxy(client, self._name).invoke(function, arguments, timeout=timeout)
        except ConnectFailed:
            self._forget(client)
            raise

    def _forget(self, client: AsyncTarsClient) -> None:
        if client is self._client:
            self._sent_before += client.sent_bytes
            self._client = None
            client.close()

    def close(self) -> None:
        if self._client is not None:
            self._forget(self._client)
