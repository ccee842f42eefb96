#!/usr/bin/env python3
"""Writes docs/presets.md and its figure: the two presets beside the published study.

usage: python docs/presets.py        (needs the extra `synthesis`; a minute the first time, then seconds)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from statistics import mean

import torch

from bitwatt.costing import cost_schedule
from bitwatt.costing.tile_cost import TileCost, tile_cost
from bitwatt.formats import PAPER
from bitwatt.hardware.schedule import schedule_work
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork, workload
from bitwatt.networks import create
from bitwatt.program import lower
from bitwatt.quantization import quantize
from bitwatt.report.published import CITATION, DesignMetrics, design_metrics
from bitwatt.report.published import published as published_run
from bitwatt.report.quantities import MINUS, percent, significant
from bitwatt.report.tile_figures import write_tile_figure
from bitwatt.technology.scaled import PUBLISHED_NODE, Scaling, scaled
from bitwatt.technology.scaling import AREA_METHODS, area_factor, scale_factors
from bitwatt.technology.technology import technology

sys.path.insert(0, str(Path(__file__).parent))

from truncated_products import DIANNAO_UM2, truncated_areas_um2

Parts = Callable[[TileCost], Mapping[str, float]]

NAMES = tuple(str(precision) for precision in PAPER)
NARROW = NAMES[1:]
BUFFERS = ("bin", "bout", "sb")
ARITHMETIC = ("weight_blocks", "adder_trees", "accumulators", "output_stages")
NETWORK_INPUTS = {"lenet": (1, 28, 28), "convnet": (3, 32, 32), "alex": (3, 32, 32)}
HALF_AS_WIDE = {"fixed32": "fixed16", "fixed16": "fixed8", "fixed8": "fixed4"}
"""Whose adder trees and accumulators fit truncated products."""


def published(precision: str) -> DesignMetrics:
    found = design_metrics(precision)
    if found is None:
        raise KeyError(precision)
    return found


def costs(preset: str, scaling: Scaling | None) -> dict[str, TileCost]:
    return {name: tile_cost(Tile.preset(preset, name), "nangate45", scaling) for name in NAMES}


def saved(values: dict[str, float]) -> dict[str, float]:
    return {name: 1 - value / values["float32"] for name, value in values.items()}


def area_misses(areas: dict[str, float]) -> list[float]:
    """Saving of area less the published one, precision by precision."""
    return [saved(areas)[name] - published(name).area_saving for name in NARROW]


def power_misses(power: dict[str, float]) -> list[float]:
    return [saved(power)[name] - published(name).power_saving for name in NARROW]


def magnitude(misses: Iterable[float]) -> float:
    return 100 * mean(abs(miss) for miss in misses)


def areas_with_truncated_products(base: dict[str, TileCost]) -> dict[str, float]:
    """The published preset's areas, were its fixed-point products cut to the width of their operands."""
    truncated = truncated_areas_um2()
    factor = area_factor(45, 65, PUBLISHED_NODE.area).factor / PUBLISHED_NODE.utilisation
    areas = {name: cost.area_mm2 for name, cost in base.items()}
    for name in ("fixed32", "fixed16", "fixed8", "fixed4"):
        parts = base[name].area_mm2_by_component
        narrow = base[HALF_AS_WIDE.get(name, name)].area_mm2_by_component
        areas[name] -= parts["weight_blocks"] - 256e-6 * truncated[int(name.removeprefix("fixed"))] * factor
        for component in ("adder_trees", "accumulators"):
            areas[name] -= parts[component] - narrow[component]
    return areas


def share_of_saving(whole: dict[str, float], part: dict[str, float], name: str) -> float:
    """How much of what a precision saves against float32 it saves in one part."""
    return (part["float32"] - part[name]) / (whole["float32"] - whole[name])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", MINUS)


def table_iii(ours: dict[str, TileCost]) -> str:
    head = (
        "precision",
        "area mm²",
        "published",
        "saved",
        "published",
        "power mW",
        "published",
        "saved",
        "published",
    )
    areas, powers = (
        saved({n: c.area_mm2 for n, c in ours.items()}),
        saved({n: c.power_w for n, c in ours.items()}),
    )
    return table(
        head,
        (
            (
                f"`{name}`",
                significant(cost.area_mm2),
                f"{published(name).area_mm2:.2f}",
                percent(areas[name]),
                percent(published(name).area_saving),
                significant(1e3 * cost.power_w),
                significant(1e3 * published(name).power_w, 4),
                percent(powers[name]),
                percent(published(name).power_saving),
            )
            for name, cost in ours.items()
        ),
    )


