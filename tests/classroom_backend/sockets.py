"""A WebSocket client that tests drive step by step."""

from __future__ import annotations

from typing import Any

from lab.classroom.raw_socket import TIMEOUT_S, RawSocket
from tests.classroom_backend.running import Backend

__all__ = ["TIMEOUT_S", "Socket"]


class Socket(RawSocket):
    """Open on the backend's /openvidu, or on another ``path``."""

    def __init__(self, backend: Backend, path: str = "/openvidu", **options: Any) -> None:
        super().__init__(f"wss://{backend.authority}{path}", backend.tls, **options)
