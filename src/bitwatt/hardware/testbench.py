"""The files of a self-checking test bench: what bench/testbench.v plays through a tile, in any simulator."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bitwatt.hardware.packing import PackedStream, image_streams, input_streams, layer_streams
from bitwatt.hardware.passes import TilePass, compile_passes
from bitwatt.hardware.pooling import divisor_bits
from bitwatt.hardware.rtl.layout import layer_descriptor, parameter_layout
from bitwatt.hardware.streams import Bytes, pack
from bitwatt.hardware.tile import Tile
from bitwatt.program.executor import checked_images, trace
from bitwatt.program.program import Program

BENCH = Path(__file__).with_name("bench")


def testbench_files(program: Program, tile: Tile, images: torch.Tensor) -> dict[str, str]:
    """Text of each file of the bench, by name. images: reals, (count, *program.input_shape).

    Each pass reads what the program says that the one before makes, so that each is checked by itself.
    Raises `RequestError` for images or a tile that do not fit the program.
    """
    steps = compile_passes(program, tile)
    values = {name: value.numpy() for name, value in trace(program, checked_images(program, images)).items()}
    memory = StreamFiles()
    jobs = []
    for step in steps:
        shared = {name: memory.add(name, stream) for name, stream in layer_streams(step).items()}
        for image in range(len(images)):
            residuals = None if step.step.residual is None else values[step.step.residual][image]
            own = image_streams(step, values[step.step.input][image], residuals)
            sent = shared | {name: memory.add(name, stream) for name, stream in own.items()}
            words = [word for name in input_streams(tile) for word in sent[name]]
            first = memory.add_expected(step, values[step.step.output][image])
            jobs.append([*words, first, step.plan.events.bout_writes, step.plan.cycles])
    width = 32 * len(jobs[0])
    sizes = {"PASSES": len(jobs), "PASS_WIDTH": width, "STREAMS": len(input_streams(tile))}
    for name, bits in stream_bits(tile).items():
        sizes |= {f"{name.upper()}_WIDTH": bits, f"{name.upper()}_ROWS": max(memory.rows(name), 1)}
    bits_of = {**stream_bits(tile), "out_rows_that_matter": tile.bout_bits}
    files = {f"{name}.hex": hex_lines(memory.files.get(name, []), bits) for name, bits in bits_of.items()}
    files["passes.hex"] = hex_lines([np.array(jobs, dtype="<u4").view(np.uint8)], width)
    files["sizes.vh"] = "".join(f"`define {name} {size}\n" for name, size in sizes.items())
    return files | {path.name: path.read_text() for path in BENCH.glob("*.v")}


def stream_bits(tile: Tile) -> dict[str, int]:
    """Width of the payload of each stream of the tile."""
    bits = {
        "layers": layer_descriptor(tile).size,
        "bin_rows": tile.bin_bits,
        "sb_rows": tile.sb_bits,
        "parameters": parameter_layout(tile).size,
        "divisors": divisor_bits(tile.precision),
        "out_rows": tile.bout_bits,
    }
    return bits | ({"residual_rows": tile.bout_bits} if tile.residual else {})


class StreamFiles:
    """Rows of each file so far."""

    def __init__(self) -> None:
        self.files: dict[str, list[Bytes]] = {}

    def rows(self, name: str) -> int:
        """How many a file has."""
        return sum(len(rows) for rows in self.files.get(name, []))

    def add(self, name: str, stream: PackedStream) -> tuple[int, int, int, int]:
        """What the bench is told of a stream: first row, rows, rows of a block, repeats."""
        first = self.rows(name)
        self.files.setdefault(name, []).append(stream.rows)
        return first, len(stream.rows), stream.block, stream.repeats

    def add_expected(self, step: TilePass, result: NDArray[np.generic]) -> int:
        """The first of the rows that are to leave."""
        first = self.rows("out_rows")
        bits = step.tile.precision.activations.bits
        rows, matter = step.output_rows(result)
        every_bit = np.where(matter, 2**bits - 1, 0)
        self.files.setdefault("out_rows", []).append(pack((rows, bits)))
        self.files.setdefault("out_rows_that_matter", []).append(pack((every_bit, bits)))
        return first


def hex_lines(parts: Iterable[Bytes], bits: int) -> str:
    """A line a row, as $readmemh reads it; one of zeros where there is none."""
    digits = -(-bits // 4)
    lines = [f"{int.from_bytes(row.tobytes(), 'little'):0{digits}x}" for part in parts for row in part]
    return "\n".join(lines or ["0" * digits]) + "\n"
