"""A Tars registry and echo servant in this process, over the suite's protocol core."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.tars.body import decode_body, encode_body
from lab.tars.echo_client import ECHO_OBJECT, ECHO_STRING, Echoed, Value
from lab.tars.embedded.servants import Call, ServantServer
from lab.tars.queryf import (
    FIND_OBJECT_BY_ID_IN_SAME_GROUP,
    QUERY_OBJECT,
    ById,
    EndpointF,
    Endpoints,
)

HOST = "127.0.0.4"


def echo_string(call: Call) -> bytes:
    """What a good echo servant answers."""
    value = decode_body(Value[str], call.body).value
    return encode_body(Echoed[str](ret=value, copy=value))


@contextmanager
def tars(echo: Callable[[Call], bytes] = echo_string) -> Iterator[str]:
    """Run both on one port of `HOST`; yields the registry as ``tcp://HOST:PORT``."""
    loop = asyncio.new_event_loop()
    port = 0

    def find(call: Call) -> bytes:
        known = decode_body(ById, call.body).id == ECHO_OBJECT
        one = EndpointF(host=HOST, port=port, timeout=3000, istcp=1, grid=0)
        return encode_body(Endpoints(ret=0, active=[one] if known else [], inactive=[]))

    server = ServantServer(
        {
            QUERY_OBJECT: {FIND_OBJECT_BY_ID_IN_SAME_GROUP.name: find},
            ECHO_OBJECT: {ECHO_STRING.name: echo},
        }
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(server.start(HOST, 0), loop).result(10)
        yield f"tcp://{HOST}:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