def split(ours: dict[str, TileCost], parts: Parts, total: str) -> str:
    """For each precision what the saving against float32 is made of."""
    whole = {name: sum(parts(cost).values()) for name, cost in ours.items()}
    groups = {
        "buffers": {n: sum(parts(c)[k] for k in BUFFERS) for n, c in ours.items()},
        "arithmetic": {n: sum(parts(c)[k] for k in ARITHMETIC) for n, c in ours.items()},
    }
    head = (
        "precision",
        f"{total} saved",
        "of it buffers",
        "of it arithmetic",
        "buffers now",
        "arithmetic now",
    )
    return table(
        head,
        (
            (
                f"`{name}`",
                percent(saved(whole)[name]),
                *(percent(share_of_saving(whole, groups[g], name)) for g in groups),
                *(percent(groups[g][name] / whole[name]) for g in groups),
            )
            for name in NARROW[1:]  # fixed32 saves next to nothing of which to take a share
        ),
    )


def choices() -> str:
    """The published preset under each method of scaling areas, with and without empty space in the rows."""
    rows = []
    for method in AREA_METHODS:
        for utilisation in (1.0, 0.8):
            ours = costs("hashemi2017", replace(PUBLISHED_NODE, area=method, utilisation=utilisation))
            areas = {name: cost.area_mm2 for name, cost in ours.items()}
            off = [areas[name] / published(name).area_mm2 - 1 for name in NAMES]
            a_bit = (
                1e6
                * sum(ours["fixed16"].area_mm2_by_component[k] for k in BUFFERS)
                / ours["fixed16"].buffer_bits
            )
            rows.append(
                (
                    f"{method}, {utilisation:.0%} filled"
                    + (" **(taken)**" if _taken(method, utilisation) else ""),
                    f"x {area_factor(45, 65, method).factor:.2f}",
                    f"{a_bit:.1f}",
                    f"{points(min(off))} to {points(max(off))} %",
                    f"{magnitude(area_misses(areas)):.1f}",
                )
            )
    head = (
        "areas scaled by",
        "factor",
        "um² a buffer bit",
        "areas off the published by",
        "savings off by, points, mean",
    )
    return table(head, rows)


def _taken(method: str, utilisation: float) -> bool:
    return (method, utilisation) == (PUBLISHED_NODE.area, PUBLISHED_NODE.utilisation)


def supplies() -> str:
    rows = []
    for volts in (1.0, 1.1, 1.2):
        for method in ("stillmaker2017", "constant_field"):
            ours = costs("hashemi2017", replace(PUBLISHED_NODE, voltage_v=volts, energy=method))
            power = {name: cost.power_w for name, cost in ours.items()}
            ratio = [power[name] / published(name).power_w for name in NAMES]
            taken = (volts, method) == (PUBLISHED_NODE.voltage_v, PUBLISHED_NODE.energy)
            rows.append(
                (
                    f"{volts:.1f} V, {method}" + (" **(taken)**" if taken else ""),
                    f"{min(ratio):.1f} to {max(ratio):.1f}",
                    f"{magnitude(power_misses(power)):.1f}",
                )
            )
    return table(("supply and method", "our power / published", "savings off by, points, mean"), rows)


def gaps(ours: dict[str, TileCost], truncated: dict[str, float]) -> str:
    exact = {name: cost.area_mm2 for name, cost in ours.items()}
    rows = [
        (
            f"`{name}`",
            f"{published(name).area_mm2:.2f}",
            significant(exact[name]),
            significant(truncated[name]),
            percent(published(name).area_saving),
            percent(saved(exact)[name]),
            percent(saved(truncated)[name]),
        )
        for name in NAMES
    ]
    head = (
        "precision",
        "published mm²",
        "whole products",
        "truncated",
        "published saving",
        "whole",
        "truncated",
    )
    return table(head, rows)


