"""What a run costs: the schedule's counts times the technology's unit costs."""

from bitwatt.costing.model import Cost, cost, cost_schedule

__all__ = ["Cost", "cost", "cost_schedule"]
