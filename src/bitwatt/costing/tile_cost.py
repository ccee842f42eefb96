"""What a tile costs by itself: its area, its power at full load, its energy an operation, its timing.

Full load is the steady state of a long layer, the same for every precision. In each cycle a row of Bin and a
row of SB are read, a row of Bin is written (inputs stream in while weights stay), every weight block, adder
tree and accumulator works on new operands; every GROUPS cycles (`bitwatt.hardware.stimulus`) each output
stage works once, and a row of Bout is written and read. The clock runs (gated registers only while they
work), and everything leaks. Operands are the blocks' own stimuli, which `provenance` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitwatt.costing.blocks import DATAPATH, bank_rows, block_kinds, block_name
from bitwatt.costing.breakdown import COMPONENTS, on_common_grid
from bitwatt.costing.join import unit_costs
from bitwatt.costing.units import UnitCost
from bitwatt.hardware.stimulus import GROUPS
from bitwatt.hardware.tile import Tile
from bitwatt.technology.scaled import PUBLISHED_NODE, Scaling, scaled
from bitwatt.technology.technology import Technology, technology


@dataclass(frozen=True)
class TileCost:
    """A tile at full load: mm2, W, and J a multiply-accumulate; the parts sum to the totals exactly.

    power_w_by_owner: the power once more, the clock and the leakage of each component counted as its own.
    delay_s: for each kind of block the shortest clock period it allows, SRAM buffers included (the longer of
    access and cycle time), in s. provenance: by component, and under `timing` and `power` for all.
    """

    precision: str
    clock_hz: float
    node_nm: float
    area_mm2: float
    power_w: float
    energy_j_per_mac: float
    area_mm2_by_component: Mapping[str, float]
    power_w_by_component: Mapping[str, float]
    power_w_by_owner: Mapping[str, float]
    energy_j_per_mac_by_component: Mapping[str, float]
    buffer_bits: int
    delay_s: Mapping[str, float]
    provenance: Mapping[str, str]

    @property
    def slowest(self) -> str:
        """The kind of block that allows the least clock frequency."""
        return max(self.delay_s, key=lambda kind: self.delay_s[kind])

    @property
    def largest_clock_hz(self) -> float:
        """The highest clock frequency at which every block closes."""
        return 1.0 / self.delay_s[self.slowest]

    @property
    def too_slow(self) -> tuple[str, ...]:
        """The kinds of block that do not close at the tile's clock."""
        return tuple(kind for kind, delay in self.delay_s.items() if delay * self.clock_hz > 1)


def tile_cost(tile: Tile, where: str | Technology = "nangate45", scaling: Scaling | None = None) -> TileCost:
    """The cost of `tile` in a technology, scaled to another node where `scaling` says so.

    Raises `RequestError` for an unknown technology, blocks that it has not characterised, or a node that the
    method of scaling does not know.
    """
    found = technology(where) if isinstance(where, str) else where
    if scaling is not None:
        found = scaled(found, scaling)
    units = unit_costs(tile, found)
    events, clocked = steady_state(tile)
    energies = {
        name: sum(events.get(event, 0.0) * joule for event, joule in unit.event_j.items())
        for name, unit in units.items()
    }
    clocks = {name: _clock_j(unit, clocked.get(name, 1.0)) for name, unit in units.items()}
    power = {name: energies[name] * tile.clock_hz for name in COMPONENTS}
    power["clock"] = sum(clocks.values()) * tile.clock_hz
    power["leakage"] = sum(unit.leakage_w for unit in units.values())
    owned = {
        name: (energies[name] + clocks[name]) * tile.clock_hz + units[name].leakage_w for name in COMPONENTS
    }
    macs_per_s = tile.neurons * tile.synapses * tile.clock_hz
    power_w = on_common_grid([power])[0]
    energy_j = on_common_grid([{name: watt / macs_per_s for name, watt in power.items()}])[0]
    area = on_common_grid([{name: units[name].area_mm2 for name in COMPONENTS}])[0]
    return TileCost(
        precision=str(tile.precision),
        clock_hz=tile.clock_hz,
        node_nm=found.node_nm,
        area_mm2=sum(area.values()),
        power_w=sum(power_w.values()),
        energy_j_per_mac=sum(energy_j.values()),
        area_mm2_by_component=area,
        power_w_by_component=power_w,
        power_w_by_owner=owned,
        energy_j_per_mac_by_component=energy_j,
        buffer_bits=tile.buffer_bits,
        delay_s=_delays(tile, found),
        provenance={
            **{name: unit.energy_provenance for name, unit in units.items()},
            "power": (
                f"full load, assumed: each cycle a row of Bin and SB read, a row of Bin written, every "
                f"multiply-accumulate working; each {GROUPS} cycles a row of outputs"
            ),
            "timing": (
                "static timing of each netlist, wires by the library's own load model; SRAM by its table"
            ),
        },
    )


def preset_scaling(preset: str, where: Technology, node_nm: int | None = None) -> Scaling | None:
    """How a preset's tile is scaled: `hashemi2017` to the published node, any other not at all.

    node_nm: another node, at the technology's own supply. None where the technology is at that node already.
    """
    if node_nm is None:
        published = preset == "hashemi2017" and where.node_nm != PUBLISHED_NODE.node_nm
        return PUBLISHED_NODE if published else None
    if node_nm == where.node_nm:
        return None
    if preset == "hashemi2017" and node_nm == PUBLISHED_NODE.node_nm:
        return PUBLISHED_NODE
    return Scaling(node_nm, where.voltage_v)


def steady_state(tile: Tile) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Events a cycle at full load by name, and the share of cycles in which gated components are clocked.

    What is not named does not happen: SB is not written, nothing is pooled.
    """
    outputs = 1.0 / GROUPS
    events = {
        "weight_block": float(tile.neurons * tile.synapses),
        "adder_tree": float(tile.neurons),
        "accumulator": float(tile.neurons),
        "output_stage": tile.neurons * outputs,
        "bin_reads": 1.0,
        "bin_writes": 1.0,
        "sb_reads": 1.0,
        "bout_reads": outputs,
        "bout_writes": outputs,
    }
    return events, {"output_stages": outputs} if tile.clock_gating else {}


def _clock_j(unit: UnitCost, clocked: float) -> float:
    return unit.clock_j * clocked + unit.idle_clock_j * (1 - clocked)


def _delays(tile: Tile, found: Technology) -> dict[str, float]:
    # The others are the same netlists under other loads.
    kinds = [kind for kind in block_kinds(tile) if kind in (*DATAPATH, "control", "buffer")]
    delays = {kind: found.table.block(block_name(kind, tile)).delay_s for kind in kinds}
    if tile.buffers == "sram":
        for name, width in (("bin", tile.bin_bits), ("bout", tile.bout_bits), ("sb", tile.sb_bits)):
            macro = found.buffer(bank_rows(tile), width).macro
            delays[name] = max(macro.access_s, macro.cycle_s)
    return delays
