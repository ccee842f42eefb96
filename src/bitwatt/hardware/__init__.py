"""The tile: what it is made of, what it does in a run, and its RTL.

Everything is imported from the module that defines it; only `bitwatt.hardware.rtl` and what is built on it
load amaranth.
"""
