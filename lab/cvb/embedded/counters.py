"""What an edge counts of each application since its process started."""

from __future__ import annotations

from dataclasses import dataclass

from lab.cvb import contracts
from lab.cvb.contracts import Target


@dataclass
class Counters:
    """Every frame that was received ends as one of sampled out, worked out somewhere, or lost."""

    received: int = 0
    sampled_out: int = 0
    local: int = 0
    neighbour: int = 0
    data_centre: int = 0
    late: int = 0
    lost: int = 0
    refused: int = 0

    def worked_out(self, target: Target) -> None:
        """One more frame was worked out there."""
        name = target.name.lower()
        setattr(self, name, getattr(self, name) + 1)

    def told(self) -> contracts.Counters:
        return contracts.Counters(**vars(self))
