"""Programs of mixed precision: the least tile that is characterised, and that its cost is the tile's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest
import torch

import bitwatt as bw
from bitwatt.costing import cost, least_tile, sweep
from bitwatt.errors import RequestError
from bitwatt.formats import parse_precision
from bitwatt.hardware.tile import Tile
from bitwatt.program.program import Program
from bitwatt.technology.technology import technology


@cache
def lenet(precision: str, *layers: tuple[str, str]) -> Program:
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    net = bw.networks.create("lenet", seed=0)
    return bw.lower(bw.quantize(net, precision, calibration=images, layers=dict(layers)).eval(), images)


NARROW = ("fc1", "fixed4:fixed8")


@pytest.mark.parametrize(
    "default, layers, wanted",
    [
        ("fixed8", [NARROW], "fixed8"),
        ("fixed4:fixed8", [("fc2", "fixed3:fixed8")], "fixed4:fixed8"),
        ("fixed4:fixed8", [("fc1", "binary:fixed8")], "fixed4:fixed8"),
        # The join is fixed6:fixed8, which the table has not; fixed8 is the smallest that holds it.
        ("fixed4:fixed8", [("fc1", "fixed6:fixed8")], "fixed8"),
        ("ternary:fixed8", [("fc1", "binary:fixed8")], "ternary:fixed8"),
        ("binary:fixed8", [("fc2", "ternary:fixed8")], "ternary:fixed8"),
        ("pow2:fixed8", [("fc1", "pow2-4:fixed8")], "pow2:fixed8"),
    ],
)
def test_the_least_tile_is_the_smallest_characterised_one_that_holds_every_layer(
    default: str, layers: list[tuple[str, str]], wanted: str
) -> None:
    asked = Tile(default, neurons=8, rows=64)
    program = lenet(default, *layers)
    tile = least_tile(program, asked)
    assert tile == replace(asked, precision=parse_precision(wanted))
    found, uniform = cost(program, tile), cost(lenet(wanted), tile)
    assert (found.cycles, found.energy_j, found.area_mm2) == (
        uniform.cycles, uniform.energy_j, uniform.area_mm2,
    )  # fmt: skip
    assert found.energy_j_by_component == uniform.energy_j_by_component


def test_one_precision_has_its_own_tile_whether_characterised_or_not() -> None:
    asked = Tile("fixed5")
    assert least_tile(lenet("fixed5"), asked) == asked


def test_weights_count_at_their_own_width_and_nothing_else_changes() -> None:
    tile = Tile("fixed8")
    mixed, uniform = cost(lenet("fixed8", NARROW), tile), cost(lenet("fixed8"), tile)
    products = 800 * 500  # of fc1
    assert mixed.memory_bytes == {
        **uniform.memory_bytes,
        "weights": uniform.memory_bytes["weights"] - products // 2,
    }


def test_layers_that_round_to_less_need_bounds_and_are_refused_by_name_without() -> None:
    program, found = lenet("fixed8", ("fc1", "fixed4")), technology("nangate45")
    plain = {name: block for name, block in found.table.blocks.items() if "/clip" not in name}
    without = replace(found, name="plain", table=replace(found.table, blocks=plain))
    with pytest.raises(RequestError) as caught:
        least_tile(program, Tile("fixed8"), without)
    text = str(caught.value)
    assert text.startswith("technology 'plain' has not characterised output_stage/fixed8:fixed8/8192/clip")
    assert text.endswith("with --precisions fixed8 --clip. No wider tile that it has runs every layer either")
    bounded = plain | {name.replace("/8192", "/8192/clip"): block for name, block in plain.items()}
    having = replace(found, name="bounded", table=replace(found.table, blocks=bounded))
    assert least_tile(program, Tile("fixed8"), having) == Tile("fixed8", clip=True)
    only = {
        name: block for name, block in bounded.items() if "fixed16:fixed16" in name or "/clip" not in name
    }
    wider = replace(found, name="wider", table=replace(found.table, blocks=only))
    assert least_tile(program, Tile("fixed8"), wider) == Tile("fixed16", clip=True)


def test_what_is_wrong_beside_the_formats_is_said() -> None:
    with pytest.raises(RequestError, match="adds 800 products and the tile's accumulators are sized for 600"):
        least_tile(lenet("fixed8", NARROW), Tile("fixed8", fan_in=600))


def test_a_sweep_of_mixed_programs_is_equal_to_the_scalar_model() -> None:
    programs: Mapping[str, Program] = {
        "narrow": lenet("fixed8", NARROW),
        "ternary": lenet("fixed8", ("fc*", "ternary:fixed8"), ("conv1", "fixed6:fixed8")),
        "uniform": lenet("fixed8"),
    }
    names = ("fixed8", "fixed16", "fixed4:fixed8", "binary:fixed8")
    found = sweep(programs, names, neurons=(8, 16), buffers=("sram", "flops"), refused="mark")
    seen = set()
    for index in range(len(found)):
        name, tile, tech = found.point(index)
        program = lenet(str(tile.precision)) if name == "uniform" else programs[name]
        seen.add((name, str(tile.precision), bool(found.possible[index])))
        if not found.possible[index]:
            with pytest.raises(RequestError) as caught:
                cost(program, tile, tech)
            assert str(caught.value) in found.refused
            continue
        wanted = cost(program, tile, tech)
        for field in ("cycles", "runtime_s", "energy_j", "power_w", "area_mm2"):
            assert getattr(found, field)[index] == getattr(wanted, field), (field, name, tile)
        assert {k: v[index] for k, v in found.memory_bytes.items()} == wanted.memory_bytes
    assert ("narrow", "fixed8", True) in seen
    assert ("narrow", "fixed4:fixed8", False) in seen
    # Activations of 16 bits saturate later than those of 8: it would need bounds.
    assert ("ternary", "fixed16", False) in seen
