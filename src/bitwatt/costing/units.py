"""What each component of a tile costs: its area, its leakage, and the energy of each of its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class UnitCost:
    """One component of a tile, all its copies together.

    area_mm2; leakage_w; event_j: energy of one event, in J, by the event's name in
    `bitwatt.costing.model.event_counts`; clock_j: energy of the clock at its registers for one cycle in which
    they are clocked, and idle_clock_j for one in which they are not, in J; provenance: where these come from;
    operands: what the energies were measured with, on which areas do not depend. Empty for a table's figures.
    """

    area_mm2: float
    leakage_w: float
    event_j: Mapping[str, float] = field(default_factory=dict)
    clock_j: float = 0.0
    idle_clock_j: float = 0.0
    provenance: str = ""
    operands: str = ""

    @property
    def energy_provenance(self) -> str:
        """Where the energies come from, operands included."""
        return f"{self.provenance}; operands {self.operands}" if self.operands else self.provenance
