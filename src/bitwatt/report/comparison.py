"""Our rows beside the published ones, where the network and the precision are the same."""

from __future__ import annotations

from dataclasses import dataclass

from bitwatt.report.facts import REFERENCE, Group
from bitwatt.report.prose import network_label
from bitwatt.report.published import CLOCK_HZ, TECHNOLOGY, Published, published, same_data
from bitwatt.report.quantities import si, whole
from bitwatt.report.rows import Row


@dataclass(frozen=True)
class Beside:
    """A row and its published counterpart, with the published savings as shares of the published float32."""

    row: Row
    published: Published
    energy_saving: float | None
    power_saving: float | None
    area_saving: float | None


@dataclass(frozen=True)
class Comparison:
    """Rows that have a published counterpart, and what must be known before comparing them.

    comparable_accuracy: the data is the published set, or a part or stand-in of it.
    """

    rows: tuple[Beside, ...]
    comparable_accuracy: bool
    differences: tuple[str, ...]


def compare(group: Group) -> Comparison | None:
    """The comparison for one group, or None where nothing published matches."""
    reference = published(group.network, REFERENCE)
    rows = []
    of_energy, of_power, of_area = (
        (reference.energy_j, reference.power_w, reference.area_mm2) if reference else (None, None, None)
    )
    for row in group.rows:
        theirs = published(group.network, row.precision)
        if theirs is not None:
            rows.append(
                Beside(
                    row,
                    theirs,
                    _saving(theirs.energy_j, of_energy),
                    _saving(theirs.power_w, of_power),
                    _saving(theirs.area_mm2, of_area),
                )
            )
    if not rows:
        return None
    first = rows[0].published
    comparable = same_data(first, group.study.data.name)
    return Comparison(tuple(rows), comparable, _differences(group, first, comparable))


def _saving(value: float | None, reference: float | None) -> float | None:
    return None if value is None or not reference else 1 - value / reference


def _differences(group: Group, theirs: Published, comparable: bool) -> tuple[str, ...]:
    data, tile = group.study.data, group.study.tile
    found = []
    if not comparable:
        found.append(
            f"data: {theirs.data} there, {data.name} here, so that accuracies are not set beside each other"
        )
    elif data.name.lower() != theirs.data.lower() or data.test != theirs.test_images:
        found.append(
            f"data: {theirs.data}, whose test set has {whole(theirs.test_images)} images, there; "
            f"{data.name} with {whole(data.train)} training and {whole(data.test)} test images here"
        )
    found.append(f"technology: {TECHNOLOGY} there, {group.technology} here")
    # The study's tile is that of its own preset; of another one no more than the name is known.
    own = group.preset is None or group.preset == tile.get("preset", group.preset)
    if own and tile.get("buffers") == "sram":
        found.append(
            "buffers: SRAM macros here; the published areas and powers are explained by buffers of "
            "flip-flops whose clock nothing gates, and the published savings are in the main of buffer bits"
        )
    clock = tile.get("clock_hz")
    if isinstance(clock, int | float) and clock != CLOCK_HZ:
        found.append(f"clock: {si(CLOCK_HZ, 'Hz')} there, {si(clock, 'Hz')} here")
    if group.network == "alex++":
        found.append(
            f"network: the published memory of {network_label(group.network)} does not follow from its "
            "printed layers; the network here is bitwatt's reading of it"
        )
    return tuple(found)
