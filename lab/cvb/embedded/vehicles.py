"""The vehicles that report to an edge, and the connections on which they hear it."""

from __future__ import annotations

from dataclasses import dataclass

from lab.cvb import contracts
from lab.cvb.contracts import WARNING, Code, Vector, VehicleState, WarningPushed
from lab.tars.body import encode_body
from lab.tars.serving import Peer

#: Vehicles at one edge, at most.
VEHICLES = 4096


@dataclass
class _Vehicle:
    state: VehicleState
    peer: Peer


class Vehicles:
    """By name; each is there as long as the connection on which it reported last."""

    def __init__(self) -> None:
        self._of: dict[str, _Vehicle] = {}
        self._peers: dict[Peer, set[str]] = {}

    def report(self, state: VehicleState, peer: Peer) -> Code:
        """A vehicle says where it is; one that says less than is known of it is stale."""
        known = self._of.get(state.vehicle)
        if known is None and len(self._of) >= VEHICLES:
            return Code.FULL
        if known is not None and known.peer is peer and state.at_us < known.state.at_us:
            return Code.STALE
        self._of[state.vehicle] = _Vehicle(state, peer)
        if peer not in self._peers:
            self._peers[peer] = set()
            peer.on_close(lambda: self._gone(peer))
        self._peers[peer].add(state.vehicle)
        return Code.DONE

    def knows(self, vehicle: str) -> bool:
        return vehicle in self._of

    def where(self, vehicle: str) -> Vector | None:
        """The position that it reported last."""
        known = self._of.get(vehicle)
        return known.state.position if known else None

    def around(self, at_us: int, within_us: int) -> list[VehicleState]:
        """Where those are that have reported within ``within_us`` of a moment."""
        return [one.state for one in self._of.values() if abs(one.state.at_us - at_us) <= within_us]

    def push(self, warning: contracts.Warning) -> None:
        """Tell a vehicle, if it is still here."""
        if (known := self._of.get(warning.vehicle)) is not None:
            known.peer.push(WARNING, encode_body(WarningPushed(warning)))

    def _gone(self, peer: Peer) -> None:
        for vehicle in self._peers.pop(peer, ()):
            if (known := self._of.get(vehicle)) is not None and known.peer is peer:
                del self._of[vehicle]
