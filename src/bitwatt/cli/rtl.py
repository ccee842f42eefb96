"""`bitwatt rtl`: Verilog of a tile, a test bench of a program, and the blocks as gates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitwatt.cli.arguments import DataDir, DataName, Json, Preset, example

if TYPE_CHECKING:
    from bitwatt.hardware.tile import Tile
    from bitwatt.program import Program

_EPILOG = example(
    "bitwatt rtl --precision fixed8 --out fixed8-rtl",
    "bitwatt rtl --program lenet-fixed8.bitwatt --images 1 --out lenet-rtl",
    "bitwatt rtl --precision fixed8 --liberty my.lib --out fixed8-gates",
)
OPERAND_IMAGES = 16
"""Images of the calibration set that the gates' operands are drawn from, where a program gives them."""


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
    preset: Preset = "modern",
    neurons: Annotated[int | None, typer.Option(help="Neurons of the tile.")] = None,
    synapses: Annotated[int | None, typer.Option(help="Synapses of a neuron.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of each buffer.")] = None,
    gates: Annotated[
        bool,
        typer.Option(
            "--gates/--no-gates",
            help="The blocks as gates: netlists, and the activity of their nets (SAIF). Takes synthesis: "
            "seconds to minutes, once.",
        ),
    ] = True,
    liberty: Annotated[
        list[str] | None,
        typer.Option(
            "--liberty",
            metavar="FILE",
            help="The gates' library: a .lib or .lib.gz, or nangate45; several are joined.",
            show_default="nangate45",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a tile's Verilog and a README of ports and timing, its blocks as gates with the activity of their

    nets, and a self-checking test bench of a program.
    """
    from bitwatt import datasets
    from bitwatt.cli.output import print_json, print_result
    from bitwatt.errors import RequestError
    from bitwatt.hardware.export_rtl import check_new_folder, export_rtl
    from bitwatt.hardware.workload import fitting
    from bitwatt.program import load
    from bitwatt.study.tile_plan import TilePlan

    loaded = None if program is None else load(program)
    if loaded is not None and precision not in (None, loaded.precision):
        raise RequestError(f"--precision {precision}: the program is {loaded.precision}")
    wanted = precision if loaded is None else loaded.precision
    if wanted is None:
        raise RequestError("bitwatt rtl needs --precision, or a --program, which has one")
    if synapses is None and loaded is not None:
        synapses = loaded.lanes
    tile = TilePlan(preset=preset, neurons=neurons, synapses=synapses, rows=rows).tile(wanted)
    if loaded is not None:
        tile = fitting(tile, loaded)
        wanted = str(tile.precision)
    check_new_folder(out)  # before minutes are spent
    played = None if loaded is None else datasets.load(data, data_dir).test.images[:images]
    if played is not None and len(played) < images:
        raise RequestError(f"--images {images}: '{data}' has {len(played)} test images")
    netlists = _gates(tile, liberty or ["nangate45"], loaded, data, data_dir) if gates else {}
    files = export_rtl(tile, out, program=loaded, images=played, beside=netlists)
    if json:
        print_json(
            {"folder": str(out), "precision": wanted, "files": [str(f.relative_to(out)) for f in files]}
        )
        return
    bench = "" if loaded is None else f", and a test bench of {loaded.network} on {images} images in tb/"
    mapped = ", the blocks as gates and their activity in gates/" if gates else ""
    print_result(f"{wanted} tile in {out}: {sum(f.suffix == '.v' and f.parent.name == 'rtl' for f in files)} "
                 f"modules in rtl/, ports and timing in README.md{mapped}{bench}")  # fmt: skip


def _gates(
    tile: Tile, liberty: list[str], program: Program | None, data: str, data_dir: Path | None
) -> dict[str, str]:
    """The files of gates/, with the program's own operands where there is one."""
    from bitwatt import datasets
    from bitwatt.cli.output import print_note
    from bitwatt.costing.gates import gate_files
    from bitwatt.hardware.network_operands import operands_of
    from bitwatt.technology.liberty import parse_libraries
    from bitwatt.technology.liberty_syntax import read_liberty_text
    from bitwatt.technology.toolchain import liberty_path

    paths = [liberty_path(name) for name in liberty]
    library = parse_libraries([read_liberty_text(path) for path in paths], [str(path) for path in paths])
    operands = None
    if program is not None:
        images = datasets.load(data, data_dir).calibration.images[:OPERAND_IMAGES]
        operands = operands_of(program, images, tile)
    files = gate_files(tile, library, operands, listen=print_note)
    return {f"gates/{name}": text for name, text in files.items()}
