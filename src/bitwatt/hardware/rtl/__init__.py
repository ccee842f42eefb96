"""The tile's datapath in Amaranth.

Words on the ports are code words of number formats, or two's complement integers of the least width that
holds every value (`bitwatt.hardware.widths`); float32 is its 32 bits throughout. Every register has an enable
and no reset: control decides what is valid. Whether an enable becomes a gated clock or a multiplexer is a
choice of synthesis, not of the RTL.
"""
