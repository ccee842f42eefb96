"""The tile: what it is made of, what it does in a run, and its RTL.

Only `bitwatt.hardware.rtl` and what is built on it load amaranth.
"""

from bitwatt.hardware.tile import PRESETS, Tile

__all__ = ["PRESETS", "Tile"]
