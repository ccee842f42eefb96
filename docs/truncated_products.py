"""The area of multipliers that keep no more bits of a product than of an operand, as DianNao's do.

DianNao (Chen et al., ASPLOS 2014), whose tile the published study takes over, multiplies with "16-bit
truncated fixed-point multipliers". bitwatt's tile keeps products whole, so these are not part of it: they are
synthesised here to see what that choice is worth.
"""

from __future__ import annotations

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module, Signal, signed

from bitwatt.technology.liberty import read_liberty
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.synthesis import synthesize_all
from bitwatt.technology.toolchain import liberty_path

#: um2 at 65 nm: (16-bit truncated fixed point, 32-bit floating point). Quoted from memory of the table of
#: multipliers in that paper (doi:10.1145/2541940.2541967), not verified; nothing else is computed with them.
DIANNAO_UM2 = (1309.32, 7997.76)


def truncated_areas_um2(widths: tuple[int, ...] = (4, 8, 16, 32)) -> dict[int, float]:
    """Area in Nangate 45 of a registered multiplier of `width` bits and a product of `width`, by width."""
    library = read_liberty(liberty_path("nangate45"))
    plans = [plan_synthesis("truncated", _rtlil(width), "truncated", library, 250e6) for width in widths]
    return {
        width: read_netlist(synthesis.netlist_json, "truncated", library, "clk").area_um2
        for width, synthesis in zip(widths, synthesize_all(plans), strict=True)
    }


def _rtlil(width: int) -> str:
    """A multiplier that leaves out the half of the partial products on one side of its array's diagonal.

    The lower half is built rather than the upper: as many partial products, and nothing to say about how the
    columns left out are estimated.
    """
    m = Module()
    m.domains.sync = domain = ClockDomain(reset_less=True)
    domain.clk = clock = Signal(name="clk")
    a, b, p = (Signal(signed(width), name=name) for name in ("a", "b", "p"))
    enable = Signal(name="enable")
    with m.If(enable):
        m.d.sync += p.eq(a * b)
    return str(rtlil.convert(m, ports=[clock, a, b, enable, p], name="truncated"))