def presets_side_by_side(both: dict[str, dict[str, TileCost]]) -> str:
    old, new = both["hashemi2017"], both["modern"]
    head = ("precision", "published area saving", "flip-flops, nothing gated", "SRAM, gated",
            "published power saving", "flip-flops, nothing gated", "SRAM, gated")  # fmt: skip
    savings = [
        (saved({n: c.area_mm2 for n, c in ours.items()}), saved({n: c.power_w for n, c in ours.items()}))
        for ours in (old, new)
    ]
    rows = [
        (
            f"`{name}`",
            percent(published(name).area_saving),
            *(percent(area[name]) for area, _ in savings),
            percent(published(name).power_saving),
            *(percent(power[name]) for _, power in savings),
        )
        for name in NARROW
    ]
    return table(head, rows)


def closing(both: dict[str, dict[str, TileCost]]) -> str:
    """Which tiles do not close at their clock, and what clock would."""
    rows = [
        (
            f"`{name}`, {preset}, {cost.node_nm:g} nm",
            ", ".join(kind.replace("_", " ") for kind in cost.too_slow),
            f"{cost.delay_s[cost.slowest] * 1e9:.2f} ns",
            f"{cost.largest_clock_hz / 1e6:.0f} MHz",
        )
        for preset, ours in both.items()
        for name, cost in ours.items()
        if cost.too_slow
    ]
    return table(("tile", "blocks too slow for 250 MHz", "slowest period", "clock that would do"), rows)


def page() -> str:
    """The text of docs/presets.md."""
    return (Path(__file__).parent / "templates" / "presets.md").read_text().format(**facts())


def facts() -> dict[str, str]:
    """Everything that the template has a place for."""
    both = {"hashemi2017": costs("hashemi2017", PUBLISHED_NODE), "modern": costs("modern", None)}
    old, new = both["hashemi2017"], both["modern"]
    table_45 = technology("nangate45").table
    factor = area_factor(45, 65, PUBLISHED_NODE.area).factor
    exact = {name: cost.area_mm2 for name, cost in old.items()}
    power = {name: cost.power_w for name, cost in old.items()}
    truncated = areas_with_truncated_products(old)
    sixteen = truncated_areas_um2((16,))[16]
    floating = table_45.block("weight_block/float32:float32").area_um2
    buffer = table_45.block("buffer/64")
    flip_flop_j = buffer.clock_energy_j / buffer.registers
    energy_step = scale_factors(45, 65, table_45.voltage_v, PUBLISHED_NODE.voltage_v).energy
    off = [exact[name] / published(name).area_mm2 - 1 for name in NAMES]
    ratios = [power[name] / published(name).power_w for name in NAMES]
    found = {
        "side_by_side": presets_side_by_side(both),
        "citation": CITATION,
        "area_ratio": f"{old['fixed8'].area_mm2 / new['fixed8'].area_mm2:.0f}",
        "power_ratio": f"{old['fixed8'].power_w / new['fixed8'].power_w:.0f}",
        "area_step": f"{factor / PUBLISHED_NODE.utilisation:.1f}",
        "energy_step": f"{energy_step:.1f}",
        "table_iii": table_iii(old),
        "areas_off": f"{points(min(off))} to {points(max(off))} %",
        "area_miss": f"{magnitude(area_misses(exact)):.1f}",
        "area_miss_narrow": f"{magnitude(area_misses(exact)[1:]):.1f}",
        "area_miss_truncated": f"{magnitude(area_misses(truncated)):.1f}",
        "power_miss": f"{magnitude(power_misses(power)):.1f}",
        "power_off": f"{min(ratios):.1f} to {max(ratios):.1f}",
        "fixed32_area_published": percent(published("fixed32").area_saving),
        "truncated_table": gaps(old, truncated),
        "truncated16": f"{sixteen:.0f}",
        "truncated16_at_65": f"{sixteen * factor:.0f}",
        "float_at_65": f"{floating * factor:.0f}",
        "diannao16": f"{DIANNAO_UM2[0]:.0f}",
        "diannao_float": f"{DIANNAO_UM2[1]:.0f}",
        "diannao16_ratio": f"{DIANNAO_UM2[0] / sixteen:.2f}",
        "diannao_float_ratio": f"{DIANNAO_UM2[1] / floating:.2f}",
        "choices": choices(),
        "supplies": supplies(),
        "flip_flop_fj": f"{1e15 * flip_flop_j:.1f}",
        "flip_flop_fj_at_65": f"{1e15 * flip_flop_j * energy_step:.0f}",
        "flip_flop_uw": f"{1e6 * 250e6 * flip_flop_j:.1f}",
        "published_uw_a_bit": f"{1e6 * published('float32').power_w / old['float32'].buffer_bits:.1f}",
        "timing": closing(both),
        "networks": networks(),
        "run_times": run_times(),
    }
    for age, ours in (("old", old), ("new", new)):
        for quantity, parts in (("area", area_parts), ("power", power_parts)):
            found[f"{age}_{quantity}_split"] = split(ours, parts, quantity)
            found[f"{age}_{quantity}_in_buffers"] = span(shares_of_saving(ours, parts, BUFFERS))
            found[f"{age}_{quantity}_in_arithmetic"] = span(shares_of_saving(ours, parts, ARITHMETIC))
    for name in ("fixed8", "binary"):
        found[f"{name}_area"] = percent(saved({n: c.area_mm2 for n, c in new.items()})[name])
        found[f"{name}_power"] = percent(saved({n: c.power_w for n, c in new.items()})[name])
        found[f"{name}_area_published"] = percent(published(name).area_saving)
        found[f"{name}_power_published"] = percent(published(name).power_saving)
    return found


