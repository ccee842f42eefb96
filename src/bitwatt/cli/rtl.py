"""`bitwatt rtl`: Verilog of a tile, and a test bench of a program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitwatt.cli.arguments import DataDir, DataName, Json, example

_EPILOG = example(
    "bitwatt rtl --precision fixed8 --out fixed8-rtl",
    "bitwatt rtl --program lenet-fixed8.bitwatt --images 1 --out lenet-rtl",
)


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("rtl", epilog=_EPILOG)(rtl)


def rtl(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder to write: a new or empty one.")
    ],
    precision: Annotated[
        str | None,
        typer.Option("--precision", metavar="NAME", help="The tile's; a program has its own."),
    ] = None,
    program: Annotated[
        Path | None,
        typer.Option("--program", metavar="FILE", help="A .bitwatt file that the test bench plays."),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", min=1, metavar="N", help="How many images it plays.")
    ] = 1,
    data: DataName = "mnist-small",
    data_dir: DataDir = None,
    neurons: Annotated[int | None, typer.Option(help="Neurons of the tile.")] = None,
    synapses: Annotated[int | None, typer.Option(help="Synapses of a neuron.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of each buffer.")] = None,
    json: Json = False,
) -> None:
    """Write a tile's Verilog, a README of ports and timing, and a self-checking test bench of a program."""
    from bitwatt import datasets
    from bitwatt.cli.output import print_json, print_result
    from bitwatt.errors import RequestError
    from bitwatt.hardware.export_rtl import export_rtl
    from bitwatt.program import load
    from bitwatt.study.tile_plan import TilePlan

    loaded = None if program is None else load(program)
    if loaded is not None and precision not in (None, loaded.precision):
        raise RequestError(f"--precision {precision}: the program is {loaded.precision}")
    wanted = precision if loaded is None else loaded.precision
    if wanted is None:
        raise RequestError("bitwatt rtl needs --precision, or a --program, which has one")
    synapses = synapses or (loaded.lanes if loaded is not None else None)
    tile = TilePlan(neurons=neurons, synapses=synapses, rows=rows).tile(wanted)
    played = None if loaded is None else datasets.load(data, data_dir).test.images[:images]
    if played is not None and len(played) < images:
        raise RequestError(f"--images {images}: '{data}' has {len(played)} test images")
    files = export_rtl(tile, out, program=loaded, images=played)
    if json:
        print_json(
            {"folder": str(out), "precision": wanted, "files": [str(f.relative_to(out)) for f in files]}
        )
        return
    bench = "" if loaded is None else f", and a test bench of {loaded.network} on {images} images in tb/"
    print_result(f"{wanted} tile in {out}: {sum(f.suffix == '.v' and f.parent.name == 'rtl' for f in files)} "
                 f"modules in rtl/, ports and timing in README.md{bench}")  # fmt: skip
