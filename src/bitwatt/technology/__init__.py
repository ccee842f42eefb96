"""What gates and memory macros cost: liberty, synthesis, power, SRAM.

This layer takes the RTL of a block as text, with its operands, and gives area, delay, leakage and energy. It
knows nothing of formats, networks or tiles. Everything is imported from the module that defines it.
"""
