"""Co-simulation: a whole network on the tile's RTL, against the program, bit for bit and cycle for cycle.

Each layer reads what the tile itself made of the layer before; only quantising the images, flattening, and
gathering windows is done outside, as by any host (`bitwatt.hardware.passes`). It stops at the first layer
that differs, and keeps a waveform of the image that shows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from bitwatt.errors import BitwattError, unknown_name
from bitwatt.hardware.passes import TilePass, compile_passes
from bitwatt.hardware.simulate import PassRun, TileSimulation, accesses
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.verilated import VerilatedTile
from bitwatt.hardware.workload import fitting
from bitwatt.program import ops, reference
from bitwatt.program.executor import checked_images, trace
from bitwatt.program.program import INPUT, Program

Simulator = Literal["verilator", "amaranth"]
SIMULATORS: tuple[Simulator, ...] = ("verilator", "amaranth")

Values = NDArray[np.generic]


@dataclass(frozen=True)
class Difference:
    """The first element at which the tile and the program differ; position: within one image's result."""

    image: int
    position: tuple[int, ...]
    expected: int | float
    got: int | float


@dataclass(frozen=True)
class LayerCosim:
    """A layer on the RTL, for one image: what it took, and what the schedule says that it takes.

    Where images differ from the schedule, it is the first of them that is shown. differing: elements of all
    images' results that are not the program's.
    """

    name: str
    cycles: int
    scheduled_cycles: int
    accesses: dict[str, int]
    scheduled_accesses: dict[str, int]
    differing: int
    difference: Difference | None

    @property
    def agrees(self) -> bool:
        """True where bits, cycles and accesses are equal in every image."""
        return (
            self.differing == 0
            and self.cycles == self.scheduled_cycles
            and self.accesses == self.scheduled_accesses
        )


@dataclass(frozen=True)
class CosimReport:
    """A network on the RTL. layers: up to the first whose bits differ. waveform: of that layer and image."""

    network: str
    precision: str
    simulator: Simulator
    images: int
    layers: tuple[LayerCosim, ...]
    build_s: float
    run_s: float
    waveform: Path | None

    @property
    def agrees(self) -> bool:
        """True where every layer agrees."""
        return all(layer.agrees for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Clock cycles for one image."""
        return sum(layer.cycles for layer in self.layers)


def cosimulate(
    program: Program,
    images: torch.Tensor,
    *,
    simulator: Simulator = "verilator",
    tile: Tile | None = None,
    vcd: Path | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> CosimReport:
    """Run a program on the tile's RTL.

    images: reals, (count, *program.input_shape). tile: by default the one that fits the program. vcd:
    where a waveform goes if bits differ; by default bitwatt-LAYER.vcd in the current folder. progress: told
    what is under way.

    Raises `RequestError` for images or a tile that do not fit the program, `ToolError` where Verilator or g++
    is missing or fails, `BitwattError` where the tile hangs.
    """
    if simulator not in SIMULATORS:
        raise unknown_name("simulator", str(simulator), SIMULATORS)
    tile = tile or fitting(Tile(program.precision, synapses=program.lanes), program)
    steps = compile_passes(program, tile)
    images = checked_images(program, images)
    expected = {name: value.numpy() for name, value in trace(program, images).items()}

    started = time.perf_counter()
    progress(f"building the {tile.precision} tile for {simulator}")
    model = VerilatedTile(tile) if simulator == "verilator" else TileSimulation(tile)
    build_s = time.perf_counter() - started

    started = time.perf_counter()
    made: dict[str, Values] = {INPUT: images.numpy()}
    layers: list[LayerCosim] = []
    waveform = None
    for step in steps:
        progress(f"{step.plan.work.name}: {len(images)} images")
        inputs = _value(program, step.step.input, made)
        added = None if step.step.residual is None else _value(program, step.step.residual, made)
        runs = model.run(step, inputs, added)
        result = made[step.step.output] = np.stack([run.result for run in runs])
        layers.append(_compared(step, runs, result, expected[step.step.output]))
        if (found := layers[-1].difference) is not None:
            waveform = vcd or Path(f"bitwatt-{step.plan.work.name}.vcd")
            progress(f"{step.plan.work.name} differs in image {found.image}: writing {waveform}")
            one = slice(found.image, found.image + 1)
            _record(simulator, step, inputs[one], None if added is None else added[one], waveform)
            break
    run_s = time.perf_counter() - started
    return CosimReport(
        program.network, program.precision, simulator, len(images), tuple(layers), build_s, run_s, waveform
    )


def _value(program: Program, name: str, made: dict[str, Values]) -> Values:
    """A value that a pass reads, for all images; made here if no pass made it, as by any host."""
    if name not in made:
        (op,) = (op for op in program.ops if op.name == name)
        sources = [_value(program, source, made) for source in op.inputs]
        match op:
            case ops.Quantize():
                made[name] = _quantized(op, sources[0], program.is_float)
            case ops.Flatten():
                made[name] = reference.flatten(sources[0])
            case ops.Concat():
                made[name] = np.concatenate(sources, axis=1)
            case ops.Pad():
                made[name] = reference.pad(op, sources[0])
            case _:
                raise BitwattError(f"no pass of the tile makes '{name}', which {type(op).__name__} does")
    return made[name]


def _quantized(op: ops.Quantize, images: Values, is_float: bool) -> Values:
    if is_float:
        return images.astype(np.float32)  # the tile takes subnormals as zero
    return reference.quantize(op, images.astype(np.float64))


def _compared(step: TilePass, runs: list[PassRun], got: Values, expected: Values) -> LayerCosim:
    plan = step.plan
    scheduled = plan.cycles, accesses(plan.events)
    unlike = next((run for run in runs if (run.cycles, run.accesses) != scheduled), runs[0])
    differs = np.argwhere(~equal_bits(got, expected))
    first = None
    if len(differs):
        image, *position = map(int, differs[0])
        at = (image, *position)
        first = Difference(image, tuple(position), expected[at].item(), got[at].item())
    return LayerCosim(
        plan.work.name, unlike.cycles, plan.cycles, unlike.accesses, scheduled[1], len(differs), first
    )


def equal_bits(got: Values, expected: Values) -> NDArray[np.bool_]:
    """Where two results are equal: bit for bit, the sign of zero too, but any NaN is as good as another."""
    if not np.issubdtype(got.dtype, np.floating):
        return np.asarray(got == expected)
    words = (value.astype(np.float32).view(np.uint32) for value in (got, expected))
    return np.asarray((next(words) == next(words)) | (np.isnan(got) & np.isnan(expected)))


def _record(
    simulator: Simulator, step: TilePass, inputs: Values, residuals: Values | None, waveform: Path
) -> None:
    if simulator == "verilator":
        VerilatedTile(step.tile, trace=True).run(step, inputs, residuals, vcd=waveform.absolute())
    else:
        TileSimulation(step.tile).run(step, inputs, residuals, vcd=waveform)
