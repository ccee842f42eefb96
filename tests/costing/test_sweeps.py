"""Sweeps against the scalar model: equal to the last bit on every point of drawn networks and tiles."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import bitwatt as bw
from bitwatt.costing import Sweep, cost, cost_schedule, sweep
from bitwatt.costing.blocks import block_kinds, block_name
from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.formats import PAPER
from bitwatt.hardware.schedule import schedule_work
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork
from bitwatt.technology.scaled import PUBLISHED_NODE, scaled
from bitwatt.technology.technology import Technology, technology

PRECISIONS = ("float32", "fixed32", "fixed8", "fixed4:fixed8", "fixed3", "pow2", "binary")
SYNAPSES, ROWS, FAN_INS = (4, 16, 64), (2, 8, 64, 1000), (600, 8192)


@cache
def anywhere() -> Technology:
    """nangate45 with blocks of other sizes and options too, whose figures are made up."""
    found = technology("nangate45")
    draw = np.random.default_rng(0)
    blocks = dict(found.table.blocks)
    choices = product(PRECISIONS, SYNAPSES, ROWS, FAN_INS, (False, True), ("flops", "sram"))
    for (precision, synapses, rows, fan_in, gated, buffers), residual, clip in product(
        choices, (False, True), (False, True)
    ):
        known = Tile(precision, buffers=buffers, clock_gating=gated)
        options = {"residual": residual, "clip": clip}
        tile = replace(known, synapses=synapses, rows=rows, fan_in=fan_in, **options)
        for kind in block_kinds(tile):
            alike = block_name("output_stage_max" if kind == "output_stage_residual" else kind, known)
            alike = alike if alike in blocks else alike.removesuffix("/gated")
            for idle in ("", "/idle"):
                name, source = block_name(kind, tile) + idle, alike + idle
                if name in blocks or source not in blocks:
                    continue
                by = draw.uniform(0.5, 2.0, size=3)
                blocks[name] = replace(
                    blocks[source],
                    name=name,
                    area_um2=blocks[source].area_um2 * by[0],
                    combinational_j=blocks[source].combinational_j * by[1],
                    clock_pin_j=blocks[source].clock_pin_j * by[2],
                )
    return replace(found, name="anywhere", table=replace(found.table, blocks=blocks))


@st.composite
def passes(draw: st.DrawFn) -> LayerWork:
    kind = draw(st.sampled_from(("weighted", "weighted", "pool")))
    outputs = draw(st.integers(1, 300))
    groups = draw(st.sampled_from((1, 1, 3))) if kind == "weighted" else 1
    window = draw(st.sampled_from((1, 4, 9)))
    places = draw(st.integers(1, 200))
    wide = kind == "weighted" and window == 1 and draw(st.booleans())
    reduction = draw(st.integers(1, 600)) if kind == "weighted" else window
    return LayerWork(
        name="layer",
        kind=kind,
        positions=places * window if kind == "weighted" else places,
        outputs=outputs,
        reduction=reduction,
        groups=groups,
        pooled_positions=places,
        window=window,
        average=draw(st.booleans()),
        inputs=draw(st.integers(1, 10_000)),
        results=draw(st.integers(1, 10_000)),
        weights=draw(st.integers(0, 10**6)),
        biases=draw(st.integers(0, 500)),
        wide=wide,
        residual=not wide and draw(st.booleans()),
        clip=draw(st.booleans()),
    )


def some(values: tuple[Any, ...]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


def assert_equal_to_scalar(found: Sweep, networks: dict[str, tuple[LayerWork, ...]]) -> None:
    for index in range(len(found)):
        name, tile, tech = found.point(index)
        wanted = cost_schedule(schedule_work(networks[name], tile), tech)
        for field in ("cycles", "runtime_s", "energy_j", "power_w", "area_mm2"):
            assert getattr(found, field)[index] == getattr(wanted, field), (field, name, tile)
        for field in ("memory_bytes", "energy_j_by_component", "area_mm2_by_component"):
            got = {part: values[index] for part, values in getattr(found, field).items()}
            assert got == getattr(wanted, field), (field, name, tile)


@settings(max_examples=40, deadline=None)
@given(
    networks=st.lists(st.lists(passes(), min_size=1, max_size=3), min_size=1, max_size=2),
    precisions=some(PRECISIONS),
    axes=st.fixed_dictionaries(
        {
            "neurons": st.lists(st.integers(1, 256), min_size=1, max_size=3, unique=True),
            "synapses": some(SYNAPSES),
            "rows": some(ROWS),
            "buffers": some(("sram", "flops")),
            "clock_gating": some((True, False)),
            "clock_hz": some((1e8, 250e6)),
            "fan_in": some(FAN_INS),
        }
    ),
)
def test_equal_to_the_scalar_model_on_every_point(
    networks: list[list[LayerWork]], precisions: list[str], axes: dict[str, list[Any]]
) -> None:
    named = {f"net{place}": tuple(works) for place, works in enumerate(networks)}
    # Output stages without an option refuse a layer that needs it; those with it take any.
    for option in ("residual", "clip"):
        needed = any(getattr(work, option) for works in named.values() for work in works)
        axes = {**axes, option: [True] if needed else [True, False]}
    technologies = [anywhere(), scaled(anywhere(), PUBLISHED_NODE)]
    found = sweep(named, precisions, technologies=technologies, **axes)
    assert len(found) == len(named) * 2 * len(precisions) * np.prod([len(values) for values in axes.values()])
    assert found.possible.all()
    assert_equal_to_scalar(found, named)


def test_a_program_stands_for_its_shapes_at_every_precision() -> None:
    net = bw.networks.create("lenet", seed=0)
    images = torch.rand(2, 1, 28, 28)
    programs = {str(p): bw.lower(bw.quantize(net, p, calibration=images).eval(), images) for p in PAPER}
    found = sweep({"lenet": programs["fixed8"]}, PAPER)
    for index, precision in enumerate(PAPER):
        wanted = cost(programs[str(precision)], Tile(precision))
        assert (found.energy_j[index], found.cycles[index]) == (wanted.energy_j, wanted.cycles)


DENSE = LayerWork("fc", "weighted", 1, 10, 500, 1, 1, 1, False, 500, 10, 5000, 10, False)


def test_columns_name_every_point() -> None:
    found = sweep({"a": [DENSE], "b": [DENSE]}, ["fixed8", "fixed4"], neurons=(8, 16), clock_hz=(1e8, 2e8))
    columns = found.columns()
    assert {len(values) for values in columns.values()} == {len(found)} == {16}
    for index in range(len(found)):
        name, tile, tech = found.point(index)
        assert columns["network"][index] == name
        assert columns["technology"][index] == tech.name
        assert columns["precision"][index] == str(tile.precision)
        for axis in ("neurons", "rows", "buffers", "clock_gating", "clock_hz", "fan_in", "synapses"):
            assert columns[axis][index] == getattr(tile, axis)
    assert columns["energy_j"] is found.energy_j


def test_what_the_scalar_model_refuses_is_refused_in_its_words() -> None:
    for network, axes in (
        ((DENSE,), {"synapses": (16, 32)}),
        ((DENSE,), {"rows": (64, 128)}),
        ((DENSE, replace(DENSE, reduction=9000)), {}),
    ):
        with pytest.raises(RequestError) as refused:
            sweep({"net": network}, ["fixed8"], **axes)
        with pytest.raises(RequestError) as scalar:
            cost_schedule(schedule_work(network, Tile("fixed8", **{k: v[1] for k, v in axes.items()})))
        assert str(refused.value) == str(scalar.value)


def test_refused_points_are_marked_where_asked() -> None:
    found = sweep({"net": [DENSE]}, ["fixed8", "fixed5"], buffers=("sram", "flops"), refused="mark")
    assert found.possible.tolist() == [True, False, False, False]
    assert np.isfinite(found.energy_j).tolist() == [True, False, False, False]
    assert sum(found.refused.values()) == 3
    assert any("fixed5" in reason for reason in found.refused)


def test_what_cannot_be_swept_is_said() -> None:
    with pytest.raises(RequestError, match="a sweep needs at least one network, got none"):
        sweep({}, ["fixed8"])
    with pytest.raises(RequestError, match="a sweep needs at least one value of 'neurons', got none"):
        sweep({"net": [DENSE]}, ["fixed8"], neurons=())
    with pytest.raises(RequestError, match="neurons must be a whole number from 1 to 256, got 257"):
        sweep({"net": [DENSE]}, ["fixed8"], neurons=(16, 257))
    with pytest.raises(RequestError, match="network 'net' of the sweep has no pass"):
        sweep({"net": []}, ["fixed8"])
    odd = replace(DENSE, kind="add")  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="network 'net' of the sweep has a pass 'fc' \\(add\\)"):
        sweep({"net": [odd]}, ["fixed8"])
