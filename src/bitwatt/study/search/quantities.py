"""What a search weighs: its objectives, and amounts with units as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bitwatt.errors import RequestError, unknown_name

ACCURACY = "accuracy"

_PREFIXES = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}


def _si(unit: str, prefixes: str) -> dict[str, float]:
    return {f"{prefix}{unit}": _PREFIXES[prefix] for prefix in (*prefixes, "")}


@dataclass(frozen=True)
class Quantity:
    """An objective: the field of a point that holds it, in which unit, and how it may be written."""

    field: str
    unit: str
    units: Mapping[str, float]
    example: str


COSTS: Mapping[str, Quantity] = {
    "energy": Quantity("energy_j", "J", _si("J", "pnum"), "1uJ"),
    "area": Quantity("area_mm2", "mm²", {"mm2": 1.0, "mm²": 1.0, "um2": 1e-6}, "0.5mm2"),
    "memory": Quantity(
        "memory_bytes", "B", {"B": 1, "kB": 1e3, "KiB": 1024, "MB": 1e6, "MiB": 1024**2}, "100kB"
    ),
    "time": Quantity("runtime_s", "s", _si("s", "num"), "50us"),
    "power": Quantity("power_w", "W", _si("W", "num"), "20mW"),
}
"""What is to be small: an image's energy and time, the tile's area and power, the bytes of the network."""

OBJECTIVES = (ACCURACY, *COSTS)

_DURATIONS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_AMOUNT = re.compile(r"\s*(?P<number>[0-9.]+(e[+-]?[0-9]+)?)\s*(?P<unit>\S*)\s*", re.IGNORECASE)


def parse_amount(name: str, text: str) -> float:
    """An amount of an objective in its own unit: `1uJ` of energy is 1e-6, `98%` of accuracy 0.98.

    Raises `RequestError` for an unknown objective, what is no positive number, or another unit.
    """
    if name not in OBJECTIVES:
        raise unknown_name("quantity of a budget", name, OBJECTIVES)
    if name == ACCURACY:
        found = _parse(f"budget: {name}", text, {"%": 0.01, "": 1.0}, "98%")
        if found > 1:
            raise RequestError(f"budget: accuracy must be at most 100 % (or 1), got '{text}'")
        return found
    return _parse(f"budget: {name}", text, COSTS[name].units, COSTS[name].example)


def parse_duration(text: str) -> float:
    """Seconds: `90s`, `10min`, `2h`. Raises `RequestError`."""
    return _parse("time", text, _DURATIONS, "10min")


def parse_budget(text: str) -> dict[str, float]:
    """`energy=1uJ,accuracy=98%` as amounts by name. Raises `RequestError` as `parse_amount`."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise RequestError(
                f"budget: give NAME=AMOUNT, with commas between, as in energy=1uJ; got '{part.strip()}'"
            )
        if name in found:
            raise RequestError(f"budget: '{name}' is given twice")
        found[name] = parse_amount(name, amount)
    return found


def _parse(what: str, text: str, units: Mapping[str, float], example: str) -> float:
    match = _AMOUNT.fullmatch(text.replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u"))
    allowed = ", ".join(unit for unit in units if unit)
    try:
        number = float(match["number"]) if match else 0.0
    except ValueError:
        number = 0.0
    if not match or not 0 < number < float("inf"):
        raise RequestError(f"{what} must be a positive number and a unit, as in {example}; got '{text}'")
    if match["unit"] not in units:
        raise RequestError(f"{what} has a unit of {allowed}, as in {example}; got '{text}'")
    return number * units[match["unit"]]


def written(name: str, amount: float) -> str:
    """An amount for people: `0.98 uJ`, `98.20 %`."""
    if name == ACCURACY:
        return f"{amount:.2%}"
    if name == "area":
        return f"{amount:.3g} mm²"
    unit = COSTS[name].unit
    if name == "memory":
        return f"{amount / 1e3:.3g} kB" if amount >= 1e3 else f"{amount:.0f} B"
    for prefix in ("", "m", "u", "n", "p"):
        if amount >= _PREFIXES[prefix]:
            return f"{amount / _PREFIXES[prefix]:.3g} {prefix}{unit}"
    return f"{amount:.3g} {unit}"
