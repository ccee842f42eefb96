"""`bitwatt cosim`: a program on the tile's RTL, bit for bit and cycle for cycle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitwatt.cli.arguments import DataDir, DataName, Json, example
from bitwatt.errors import BitwattError, RequestError

if TYPE_CHECKING:
    from rich.table import Table

    from bitwatt.hardware.cosim import CosimReport

_EPILOG = example("bitwatt cosim lenet-fixed8.bitwatt --data mnist-small --images 100")


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("cosim", epilog=_EPILOG)(cosim)


def cosim(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="A .bitwatt file.")],
    data: DataName = "mnist-small",
    images: Annotated[int, typer.Option(min=1, help="Test images to run.")] = 10,
    simulator: Annotated[
        str, typer.Option(metavar="NAME", help="verilator, or amaranth: slow, but needs no compiler.")
    ] = "verilator",
    vcd: Annotated[Path | None, typer.Option(help="Where a waveform goes if bits differ.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Run a program on the tile's RTL and compare every layer with it: bits, cycles, buffer accesses.

    Exit status 1 where anything differs.
    """
    from bitwatt import datasets
    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.hardware.cosim import cosimulate
    from bitwatt.program import load

    loaded = load(program)
    taken = datasets.load(data, data_dir).test.images[:images]
    if len(taken) < images:
        raise RequestError(f"--images {images}: '{data}' has {len(taken)} test images")
    report = cosimulate(loaded, taken, simulator=simulator, vcd=vcd, progress=print_note)  # type: ignore[arg-type]
    if json:
        waveform = None if report.waveform is None else str(report.waveform)
        print_json({**asdict(report), "waveform": waveform, "agrees": report.agrees, "cycles": report.cycles})
    else:
        print_result(_table(report))
        print_result(f"{report.images} images: build {report.build_s:.1f} s, run {report.run_s:.1f} s")
    if not report.agrees:
        raise BitwattError(_difference(report))


def _table(report: CosimReport) -> Table:
    from rich.table import Table

    table = Table(
        title=f"{report.network} {report.precision} on the RTL, {report.simulator}", title_justify="left"
    )
    for column in ("layer", "bits", "cycles", "scheduled", "buffer accesses"):
        table.add_column(column, justify="left" if column in ("layer", "bits") else "right")
    for layer in report.layers:
        bits = "equal" if layer.differing == 0 else f"{layer.differing} differ"
        same = "as scheduled" if layer.accesses == layer.scheduled_accesses else "differ"
        table.add_row(layer.name, bits, f"{layer.cycles:,}", f"{layer.scheduled_cycles:,}", same)
    return table


def _difference(report: CosimReport) -> str:
    layer = next(layer for layer in report.layers if not layer.agrees)
    if layer.difference is None:
        return (
            f"layer '{layer.name}': {layer.cycles} cycles on the RTL, {layer.scheduled_cycles} in the "
            f"schedule; accesses {layer.accesses} and {layer.scheduled_accesses}"
        )
    found = layer.difference
    return (
        f"layer '{layer.name}', image {found.image}, position {found.position}: expected {found.expected}, "
        f"got {found.got}; waveform: {report.waveform}"
    )
