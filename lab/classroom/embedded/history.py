"""What has happened to one media connection, told as Kurento's events are by openvidu-server."""

from __future__ import annotations

import time
from typing import Any

from aiortc import RTCPeerConnection

from lab.classroom.embedded.aiortc_inside import selected_pair

#: aiortc's states of ICE → Kurento's, in the order in which they are told.
_ICE = {
    "checking": ("CONNECTING",),
    "completed": ("CONNECTED", "READY"),
    "failed": ("FAILED",),
}


class History:
    """The events of ``connection`` since its beginning, oldest first: some ten, never more."""

    def __init__(self, connection: RTCPeerConnection) -> None:
        self.events: list[dict[str, Any]] = []
        self._connection = connection
        self._began_ms = _now_ms()
        self._connected = "DISCONNECTED"
        connection.add_listener("icegatheringstatechange", self._gathering)
        connection.add_listener("iceconnectionstatechange", self._ice)
        connection.add_listener("connectionstatechange", self._connection_changed)

    def _gathering(self) -> None:
        if self._connection.iceGatheringState == "gathering":
            self._component("GATHERING")
        elif self._connection.iceGatheringState == "complete":
            self._note("IceGatheringDone")

    def _ice(self) -> None:
        for state in _ICE.get(self._connection.iceConnectionState, ()):
            self._component(state)
        pair = selected_pair(self._connection)
        if pair is not None and self._connection.iceConnectionState == "completed":
            chosen = {
                "streamID": "1",
                "componentID": 1,
                "localCandidate": pair[0],
                "remoteCandidate": pair[1],
            }
            self._note("NewCandidatePairSelected", candidatePair=chosen)

    def _connection_changed(self) -> None:
        now = "CONNECTED" if self._connection.connectionState == "connected" else "DISCONNECTED"
        if now != self._connected:
            self._note("ConnectionStateChanged", oldState=self._connected, newState=now)
            self._connected = now

    def _component(self, state: str) -> None:
        self._note("IceComponentStateChange", streamId=1, componentId=1, state=state)

    def _note(self, kind: str, **what: Any) -> None:
        now = _now_ms()
        since = now - self._began_ms
        self.events.append(
            {**what, "type": kind, "timestamp": now, "msSinceEndpointCreation": since}
        )


def _now_ms() -> int:
    return int(time.time() * 1000)
