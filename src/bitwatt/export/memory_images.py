"""What a tile's streams carry for a program, as `bitwatt rtl` gives it to a test bench.

A file a stream, of one row a line in hexadecimal, as $readmemh reads it; and `passes.json`, which says which
rows each pass sends: the first, how many, and that each run of `block` rows is sent `repeats` times. Rows of
Bin are an image's, and are not in it.
"""

from __future__ import annotations

import json

from bitwatt.formats import parse_precision
from bitwatt.hardware.packing import layer_streams
from bitwatt.hardware.passes import compile_passes
from bitwatt.hardware.testbench import StreamFiles, hex_lines, stream_bits
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import fitting
from bitwatt.program.program import Program


def memory_image_files(program: Program, tile: Tile | None = None) -> dict[str, bytes]:
    """The files of the form. tile: by default the modern one at the program's precision.

    Raises `RequestError` for a program that does not fit the tile.
    """
    if tile is None:
        tile = fitting(Tile(precision=parse_precision(program.precision), synapses=program.lanes), program)
    bits = stream_bits(tile)
    memory = StreamFiles()
    passes = []
    for step in compile_passes(program, tile):
        sent = {}
        for name, stream in layer_streams(step).items():
            first, rows, block, repeats = memory.add(name, stream)
            sent[name] = {"first": first, "rows": rows, "block": block, "repeats": repeats}
        passes.append({"name": step.plan.work.name, "cycles": step.plan.cycles, "streams": sent})
    described = {
        "network": program.network,
        "precision": program.precision,
        "neurons": tile.neurons,
        "synapses": tile.synapses,
        "rows": tile.rows,
        "row_bits": {name: bits[name] for name in memory.files},
        "passes": passes,
    }
    files = {f"{name}.hex": hex_lines(parts, bits[name]).encode() for name, parts in memory.files.items()}
    return {"passes.json": (json.dumps(described, indent=1) + "\n").encode(), **files}
