"""Runs passes on a tile's Verilator model, for many images at once."""

from __future__ import annotations

import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import BitwattError, ToolError
from bitwatt.hardware.packing import image_streams, input_streams, layer_streams, output_values
from bitwatt.hardware.passes import TilePass
from bitwatt.hardware.simulate import COUNTED, PassRun
from bitwatt.hardware.streams import row_bytes
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.verilator import build


class VerilatedTile:
    """A tile's RTL, compiled. Images are shared among `workers` processes (default: one a processor)."""

    def __init__(self, tile: Tile, *, trace: bool = False, workers: int | None = None) -> None:
        self._program = build(tile, trace=trace)
        self._workers = workers or os.cpu_count() or 1

    def run(
        self,
        step: TilePass,
        values: NDArray[np.generic],
        residuals: NDArray[np.generic] | None = None,
        *,
        vcd: Path | None = None,
    ) -> list[PassRun]:
        """One pass for each image. values: (images, *shape of the pass's input); residuals likewise, where
        the pass adds some. vcd: of a tile with `trace`.

        Raises `BitwattError` where the tile hangs: a fault of bitwatt's.
        """
        with tempfile.TemporaryDirectory(prefix="bitwatt-cosim-") as name:
            job = Path(name) / "job"
            _write_job(job, step, values, residuals)
            workers = 1 if vcd else min(self._workers, len(values))
            bounds = [len(values) * k // workers for k in range(workers + 1)]
            with ThreadPoolExecutor(max_workers=workers) as pool:
                parts = pool.map(
                    lambda first, last: self._drive(job, step, first, last, vcd), bounds[:-1], bounds[1:]
                )
                return [run for part in parts for run in part]

    def _drive(self, job: Path, step: TilePass, first: int, last: int, vcd: Path | None) -> list[PassRun]:
        result = job.with_name(f"result{first}")
        command = [str(part) for part in (self._program, job, result, first, last, *([vcd] if vcd else []))]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise ToolError(
                f"the tile's model failed in layer '{step.plan.work.name}' with exit status "
                f"{done.returncode}: {done.stderr.strip()}"
            )
        size = row_bytes(step.tile.bout_bits)
        wanted = step.plan.events.bout_writes
        record = np.dtype([("counts", "<u8", (1 + len(COUNTED),)), ("rows", np.uint8, (wanted, size))])
        records = np.fromfile(result, dtype=record)
        if len(records) < last - first:
            raise BitwattError(
                f"the tile hangs in layer '{step.plan.work.name}' with image {first + len(records)}"
            )
        return [
            PassRun(
                output_values(step, each["rows"]),
                int(each["counts"][0]),
                dict(zip(COUNTED, map(int, each["counts"][1:]), strict=True)),
            )
            for each in records
        ]


def _write_job(
    path: Path, step: TilePass, values: NDArray[np.generic], residuals: NDArray[np.generic] | None
) -> None:
    """The file that driver.cpp reads."""
    images = zip(values) if residuals is None else zip(values, residuals, strict=True)
    own = [image_streams(step, *image) for image in images]
    shared = layer_streams(step)
    names = input_streams(step.tile)
    header = [step.plan.events.bout_writes, row_bytes(step.tile.bout_bits), 10 * step.plan.cycles + 1000]
    offset = 8 * (len(header) + 6 * len(names))
    with path.open("wb") as file:
        file.seek(offset)
        for name in names:
            streams = [shared[name]] if name in shared else [image[name] for image in own]
            first = streams[0]
            header += [len(first.rows), first.rows.shape[1], first.block, first.repeats]
            header += [int(name not in shared), offset]
            for stream in streams:
                file.write(stream.rows.tobytes())
                offset += stream.rows.nbytes
        file.seek(0)
        file.write(np.array(header, dtype="<u8").tobytes())
