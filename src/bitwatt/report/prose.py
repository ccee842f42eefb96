"""Facts in words: the answer, what each bit costs, the tile, the cautions. Plain text, nothing escaped."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from math import fsum
from typing import Any

from bitwatt.formats import PAPER
from bitwatt.report.components import component
from bitwatt.report.facts import REFERENCE, Facts, Group, Step
from bitwatt.report.quantities import percent, points, si, significant, whole
from bitwatt.report.records import Data, Results
from bitwatt.report.rows import Part, Row
from bitwatt.report.tiles import TilePreset, misses, share_of_saving

_MADE = {"modern": " (SRAM macros, gated clocks)", "hashemi2017": " (flip-flop buffers, no clock gated)"}
_NETWORKS = {"lenet": "LeNet", "convnet": "ConvNet", "alex": "ALEX", "alex+": "ALEX+", "alex++": "ALEX++"}


def network_label(name: str) -> str:
    """The network's name as papers write it; a user's own stays as it is."""
    return _NETWORKS.get(name, name)


def subject(group: Group, facts: Facts) -> str:
    """The network, and its data or its study where the report has the network on several."""
    label = network_label(group.network)
    same = [other for other in facts.groups if other.network == group.network]
    if len({other.study.data.name for other in same}) > 1:
        return f"{label} on {group.study.data.name}"
    if len({id(other.study) for other in same}) > 1:
        return f"{label} ({group.study.study or f'study {facts.studies.index(group.study) + 1}'})"
    return label


def group_label(group: Group, facts: Facts) -> str:
    """The subject, and the technology or preset where the report has several of them."""
    parts = [subject(group, facts)]
    if len({other.technology for other in facts.groups}) > 1:
        parts.append(group.technology)
    if len({other.preset for other in facts.groups}) > 1 and group.preset:
        parts.append(f"{group.preset} preset")
    return ", ".join(parts)


def on_data(group: Group, facts: Facts) -> str:
    """The group's label with its data."""
    label, data = group_label(group, facts), f" on {group.study.data.name}"
    return label if data in label else label + data


def data_phrase(data: Data) -> str:
    """How many images there are, and where they are from; the numbers once, where the source has them too."""
    counts = f"{whole(data.train)} training and {whole(data.test)} test images"
    if counts in data.source:
        return data.source
    return f"{counts} ({data.source})" if data.source else counts


def headline(group: Group) -> str:
    """The answer in one sentence."""
    choice, baseline = group.choice, group.baseline
    limit = _points_of(group.within)
    if len(group.rows) == 1:
        return f"Only {choice.precision} was studied: {_result(choice)}."
    if choice is baseline:
        cheaper = [row for row in group.rows if row.energy_j < baseline.energy_j]
        if not cheaper:
            return f"Nothing is cheaper than {baseline.precision}: {_result(baseline)}."
        best = max(cheaper, key=lambda row: row.accuracy.mean)
        return (
            f"No cheaper precision stays within {limit} of {baseline.precision}'s "
            f"{percent(baseline.accuracy.mean, 2)}; {best.precision} comes nearest, at "
            f"{percent(best.accuracy.mean, 2)}."
        )
    if choice.against is None:
        return (
            f"{choice.precision} comes within {limit} of {baseline.precision}, the most accurate, for "
            f"{percent(choice.energy_j / baseline.energy_j)} of its energy: "
            f"{percent(choice.accuracy.mean, 2)} against {percent(baseline.accuracy.mean, 2)}."
        )
    return (
        f"{choice.precision} takes {percent(1 - choice.against.energy)} of {baseline.precision}'s energy and "
        f"is right on {percent(choice.accuracy.mean, 2)} of the test images, {baseline.precision} on "
        f"{percent(baseline.accuracy.mean, 2)}."
    )


def choice_sentence(group: Group) -> str | None:
    """How the choice was made, and whether the test set can tell it from float32; None without one."""
    choice = group.choice
    if choice.against is None or choice is group.baseline:
        return None
    change, count = choice.against, choice.accuracy.count
    between = f"(95 % interval {points(change.accuracy_low)} to {points(change.accuracy_high)})"
    told = (
        f"more than chance in {whole(count)} test images explains {between}"
        if change.told_apart
        else f"which {whole(count)} test images cannot tell from none {between}"
    )
    return (
        f"It is the cheapest of {len(group.rows)} precisions within {_points_of(group.within)} of "
        f"{group.baseline.precision}. It saves {percent(change.energy)} of the energy of an image, "
        f"{percent(change.area)} of the tile's area and {percent(change.memory)} of the parameter "
        f"memory. Its accuracy differs by {points(change.accuracy)} points, {told}."
    )


