"""`bitwatt cost`: what one image costs on a tile, by component and by layer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitwatt.cli.arguments import DataDir, Json, Preset, ProgramFile, Technology, example
from bitwatt.cli.onnx_input import InputShape, Output, is_onnx, program_of_shapes
from bitwatt.errors import RequestError, unknown_name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bitwatt.costing import Cost
    from bitwatt.hardware.tile import Tile
    from bitwatt.program import Program
    from bitwatt.technology.technology import Technology as TechnologyRecord

IMAGES = 16
"""Of the calibration images, whose operands are drawn from."""

_EPILOG = example(
    "bitwatt cost lenet-fixed8.bitwatt",
    "bitwatt cost lenet-fixed8.bitwatt --preset hashemi2017 --rows 128 --json",
    "bitwatt cost model.onnx --precision fixed8",
    "bitwatt cost lenet-fixed8.bitwatt --operands measured --data mnist-small",
)


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("cost", epilog=_EPILOG)(cost)


def cost(
    program: ProgramFile,
    precision: Annotated[
        str | None,
        typer.Option("--precision", metavar="NAME", help="Of an ONNX file, in place of a program."),
    ] = None,
    input_shape: InputShape = None,
    output: Output = None,
    technology: Technology = "nangate45",
    preset: Preset = "modern",
    neurons: Annotated[int | None, typer.Option(help="Neurons of the tile.")] = None,
    synapses: Annotated[int | None, typer.Option(help="Synapses of a neuron.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of each buffer.")] = None,
    clock_hz: Annotated[float | None, typer.Option(help="Clock frequency in Hz.")] = None,
    operands: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="synthetic: as in the table; measured: the network's own, on images of --data.",
        ),
    ] = "synthetic",
    data: Annotated[
        str | None, typer.Option("--data", metavar="NAME", help="Whose images, for measured operands.")
    ] = None,
    data_dir: DataDir = None,
    liberty: Annotated[
        str, typer.Option("--liberty", metavar="FILE", help="The library, for measured operands.")
    ] = "nangate45",
    json: Json = False,
) -> None:
    """Cost one image of a program on a tile: energy, power, area, memory, cycles."""
    from bitwatt.cli.output import print_json, print_result
    from bitwatt.costing import cost as cost_program
    from bitwatt.costing import least_tile
    from bitwatt.hardware.widest import is_mixed
    from bitwatt.study.tile_plan import TilePlan

    if operands == "measured" and is_onnx(program):
        raise RequestError("--operands measured needs a program; make one with bitwatt lower")
    loaded = _program(program, precision, input_shape, output)
    plan = TilePlan(preset=preset, neurons=neurons, synapses=synapses, rows=rows, clock_hz=clock_hz)
    tile = least_tile(loaded, plan.tile(loaded.precision), technology)
    where: str | TechnologyRecord = technology
    if operands == "measured":
        where = _measured(loaded, tile, technology, liberty, data, data_dir)
    elif operands != "synthetic":
        raise unknown_name("kind of operands", operands, ("synthetic", "measured"))
    found = cost_program(loaded, tile, technology=where)
    if json:
        about = {"network": loaded.network, "precision": loaded.precision, "technology": technology}
        about["operands"] = operands
        if is_mixed(loaded):
            about["tile_precision"] = str(tile.precision)
        print_json({**about, "preset": preset, **asdict(found)})
        return
    own = is_mixed(loaded)
    what = f"{loaded.precision}, layers of their own," if own else loaded.precision
    on = f"the {preset} tile of {tile.precision}" if own else f"the {preset} tile"
    print_result(f"{loaded.network} {what} on {on}, {technology}, one image:")
    print_result(*_tables(found))


def _program(path: Path, precision: str | None, input_shape: str | None, output: str | None) -> Program:
    from bitwatt.program import load

    if is_onnx(path):
        if precision is None:
            raise RequestError(f"'{path}' is a float model: say --precision, as in --precision fixed8")
        return program_of_shapes(path, precision, input_shape, output)
    for option, value in (
        ("--precision", precision), ("--input-shape", input_shape), ("--output", output)
    ):  # fmt: skip
        if value is not None:
            raise RequestError(f"{option} is for ONNX files; the program '{path}' has its own")
    return load(path)


def _measured(
    program: Program, tile: Tile, technology: str, liberty: str, data: str | None, data_dir: Path | None
) -> TechnologyRecord:
    from bitwatt import datasets
    from bitwatt.cli.output import print_note
    from bitwatt.costing.measured import measured_technology
    from bitwatt.technology.technology import technology as technology_named
    from bitwatt.technology.toolchain import liberty_path

    if data is None:
        raise RequestError("--operands measured needs images: give --data, as in --data mnist-small")
    images = datasets.load(data, data_dir).calibration
    return measured_technology(
        program, images.images[:IMAGES], tile, technology_named(technology), liberty_path(liberty),
        listen=print_note,
    )  # fmt: skip


def _tables(found: Cost) -> list[RenderableType]:
    from bitwatt.cli.output import table
    from bitwatt.cli.sources import source_lines
    from bitwatt.report.quantities import percent, si, whole

    totals = table("", ">")
    totals.add_row("energy", si(found.energy_j, "J"))
    totals.add_row("power", si(found.power_w, "W"))
    totals.add_row("area", f"{found.area_mm2:.4g} mm²")
    totals.add_row("time", si(found.runtime_s, "s"))
    totals.add_row("cycles", whole(found.cycles))
    for name, count in found.memory_bytes.items():
        totals.add_row(f"{name.replace('_', ' ')} memory", f"{whole(count)} B")
    parts = table("component", ">energy", ">share", ">area mm²")
    for name, energy in found.energy_j_by_component.items():
        area = found.area_mm2_by_component.get(name)
        share = energy / found.energy_j
        parts.add_row(
            name.replace("_", " "), si(energy, "J"), percent(share), "" if area is None else f"{area:.4g}"
        )
    layers = table("layer", "kind", ">macs", ">cycles", ">busy", ">energy")
    for layer in found.by_layer:
        layers.add_row(
            layer["name"],
            layer["kind"],
            whole(layer["macs"]),
            whole(layer["cycles"]),
            percent(layer["utilisation"]),
            si(layer["energy_j"], "J"),
        )
    sources = source_lines((found.provenance, found.area_mm2_by_component))
    return ["", totals, "", parts, "", layers, "", *sources]
