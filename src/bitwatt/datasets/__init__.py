"""Data sets: read from their standard files, downloaded where they are missing, or the user's own."""

from bitwatt.datasets.catalogue import load, names
from bitwatt.datasets.data import Augmentation, Data, Split, hold_out

__all__ = ["Augmentation", "Data", "Split", "hold_out", "load", "names"]