def trade_sentences(group: Group) -> tuple[str, ...]:
    """What each loss of accuracy buys: the Pareto front from the baseline down, a sentence for each row."""
    baseline = group.baseline
    found = []
    for row in reversed(group.front):
        if row.energy_j > baseline.energy_j or row is baseline:
            continue
        lost = baseline.accuracy.mean - row.accuracy.mean
        loss = f"Losing {100 * lost:.2f} points" if round(lost, 4) > 0 else "Losing no accuracy"
        less = f"{percent(1 - row.energy_j / baseline.energy_j)} less than {baseline.precision}"
        found.append(f"{loss}: {row.precision}, {si(row.energy_j, 'J')} an image, {less}.")
    return tuple(found)


def step_sentence(step: Step) -> str:
    """What each bit between two widths of fixed point costs."""
    energy, area = abs(step.energy_j_a_bit), abs(step.area_mm2_a_bit)
    saves = "saves" if step.energy_j_a_bit >= 0 else "costs"
    also = "" if (step.area_mm2_a_bit >= 0) == (step.energy_j_a_bit >= 0) else "gives back "
    bits = f"each of the {step.bits} bits dropped" if step.bits > 1 else "the bit dropped"
    return (
        f"From {step.wide} to {step.narrow}, {bits} {saves} {si(energy, 'J')} an image and "
        f"{also}{significant(area)} mm²; accuracy changes by {points(step.accuracy)} points."
    )


def shares_sentence(rows: Sequence[Row], parts: Callable[[Row], Sequence[Part]], of: str) -> str:
    """How arithmetic and buffers share the energy or area (`of`) of the costliest row and the cheapest."""

    def share(row: Row, family: str) -> float:
        return fsum(part.share for part in parts(row) if component(part.name).family == family)

    shown = [row for row in rows if parts(row)]
    most = max(shown, key=lambda row: fsum(part.value for part in parts(row)))
    least = min(shown, key=lambda row: fsum(part.value for part in parts(row)))
    if most is least:
        return (
            f"Arithmetic is {percent(share(most, 'arithmetic'), 0)} of {most.precision}'s {of}, "
            f"buffers {percent(share(most, 'buffers'), 0)}."
        )
    return (
        f"Arithmetic is {percent(share(most, 'arithmetic'), 0)} of {most.precision}'s {of} and "
        f"{percent(share(least, 'arithmetic'), 0)} of {least.precision}'s; buffers are "
        f"{percent(share(most, 'buffers'), 0)} and {percent(share(least, 'buffers'), 0)}."
    )


def preset_sentences(presets: Sequence[TilePreset]) -> tuple[str, ...]:
    """What narrow formats save in each preset, and how much of that is buffers."""
    found = []
    for preset in presets:
        area = share_of_saving(preset, "buffers", lambda row: row.area_parts)
        power = share_of_saving(preset, "buffers", lambda row: row.owner_parts)
        if area is not None and power is not None:
            found.append(
                f"{preset.name}{_MADE.get(preset.name, '')}, {preset.node_nm:g} nm: of the area that narrow "
                f"formats save against {REFERENCE}, {_span(area)} is buffers; of the power, {_span(power)}."
            )
    if len(presets) > 1 and (pairs := _ratios(presets[0], presets[1])):
        areas, powers = ([pair[kind] for pair in pairs] for kind in (0, 1))
        found.append(
            f"Against {presets[1].name}, the {presets[0].name} tile is {min(areas):.3g} to {max(areas):.3g} "
            f"times as large and takes {min(powers):.3g} to {max(powers):.3g} times the power."
        )
    return tuple(found)


def design_sentences(presets: Sequence[TilePreset]) -> tuple[str, ...]:
    """How far each preset is from the published table."""
    found = []
    for preset in presets:
        off = misses(preset)
        if off is None:
            continue
        found.append(
            f"{preset.name}, {preset.node_nm:g} nm: savings of area differ from the published by "
            f"{100 * off.area_saving:.1f} points on average, savings of power by "
            f"{100 * off.power_saving:.1f}; areas are {off.areas[0]:.2f} to {off.areas[1]:.2f} times the "
            f"published, powers {off.powers[0]:.2g} to {off.powers[1]:.2g} times."
        )
    return tuple(found)


def _ratios(first: TilePreset, second: TilePreset) -> list[tuple[float, float]]:
    """Areas and powers of the first preset's tiles over the second's."""
    pairs = [(row, second.row(row.precision)) for row in first.rows]
    return [
        (row.area_mm2 / other.area_mm2, row.power_w / other.power_w)
        for row, other in pairs
        if other is not None
    ]


def _span(shares: tuple[float, float]) -> str:
    low, high = (f"{100 * share:.0f}" for share in shares)
    return f"{low} %" if low == high else f"{low} to {high} %"


