"""What a run costs: the schedule's counts times the technology's unit costs."""

from bitwatt.costing.least_tile import least_tile
from bitwatt.costing.model import Cost, cost, cost_schedule
from bitwatt.costing.sweeps import Sweep, sweep

__all__ = ["Cost", "Sweep", "cost", "cost_schedule", "least_tile", "sweep"]
