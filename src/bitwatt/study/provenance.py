"""Where a point's figures come from, in one sentence for each quantity."""

from __future__ import annotations

from collections.abc import Mapping


def provenance(
    precision_is_float: bool, data_source: str, energy: Mapping[str, str], area: Mapping[str, str]
) -> dict[str, str]:
    """Statements by quantity. energy, area: what the cost model says of each part of the tile."""
    arithmetic = "float32 program, adding in the tile's order" if precision_is_float else "integer program"
    return {
        "accuracy": f"measured: exact {arithmetic} on the test images; data: {data_source}",
        "memory": "measured: counted on the program, at the formats' true widths",
        "cycles": "measured: counted on the tile's schedule",
        "energy": f"the schedule's events times unit energies; {grouped(energy)}",
        "area": grouped(area),
    }


def grouped(by_component: Mapping[str, str]) -> str:
    """Components with the same source together: `bin, bout, sb: table ...; control: assumed ...`."""
    groups: dict[str, list[str]] = {}
    for component, text in by_component.items():
        groups.setdefault(text, []).append(component)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in groups.items())