def tile_sentences(tile: Mapping[str, Any], technology: str) -> tuple[str, ...]:
    """The tile and how a layer runs on it. Keys that are read: those of `bitwatt.hardware.Tile`."""
    neurons, synapses, rows, clock = (tile.get(k) for k in ("neurons", "synapses", "rows", "clock_hz"))
    if not (isinstance(neurons, int) and isinstance(synapses, int)):
        return ()
    made = {"sram": "SRAM macros", "flops": "flip-flops"}.get(str(tile.get("buffers")), "unstated make")
    depth = f" {rows} rows deep," if isinstance(rows, int) else ""
    gating = {True: "idle registers are spared the clock", False: "no clock is gated"}.get(
        tile.get("clock_gating", ""), "clock gating unstated"
    )
    speed = f" at {si(clock, 'Hz')}" if isinstance(clock, int | float) and clock > 0 else ""
    return (
        f"The tile has {neurons} neurons of {synapses} synapses each, {whole(neurons * synapses)} weight "
        "blocks in all, with an adder tree, an accumulator and an output stage for each neuron and three "
        f"buffers,{depth} of {made} ({technology}{speed}; {gating}).",
        f"A layer's outputs are computed {neurons} at a time: each cycle reads {synapses} inputs and "
        f"{whole(neurons * synapses)} weights, adds their products to the neurons' sums, and when a window "
        "is done the output stage rounds, saturates and pools; a window that does not fill the tile leaves "
        "lanes idle.",
    )


def cautions(facts: Facts) -> tuple[str, ...]:
    """What a reader must know before relying on the figures; each is there only where it is true."""
    found = []
    rows = [row for group in facts.groups for row in group.rows]
    for group in facts.groups:
        if group.reference is None:
            found.append(
                f"{group_label(group, facts)} has no {REFERENCE} point, so that no savings can be stated: "
                f"add it with --precisions {REFERENCE},…"
            )
    for study in facts.studies:
        if study.planned_points is not None and len(study.points) < study.planned_points:
            failed = f"; failed: {', '.join(study.failed_points)}" if study.failed_points else ""
            whose = f"{study.study or network_label(study.network)}: " if len(facts.studies) > 1 else ""
            found.append(
                f"{whose}{len(study.points)} of {study.planned_points} planned points are here{failed}."
            )
    mixed = tuple(dict.fromkeys(quantity for group in facts.groups for quantity in group.mixed))
    if mixed:
        found.append(
            f"The sources of {_listed(mixed)} differ in kind between precisions: part of a difference "
            "between two rows may be a difference of method. The table of sources says which is which."
        )
    for kind, words in (
        ("unstated", "does not say where it comes from"),
        ("assumed", "rests in part on assumed values, which nobody measured"),
    ):
        quantities = tuple(
            dict.fromkeys(s.quantity for group in facts.groups for s in group.sources if kind in s.kinds)
        )
        if quantities:
            verb = words if len(quantities) == 1 else _plural(words)
            found.append(f"{_listed(quantities).capitalize()} {verb}.")
    widest = max(rows, key=lambda row: row.accuracy.high - row.accuracy.low)
    half = (widest.accuracy.high - widest.accuracy.low) / 2
    found.append(
        f"Accuracy was counted on {whole(widest.accuracy.count)} test images: it is known to about "
        f"±{100 * half:.2f} points (95 % Wilson interval), and smaller differences between rows may be "
        "chance."
    )
    if all(len(row.seeds) == 1 for row in rows):
        found.append("Every point was trained once: how much another seed would change it is not known.")
    found.append(
        "Energy is the tile's own, buffers included; traffic to outside memory is not in it unless a source "
        "says so."
    )
    return tuple(found)


def command(results: Results) -> str:
    """The command that makes the records again: the one they carry, or else the one that they imply."""
    if results.command:
        return results.command
    precisions = ",".join(dict.fromkeys(point.precision for point in results.points))
    if precisions == ",".join(map(str, PAPER)):
        precisions = "paper"
    asked = {
        "--network": ",".join(dict.fromkeys(point.network for point in results.points)),
        "--data": results.data.name,
        "--precisions": precisions,
        "--seeds": ",".join(map(str, sorted({point.seed for point in results.points}))),
        "--technology": results.technology,
        "--preset": str(results.tile.get("preset", "modern")),
    }
    left_out = {"--seeds": "0", "--technology": "nangate45", "--preset": "modern"}
    words = [f"{name} {shlex.quote(value)}" for name, value in asked.items() if left_out.get(name) != value]
    return f"bitwatt study {' '.join(words)} --out DIR"


def _result(row: Row) -> str:
    return f"{percent(row.accuracy.mean, 2)} of the test images right, {si(row.energy_j, 'J')} an image"


def _points_of(share: float) -> str:
    number = f"{100 * share:g}"
    return f"{number} point" if number == "1" else f"{number} points"


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _plural(words: str) -> str:
    return words.replace("does not say where it comes", "do not say where they come").replace("rests", "rest")
