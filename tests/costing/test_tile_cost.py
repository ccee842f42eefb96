"""A tile at full load: exact sums, definitions worked out by hand, timing, the published tile beside it."""

from dataclasses import replace
from statistics import mean

import pytest

from bitwatt.costing.blocks import block_name
from bitwatt.costing.breakdown import COMPONENTS, ENERGY_COMPONENTS
from bitwatt.costing.tile_cost import preset_scaling, steady_state, tile_cost
from bitwatt.errors import RequestError
from bitwatt.formats import PAPER
from bitwatt.hardware.stimulus import GROUPS
from bitwatt.hardware.tile import PRESETS, Tile
from bitwatt.report.published import design_metrics
from bitwatt.technology.scaled import PUBLISHED_NODE, Scaling
from bitwatt.technology.technology import technology

PAPER_NAMES = [str(precision) for precision in PAPER]


def published_tile(precision: str):
    return tile_cost(Tile.preset("hashemi2017", precision), "nangate45", PUBLISHED_NODE)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("precision", PAPER_NAMES)
def test_components_sum_to_the_totals_exactly(precision: str, preset: str) -> None:
    cost = tile_cost(Tile.preset(preset, precision))
    assert sum(cost.area_mm2_by_component.values()) == cost.area_mm2
    assert sum(cost.power_w_by_component.values()) == cost.power_w
    assert sum(cost.energy_j_per_mac_by_component.values()) == cost.energy_j_per_mac
    assert sum(cost.power_w_by_owner.values()) == pytest.approx(cost.power_w, rel=1e-12)
    assert set(cost.area_mm2_by_component) == set(cost.power_w_by_owner) == set(COMPONENTS)
    assert set(cost.power_w_by_component) == set(ENERGY_COMPONENTS)
    assert set(cost.provenance) == {*COMPONENTS, "power", "timing"}


def test_power_is_what_the_steady_state_says() -> None:
    """One component of each kind, worked out by hand from the table."""
    tile, table = Tile.preset("hashemi2017", "fixed8"), technology("nangate45").table
    power = tile_cost(tile).power_w_by_component
    block = {
        kind: table.block(block_name(kind, tile))
        for kind in ("weight_block", "output_stage", "buffer", "buffer_read", "buffer_write")
    }
    assert power["weight_blocks"] == pytest.approx(256 * block["weight_block"].data_energy_j * 250e6)
    assert power["output_stages"] == pytest.approx(16 * block["output_stage"].data_energy_j * 250e6 / 25)
    rest = block["buffer"].data_energy_j + block["buffer"].clock_energy_j
    read, write = (
        block[kind].data_energy_j + block[kind].clock_energy_j - rest
        for kind in ("buffer_read", "buffer_write")
    )
    assert power["sb"] == pytest.approx(128 * read * 250e6)
    assert power["bin"] == pytest.approx(8 * (read + write) * 250e6)
    assert power["bout"] == pytest.approx(8 * (read + write) * 250e6 / 25)


def test_only_output_stages_rest_at_full_load_and_only_where_clocks_are_gated() -> None:
    assert steady_state(Tile("fixed8", clock_gating=True))[1] == {"output_stages": 1 / GROUPS}
    assert steady_state(Tile("fixed8", clock_gating=False))[1] == {}
    gated, free = (tile_cost(Tile("fixed8", clock_gating=gating)) for gating in (True, False))
    assert gated.power_w_by_component["clock"] < free.power_w_by_component["clock"]


def test_timing_names_the_block_that_does_not_close_and_the_clock_that_would() -> None:
    cost = tile_cost(Tile.preset("modern", "fixed8"))
    assert cost.too_slow == ()
    assert cost.largest_clock_hz == 1 / max(cost.delay_s.values())
    fast = replace(Tile.preset("modern", "fixed8"), clock_hz=2 * cost.largest_clock_hz)
    assert cost.slowest in tile_cost(fast).too_slow
    assert {"bin", "bout", "sb"} <= set(cost.delay_s), "SRAM macros have a cycle time too"


def test_area_savings_beside_the_published_ones() -> None:
    """What is reached: 3 points on average without fixed32, whose products the study may truncate."""
    ours = {name: published_tile(name) for name in PAPER_NAMES}
    misses = {
        name: abs((1 - ours[name].area_mm2 / ours["float32"].area_mm2) - design_metrics(name).area_saving)
        for name in PAPER_NAMES[1:]
    }
    assert mean(miss for name, miss in misses.items() if name != "fixed32") < 0.03, misses
    assert misses["fixed32"] < 0.18


def test_power_savings_are_within_5_points_of_the_published_on_average() -> None:
    ours = {name: published_tile(name) for name in PAPER_NAMES}
    misses = [
        abs((1 - ours[name].power_w / ours["float32"].power_w) - design_metrics(name).power_saving)
        for name in PAPER_NAMES[1:]
    ]
    assert mean(misses) < 0.05, misses


@pytest.mark.parametrize("precision", PAPER_NAMES)
def test_areas_are_within_30_percent_of_the_published(precision: str) -> None:
    assert published_tile(precision).area_mm2 == pytest.approx(design_metrics(precision).area_mm2, rel=0.3)


def test_the_published_preset_is_scaled_to_its_node_unless_told_otherwise() -> None:
    at45 = technology("nangate45")
    assert preset_scaling("hashemi2017", at45) is PUBLISHED_NODE
    assert preset_scaling("hashemi2017", at45, 45) is None
    assert preset_scaling("modern", at45) is None
    assert preset_scaling("modern", at45, 65) == Scaling(65, at45.voltage_v)


def test_a_node_without_factors_is_refused() -> None:
    with pytest.raises(RequestError) as error:
        tile_cost(Tile("fixed8"), "nangate45", Scaling(28, 0.9))
    assert str(error.value).startswith("unknown node (nm) '28'")
