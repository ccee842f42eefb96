"""`bitwatt tile`: what a tile costs by itself, at every precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bitwatt.cli.arguments import Json, Preset, Technology, example

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bitwatt.costing.tile_cost import TileCost

_EPILOG = example(
    "bitwatt tile --precisions paper --preset hashemi2017",
    "bitwatt tile --precisions fixed8,pow2 --rows 128 --json",
)


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("tile", epilog=_EPILOG)(tile)


def tile(
    precisions: Annotated[
        str, typer.Option("--precisions", metavar="LIST", help="With commas; 'paper' stands for seven.")
    ] = "paper",
    technology: Technology = "nangate45",
    preset: Preset = "modern",
    node: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="NM",
            help="Scale to this node in nm; hashemi2017 is scaled to 65 unless told otherwise.",
        ),
    ] = None,
    neurons: Annotated[int | None, typer.Option(help="Neurons of the tile.")] = None,
    synapses: Annotated[int | None, typer.Option(help="Synapses of a neuron.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of each buffer.")] = None,
    clock_hz: Annotated[float | None, typer.Option(help="Clock frequency in Hz.")] = None,
    json: Json = False,
) -> None:
    """Area, power at full load and energy an operation of a tile, by component."""
    from bitwatt.cli.output import print_json, print_result
    from bitwatt.costing.preset_tiles import tile_record
    from bitwatt.costing.tile_cost import preset_scaling, tile_cost
    from bitwatt.formats import parse_precisions
    from bitwatt.study.tile_plan import TilePlan
    from bitwatt.technology.technology import technology as technology_named

    plan = TilePlan(preset=preset, neurons=neurons, synapses=synapses, rows=rows, clock_hz=clock_hz)
    where = technology_named(technology)
    scaling = preset_scaling(preset, where, node)
    found = [tile_cost(plan.tile(precision), where, scaling) for precision in parse_precisions(precisions)]
    if json:
        print_json([tile_record(cost, preset, technology) for cost in found])
        return
    print_result(
        f"The {preset} tile at {found[0].clock_hz / 1e6:g} MHz, {technology}, {found[0].node_nm:g} nm:"
    )
    print_result(*_tables(found, beside_published=preset == "hashemi2017"))


def _tables(found: list[TileCost], beside_published: bool) -> list[RenderableType]:
    from bitwatt.cli.output import table
    from bitwatt.cli.sources import source_lines
    from bitwatt.report.quantities import percent, si, significant, whole

    made: list[RenderableType] = ["", _totals(found)]
    if beside_published:
        made += _beside_published(found)
    areas = table("area, mm²", *(f">{cost.precision}" for cost in found))
    for name in found[0].area_mm2_by_component:
        areas.add_row(
            name.replace("_", " "), *(significant(cost.area_mm2_by_component[name]) for cost in found)
        )
    powers = table("power, mW", *(f">{cost.precision}" for cost in found))
    for name in found[0].power_w_by_component:
        powers.add_row(
            name.replace("_", " "), *(significant(1e3 * cost.power_w_by_component[name]) for cost in found)
        )
    timing = table("precision", "slowest block", ">its period", ">largest clock", "at this clock")
    for cost in found:
        closes = f"{', '.join(cost.too_slow)} too slow" if cost.too_slow else "closes"
        timing.add_row(
            cost.precision,
            cost.slowest.replace("_", " "),
            si(cost.delay_s[cost.slowest], "s"),
            si(cost.largest_clock_hz, "Hz"),
            closes.replace("_", " "),
        )
    bits = ", ".join(f"{cost.precision} {whole(cost.buffer_bits)}" for cost in found)
    shares = ", ".join(f"{cost.precision} {percent(_buffer_share(cost))}" for cost in found)
    return [*made, "", areas, "", powers, "", timing, "", f"buffer bits: {bits}",
            f"share of the area that is buffers: {shares}", "",
            *source_lines(*((cost.provenance, cost.area_mm2_by_component) for cost in found))]  # fmt: skip


def _totals(found: list[TileCost]) -> RenderableType:
    from bitwatt.cli.output import table
    from bitwatt.report.quantities import percent, si, significant

    base = found[0]
    totals = table("precision", ">area mm²", ">saved", ">power mW", ">saved", ">energy a MAC")
    for cost in found:
        totals.add_row(
            cost.precision,
            significant(cost.area_mm2),
            percent(1 - cost.area_mm2 / base.area_mm2),
            significant(1e3 * cost.power_w),
            percent(1 - cost.power_w / base.power_w),
            si(cost.energy_j_per_mac, "J"),
        )
    return totals


def _beside_published(found: list[TileCost]) -> list[RenderableType]:
    from bitwatt.cli.output import table
    from bitwatt.report.published import CITATION, TECHNOLOGY, design_metrics
    from bitwatt.report.quantities import percent, significant

    base = next((cost for cost in found if cost.precision == "float32"), None)
    beside = table("precision", ">mm²", ">paper", ">saved", ">paper", ">mW", ">paper", ">saved", ">paper")
    for cost in found:
        paper = design_metrics(cost.precision)
        if paper is not None:
            beside.add_row(
                cost.precision,
                significant(cost.area_mm2),
                significant(paper.area_mm2),
                percent(1 - cost.area_mm2 / base.area_mm2) if base else "",
                percent(paper.area_saving),
                significant(1e3 * cost.power_w),
                significant(1e3 * paper.power_w),
                percent(1 - cost.power_w / base.power_w) if base else "",
                percent(paper.power_saving),
            )
    return ["", beside, f"paper: published, {TECHNOLOGY}; savings against float32. {CITATION}"]


def _buffer_share(cost: TileCost) -> float:
    return sum(cost.area_mm2_by_component[name] for name in ("bin", "bout", "sb")) / cost.area_mm2
