"""A technology as it would be at another node: every figure of its blocks times published factors.

What is scaled and how is chosen separately, because the published methods differ:

- *area*: by the ratio of cell areas in published libraries of the two nodes (`library_cells`), by Stillmaker
  and Baas' table (`stillmaker2017`) or by the square of the feature size (`constant_field`). Then divided by
  the utilisation of the placed rows, where one is given: standard cells never fill their rows.
- *energy* and *delay*: by Stillmaker and Baas' polynomials in the supply voltage, or at constant field.
- *leakage*: not scaled. Neither method gives a factor for it, and it is a few per cent of a tile's power.

SRAM is not scaled: macros of the node itself are taken from the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bitwatt.errors import RequestError
from bitwatt.technology.scaling import ScaleFactors, area_factor, scale_factors
from bitwatt.technology.table import BlockCost
from bitwatt.technology.technology import Technology


@dataclass(frozen=True)
class Scaling:
    """To which node, supply and rows a technology is scaled, and by which methods.

    utilisation: share of the placement rows that cells fill, 0 to 1; 1 counts cells alone, as a synthesis
    report does. Raises `RequestError` for a utilisation out of range.
    """

    node_nm: int
    voltage_v: float
    area: str = "library_cells"
    energy: str = "stillmaker2017"
    utilisation: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.utilisation <= 1:
            raise RequestError(
                f"scaling: utilisation must lie above 0 and be at most 1, got {self.utilisation}"
            )


PUBLISHED_NODE = Scaling(node_nm=65, voltage_v=1.1, utilisation=0.8)
"""What the preset `hashemi2017` assumes of the published 65 nm tile, none of which the study states but the
node.

voltage_v: the supply of the 45 nm library itself, between the 1.0 V and 1.2 V of the common 65 nm processes.
utilisation: the study gives areas without saying whether cells alone are counted; 0.8 is what a placed and
routed block of mostly registers reaches (the open flows place at 0.5 to 0.8 by default).
"""


def scaled(technology: Technology, scaling: Scaling) -> Technology:
    """`technology` at another node.

    Raises `RequestError` for a node or method that is unknown, or a supply outside the method's fit.
    """
    factors = scale_factors(
        round(technology.node_nm),
        scaling.node_nm,
        technology.voltage_v,
        scaling.voltage_v,
        method=scaling.energy,
    )
    area = area_factor(round(technology.node_nm), scaling.node_nm, scaling.area)
    words = (
        f"scaled from {technology.node_nm:g} to {scaling.node_nm} nm and {scaling.voltage_v:g} V: "
        f"area x {area.factor:.3g} ({area.source})"
        + (f" / {scaling.utilisation:g} (utilisation, assumed)" if scaling.utilisation < 1 else "")
        + f", energy x {factors.energy:.3g}, delay x {factors.delay:.3g} ({factors.source}); "
        "leakage as it was"
    )
    table = replace(
        technology.table,
        voltage_v=scaling.voltage_v,
        scaling=words,
        blocks={
            name: _scaled_block(block, area.factor / scaling.utilisation, factors)
            for name, block in technology.table.blocks.items()
        },
    )
    nodes = {macro.node_nm for macro in technology.sram.macros}
    return replace(
        technology,
        name=f"{technology.name}@{scaling.node_nm}nm",
        node_nm=scaling.node_nm,
        voltage_v=scaling.voltage_v,
        table=table,
        sram_node_nm=min(nodes, key=lambda node: abs(node - scaling.node_nm)),
        source=f"{technology.source}; {words}",
    )


def _scaled_block(block: BlockCost, area: float, factors: ScaleFactors) -> BlockCost:
    return replace(
        block,
        area_um2=block.area_um2 * area,
        delay_s=block.delay_s * factors.delay,
        combinational_j=block.combinational_j * factors.energy,
        register_j=block.register_j * factors.energy,
        input_net_j=block.input_net_j * factors.energy,
        glitch_j=block.glitch_j * factors.energy,
        clock_pin_j=block.clock_pin_j * factors.energy,
        clock_net_j=block.clock_net_j * factors.energy,
    )