def networks() -> str:
    """Energy an image of the study's three networks: published, and ours on both presets."""
    at_65 = scaled(technology("nangate45"), PUBLISHED_NODE)
    works = {name: shapes(name) for name in ("lenet", "convnet", "alex")}
    rows = []
    for precision in NAMES:
        row = [f"`{precision}`"]
        for network, work in works.items():
            old = cost_schedule(schedule_work(work, Tile.preset("hashemi2017", precision)), at_65)
            new = cost_schedule(schedule_work(work, Tile.preset("modern", precision)), "nangate45")
            point = published_run(network, precision)
            energy = point.energy_j if point else None
            row += [significant(1e6 * energy, 4) if energy else "no convergence"]
            row += [significant(1e6 * cost.energy_j) for cost in (old, new)]
        rows.append(row)
    head = ["precision"]
    for network in works:
        head += [f"{network}, published", "`hashemi2017`", "`modern`"]
    return table(head, rows)


@cache
def shapes(network: str) -> tuple[LayerWork, ...]:
    """What a network asks of the tile; weights do not matter, so they are random ones."""
    torch.manual_seed(0)
    images = torch.rand(8, *NETWORK_INPUTS[network])
    net = quantize(create(network), "fixed8", calibration=images)
    return workload(lower(net, example=images[:1]))


def run_times() -> str:
    return ", ".join(
        f"{name} {1e6 * schedule_work(shapes(name), Tile.preset('modern', 'fixed8')).runtime_s:.0f} us"
        for name in NETWORK_INPUTS
    )


def area_parts(cost: TileCost) -> Mapping[str, float]:
    return cost.area_mm2_by_component


def power_parts(cost: TileCost) -> Mapping[str, float]:
    return cost.power_w_by_owner


def shares_of_saving(ours: dict[str, TileCost], parts: Parts, components: Sequence[str]) -> list[float]:
    """Precision by precision how much of the saving is saved in `components`."""
    whole = {name: sum(parts(cost).values()) for name, cost in ours.items()}
    within = {name: sum(parts(cost)[key] for key in components) for name, cost in ours.items()}
    return [share_of_saving(whole, within, name) for name in NARROW[1:]]


def span(shares: Sequence[float]) -> str:
    low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def main() -> None:
    folder = Path(__file__).parent
    (folder / "figures").mkdir(exist_ok=True)
    scalings = {"hashemi2017": PUBLISHED_NODE, "modern": None}
    tiles = {
        preset: [asdict(cost) for cost in costs(preset, scaling).values()]
        for preset, scaling in scalings.items()
    }
    write_tile_figure(tiles, folder / "figures" / "tile.svg")
    (folder / "presets.md").write_text(page())
    print(f"{folder / 'presets.md'}, {folder / 'figures' / 'tile.svg'}")


if __name__ == "__main__":
    main()
