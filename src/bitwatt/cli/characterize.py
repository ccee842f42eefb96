"""`bitwatt characterize`: every block of the tile synthesised and measured in a library of your own."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitwatt.cli.arguments import Json, example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from bitwatt.hardware.tile import Tile
    from bitwatt.technology.technology import Technology

_EPILOG = example(
    "bitwatt characterize --liberty sky130hd_tt.lib.gz --out sky130.json",
    "bitwatt tile --technology ./sky130.json",
    "bitwatt characterize --liberty my.lib --node 28 --sram my_macros.csv --precisions fixed8,pow2",
    "bitwatt characterize --liberty nangate45 --precisions fixed5 --preset modern --residual",
)


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("characterize", epilog=_EPILOG)(characterize)


def characterize(
    liberty: Annotated[
        list[str],
        typer.Option(
            "--liberty", metavar="FILE", help="A .lib or .lib.gz, or nangate45; several are joined."
        ),
    ],
    sram: Annotated[
        Path | None,
        typer.Option("--sram", metavar="TABLE", help="SRAM macros (CSV, columns as in docs/technology.md)."),
    ] = None,
    precisions: Annotated[
        str, typer.Option("--precisions", metavar="LIST", help="With commas; 'paper' stands for seven.")
    ] = "paper",
    preset: Annotated[
        str, typer.Option("--preset", metavar="LIST", help="Tiles to characterise, with commas.")
    ] = "modern,hashemi2017",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="TABLE", help="Where the technology goes (.json).")
    ] = None,
    node: Annotated[
        float | None,
        typer.Option("--node", metavar="NM", help="Node in nm, where the library's name does not tell."),
    ] = None,
    residual: Annotated[
        bool, typer.Option("--residual", help="Also with output stages that add residuals (ResNets).")
    ] = False,
    clip: Annotated[
        bool, typer.Option("--clip", help="Also with output stages that keep bounds (ReLU6).")
    ] = False,
    sram_cell: Annotated[
        str, typer.Option("--sram-cell", metavar="NAME", help="Which cell type of the SRAM table.")
    ] = "itrs-lop",
    synapses: Annotated[int | None, typer.Option(help="Synapses of a neuron.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of each buffer.")] = None,
    clock_hz: Annotated[float | None, typer.Option(help="Clock frequency in Hz.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: the cores.")] = None,
    json: Json = False,
) -> None:
    """Synthesise and measure every block of the tile in a liberty library, into one technology file.

    The file is what --technology of other commands takes. Results are cached: a second run takes seconds.
    """
    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.costing.characterize import characterize_technology
    from bitwatt.formats import parse_precisions
    from bitwatt.study.tile_plan import TilePlan
    from bitwatt.technology.file import write_technology
    from bitwatt.technology.sram import read_sram_table
    from bitwatt.technology.toolchain import liberty_path

    plain = [
        TilePlan(preset=name, synapses=synapses, rows=rows, clock_hz=clock_hz).tile(precision)
        for name in (part.strip() for part in preset.split(","))
        for precision in parse_precisions(precisions)
    ]
    extras = list(product((False, True) if residual else (False,), (False, True) if clip else (False,)))
    tiles = [replace(tile, residual=adds, clip=clips) for adds, clips in extras for tile in plain]
    paths = [liberty_path(name) for name in liberty]
    table = read_sram_table(sram, f"the user's {sram.name}") if sram is not None else None
    technology = characterize_technology(
        tiles, paths, node_nm=node, sram=table, sram_cell=sram_cell, workers=workers, listen=print_note
    )
    path = out or Path(f"{technology.name}.json")
    write_technology(technology, path)
    if json:
        print_json({"technology": str(path), "node_nm": technology.node_nm, "source": technology.source,
                    "blocks": sorted(technology.table.blocks)})  # fmt: skip
        return
    print_result(_summary(plain, technology))
    shown = path if path.is_absolute() or "/" in str(path) else f"./{path}"
    print_note(f"{len(technology.table.blocks)} blocks; use them with --technology {shown}")


def _summary(tiles: Sequence[Tile], technology: Technology) -> Table:
    from bitwatt.cli.output import table
    from bitwatt.costing.tile_cost import tile_cost
    from bitwatt.report.quantities import si, significant

    made = table("precision", "buffers", ">area mm²", ">power", ">largest clock")
    for tile in tiles:
        cost = tile_cost(tile, technology)
        made.add_row(
            cost.precision,
            tile.buffers,
            significant(cost.area_mm2),
            si(cost.power_w, "W"),
            si(cost.largest_clock_hz, "Hz"),
        )
    return made
