"""The cost model on real blocks: sums, order, and that every width costs something else."""

from dataclasses import replace
from itertools import pairwise

import pytest

from bitwatt.costing import cost_schedule
from bitwatt.costing.blocks import block_kinds, block_name, block_specs
from bitwatt.costing.breakdown import COMPONENTS, ENERGY_COMPONENTS
from bitwatt.costing.join import unit_costs
from bitwatt.costing.units import UnitCost
from bitwatt.errors import RequestError
from bitwatt.formats import PAPER
from bitwatt.hardware.schedule import Events, schedule_work
from bitwatt.hardware.tile import PRESETS, Tile
from bitwatt.hardware.workload import LayerWork
from bitwatt.technology.characterize import block_inputs, method_sha256
from bitwatt.technology.technology import technology

WORKS = (
    LayerWork("conv1", "weighted", 576, 20, 25, 1, 144, 4, False, 784, 2880, 500, 20, False),
    LayerWork("conv2", "weighted", 64, 50, 500, 1, 16, 4, False, 2880, 800, 25000, 50, False),
    LayerWork("pool3", "pool", 16, 50, 9, 1, 16, 9, True, 800, 800, 0, 0, False),
    LayerWork("fc1", "weighted", 1, 500, 800, 1, 1, 1, False, 800, 500, 400000, 500, False),
    LayerWork("fc2", "weighted", 1, 10, 500, 1, 1, 1, False, 500, 10, 5000, 10, True),
)
"""LeNet's shapes, with a pooling pass."""


def costed(precision: str, preset: str):
    return cost_schedule(schedule_work(WORKS, Tile.preset(preset, precision)))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("precision", [str(p) for p in PAPER])
def test_layers_and_components_sum_to_the_totals_exactly(precision: str, preset: str) -> None:
    cost = costed(precision, preset)
    assert sum(cost.energy_j_by_component.values()) == cost.energy_j
    assert sum(layer["energy_j"] for layer in cost.by_layer) == cost.energy_j
    for name in ENERGY_COMPONENTS:
        assert (
            sum(layer["energy_j_by_component"][name] for layer in cost.by_layer)
            == cost.energy_j_by_component[name]
        )
    assert sum(cost.area_mm2_by_component.values()) == cost.area_mm2
    assert sum(layer["cycles"] for layer in cost.by_layer) == cost.cycles
    assert set(cost.area_mm2_by_component) == set(COMPONENTS)
    assert set(cost.energy_j_by_component) == set(ENERGY_COMPONENTS)
    assert cost.power_w == cost.energy_j / cost.runtime_s
    assert set(cost.provenance) == set(COMPONENTS)
    assert all(cost.provenance.values())


def _event_energy(unit: UnitCost) -> float:
    return sum(unit.event_j.values())


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    ("wide", "narrow"), list(pairwise(("fixed32", "fixed16", "fixed8", "fixed6", "fixed4", "fixed3")))
)
def test_every_width_costs_something_else_and_less(preset: str, wide: str, narrow: str) -> None:
    more, less = (unit_costs(Tile.preset(preset, precision)) for precision in (wide, narrow))
    for component in ("weight_blocks", "adder_trees", "accumulators", "sb"):
        assert more[component].area_mm2 > less[component].area_mm2, component
        assert more[component].leakage_w > less[component].leakage_w, component
        assert _event_energy(more[component]) > _event_energy(less[component]), component
    for component in ("bin", "bout"):
        assert _event_energy(more[component]) >= _event_energy(less[component]), component
        # Macros come in whole widths, and those of least energy are taken: 96 bits are three macros of 32,
        # which are larger than the two of 64 that 128 bits are. Flip-flops are single.
        if preset == "hashemi2017":
            assert more[component].area_mm2 > less[component].area_mm2, component
            assert _event_energy(more[component]) > _event_energy(less[component]), component


@pytest.mark.parametrize("preset", PRESETS)
def test_energy_and_area_fall_with_the_width(preset: str) -> None:
    for wide, narrow in pairwise(("fixed32", "fixed16", "fixed8", "fixed4")):
        more, less = costed(wide, preset), costed(narrow, preset)
        assert more.energy_j > less.energy_j
        assert more.area_mm2 > less.area_mm2
        for kind in ("weights", "activations_peak"):
            assert more.memory_bytes[kind] > less.memory_bytes[kind]
    for precision in ("pow2", "binary"):
        assert costed(precision, preset).energy_j < costed("fixed16", preset).energy_j


def test_energy_is_counts_times_unit_costs() -> None:
    """One figure worked out by hand from the table."""
    plan = schedule_work(WORKS, Tile.preset("modern", "fixed8"))
    block = technology("nangate45").table.block("weight_block/fixed8:fixed8/gated")
    macs = 576 * 20 * 25 + 64 * 50 * 500 + 500 * 800 + 10 * 500
    assert plan.events.weight_block == macs
    energy = cost_schedule(plan).energy_j_by_component["weight_blocks"]
    assert energy == pytest.approx(macs * block.data_energy_j, rel=1e-9)


def test_weight_memory_is_packed_at_its_width() -> None:
    weights = 500 + 25000 + 400000 + 5000
    for precision, bits in (("float32", 32), ("fixed4", 4), ("pow2", 6), ("binary", 1)):
        assert costed(precision, "modern").memory_bytes["weights"] == -(-weights * bits // 8)


def test_clock_gating_saves_clock_energy_and_nothing_else_is_idle() -> None:
    tile = Tile.preset("modern", "fixed8")
    gated = cost_schedule(schedule_work(WORKS, tile))
    free = cost_schedule(schedule_work(WORKS, replace(tile, clock_gating=False)))
    assert gated.energy_j_by_component["clock"] < free.energy_j_by_component["clock"]


def test_binary_has_no_weight_blocks() -> None:
    unit = unit_costs(Tile("binary"))["weight_blocks"]
    assert (unit.area_mm2, unit.leakage_w, dict(unit.event_j)) == (0, 0, {})


def test_a_tile_that_was_not_characterised_is_refused_by_name() -> None:
    with pytest.raises(RequestError) as error:
        unit_costs(Tile("fixed8", fan_in=4096))
    assert str(error.value) == (
        "technology 'nangate45' has not characterised accumulator/fixed8:fixed8/16/4096/gated, "
        "output_stage/fixed8:fixed8/4096/gated, output_stage_max/fixed8:fixed8/4096/gated, "
        "output_stage_average/fixed8:fixed8/4096/gated, which a tile of fixed8:fixed8 needs: "
        "run `bitwatt characterize` for this tile, with --precisions fixed8"
    ).replace("tile of fixed8:fixed8", "tile of fixed8")


@pytest.mark.parametrize("precision", [str(p) for p in PAPER])
def test_the_carried_table_is_of_todays_rtl(precision: str) -> None:
    """A stale table fails: make it again with `python scripts/characterize.py`."""
    table = technology("nangate45").table
    for preset in PRESETS:
        tile = Tile.preset(preset, precision)
        specs = block_specs(tile)
        assert {block_name(kind, tile) for kind in block_kinds(tile)} <= set(specs)
        inputs = {name: block_inputs(spec) for name, spec in specs.items()}
        assert table.stale_blocks(inputs, method_sha256()) == ()


def test_events_add() -> None:
    assert Events(weight_block=1, pool=2) + Events(weight_block=3) == Events(weight_block=4, pool=2)
