"""A small tile synthesised flat, running a network, beside the sum of its blocks: what the sum leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from amaranth.hdl import Value
from torch import nn

from bitwatt.costing import Cost, cost_schedule
from bitwatt.costing.blocks import block_specs
from bitwatt.hardware.blocks import rtlil_text
from bitwatt.hardware.network_operands import operands_of
from bitwatt.hardware.passes import compile_passes
from bitwatt.hardware.rtl.tile import TileRTL
from bitwatt.hardware.schedule import schedule
from bitwatt.hardware.simulate import TileSimulation
from bitwatt.hardware.tile import Tile
from bitwatt.program import lower
from bitwatt.program.executor import trace
from bitwatt.program.program import Program
from bitwatt.quantization import quantize
from bitwatt.report.quantities import MINUS, significant
from bitwatt.technology.activity import simulate
from bitwatt.technology.characterize import characterize
from bitwatt.technology.glitches import measure_glitches
from bitwatt.technology.liberty import Library, read_liberty
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.power import block_power
from bitwatt.technology.sram import built_in_sram_table
from bitwatt.technology.synthesis import synthesize
from bitwatt.technology.technology import Technology
from bitwatt.technology.timing import analyze_timing
from bitwatt.technology.toolchain import liberty_path

TILE = Tile("fixed8", neurons=4, synapses=4, rows=16, buffers="flops", clock_gating=False, fan_in=256)


def network() -> tuple[Program, torch.Tensor]:
    """A convolution and a connected layer, with what weights and images look like; and the images."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 8))
    images = torch.relu(torch.randn(8, 4, 6, 6) + 0.25)
    quantized = quantize(net, str(TILE.precision), calibration=images)
    return lower(quantized, example=images[:1]), images


def recorded(program: Program, image: torch.Tensor) -> dict[str, np.ndarray[Any, Any]]:
    """The words at the tile's input ports in each cycle in which it computes one image."""
    simulation = TileSimulation(TILE)
    values = {name: value.numpy() for name, value in trace(program, image[None]).items()}
    columns: dict[str, list[int]] = {}

    def watch(ctx: Any, rtl: TileRTL) -> None:
        for path, member, value in rtl.signature.flatten(rtl):
            if member.flow.name == "In":
                columns.setdefault("__".join(map(str, path)), []).append(int(ctx.get(Value.cast(value))))

    for step in compile_passes(program, TILE):
        simulation.run(step, values[step.step.input], watch=watch)
    # Signed ports read as negative numbers, which the netlist's simulation takes as two's complement.
    return {name: np.array(words, dtype=object) for name, words in columns.items()}


def sum_of_blocks(program: Program, images: torch.Tensor, library: Library) -> Cost:
    """The cost of one image by the model, its blocks measured with the program's own operands."""
    specs = block_specs(TILE, operands_of(program, images, TILE, cycles=2048))
    table = characterize(specs, library, TILE.clock_hz, technology="small tile")
    macros = built_in_sram_table()
    where = Technology("small tile", 45, library.voltage_v, table, macros, 45, "itrs-lop", table.source())
    return cost_schedule(schedule(program, TILE), where)


def flat(program: Program, image: torch.Tensor, library: Library) -> dict[str, float]:
    """The same of the whole tile's netlist: area in mm2, energy of the image in J, what glitches add."""
    stimulus = recorded(program, image)
    plan = plan_synthesis("tile", rtlil_text(TileRTL(TILE), "tile"), "tile", library, TILE.clock_hz)
    netlist = read_netlist(synthesize(plan).netlist_json, "tile", library, "clk")
    activity, timing = simulate(netlist, stimulus), analyze_timing(netlist)
    power = block_power(activity, timing)
    glitches = measure_glitches(activity, timing, 150).combinational_j(power) - power.combinational_j
    cycles = activity.cycles
    return {
        "cycles": cycles,
        "cells": len(netlist.instances),
        "area_mm2": netlist.area_um2 * 1e-6,
        "data_j": power.data_j * cycles,
        "glitch_j": glitches * cycles,
        "clock_j": power.clocking_j * cycles,
        "leakage_j": power.leakage_w * cycles / TILE.clock_hz,
        "delay_s": timing.delay_s,
    }


def flat_against_blocks() -> dict[str, str]:
    """The facts for the page."""
    library = read_liberty(liberty_path("nangate45"))
    program, images = network()
    whole = flat(program, images[0], library)
    parts = sum_of_blocks(program, images, library)
    energy = dict(parts.energy_j_by_component)
    clock, leakage = energy.pop("clock"), energy.pop("leakage")
    total = whole["data_j"] + whole["glitch_j"] + whole["clock_j"] + whole["leakage_j"]
    rows = [
        ("area, um²", 1e6 * whole["area_mm2"], 1e6 * parts.area_mm2),
        ("energy of operands, nJ", 1e9 * (whole["data_j"] + whole["glitch_j"]), 1e9 * sum(energy.values())),
        ("energy of the clock, nJ", 1e9 * whole["clock_j"], 1e9 * clock),
        ("leakage, nJ", 1e9 * whole["leakage_j"], 1e9 * leakage),
        ("energy of an image, nJ", 1e9 * total, 1e9 * parts.energy_j),
    ]
    lines = [
        f"| {name} | {significant(ours, 4)} | {significant(theirs, 4)} | {_relative(theirs, ours)} |"
        for name, ours, theirs in rows
    ]
    return {
        "flat_table": "\n".join(["| | flat | sum of blocks | |", "| --- | ---: | ---: | ---: |", *lines]),
        "flat_cycles": f"{whole['cycles']:.0f}",
        "flat_cells": f"{whole['cells']:,.0f}",
        "flat_area": _relative(parts.area_mm2, whole["area_mm2"]),
        "flat_energy": _relative(parts.energy_j, total),
        "flat_period": f"{1e9 * whole['delay_s']:.2f}",
    }


def _relative(value: float, reference: float) -> str:
    return f"{100 * (value / reference - 1):+.1f} %".replace("-", MINUS)
