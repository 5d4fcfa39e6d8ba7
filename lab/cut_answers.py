"""Answers of an embedded HTTP server that end in their middle, as on a wire that breaks."""

from __future__ import annotations

from aiohttp import web

#: What the head says that comes, and what does.
_PROMISED, _SENT = 4096, b'{"'


async def cut_short(request: web.Request) -> web.StreamResponse:
    """Answer 200, and end the connection before what the answer's head promises has come."""
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    answer.content_length = _PROMISED
    await answer.prepare(request)
    await answer.write(_SENT)
    if request.transport is not None:
        request.transport.close()
    return answer
