"""Reads liberty's groups of cells, pins and tables into the records of `cells.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bitwatt.errors import DataError
from bitwatt.technology.boolean import Expression, parse_expression
from bitwatt.technology.cells import Cell, ClockGate, FlipFlop, LeakageState, Pin, PowerArc, TimingArc
from bitwatt.technology.liberty_syntax import Group, as_number
from bitwatt.technology.lookup import LookupTable, lookup_table

_NUMBER = re.compile(r"[-+0-9.eE]+")
_TIMING_TABLES = (
    "cell_rise",
    "cell_fall",
    "rise_transition",
    "fall_transition",
    "rise_constraint",
    "fall_constraint",
)


@dataclass(frozen=True)
class CellContext:
    """What a cell's group needs from its library: table templates and defaults; `source` for messages."""

    source: str
    templates: Mapping[str, Group] = field(repr=False)
    default_leakage: float
    default_capacitance: float


def _expression(group: Group, name: str) -> Expression | None:
    text = group.attributes.get(name)
    return parse_expression(text) if text else None


def read_cell(group: Group, context: CellContext) -> Cell:
    """The cell that a `cell` group describes.

    Raises `DataError` naming the file, the cell and the pin for what is missing or malformed.
    """
    name = group.name(context.source)
    where = f"{context.source}: cell {name}"
    if "area" not in group.attributes:
        raise DataError(f"{where} has no area")
    pins = {
        pin.name(where): _read_pin(pin, f"{where} pin {pin.name(where)}", context)
        for pin in group.each("pin")
    }
    states = tuple(
        LeakageState(_expression(state, "when"), state.number("value", where))
        for state in group.each("leakage_power")
    )
    default = group.number("cell_leakage_power", where, context.default_leakage)
    return Cell(
        name=name,
        area=group.number("area", where),
        leakage=default,
        leakage_states=states,
        pins={pin: record for pin, record in pins.items() if record.direction != "internal"},
        flip_flop=_read_flip_flop(group),
        clock_gate=_read_clock_gate(group),
        is_latch=bool(group.each("latch") or group.each("statetable")),
    )


def _read_flip_flop(group: Group) -> FlipFlop | None:
    for ff in group.each("ff"):
        clocked_on, next_state = _expression(ff, "clocked_on"), _expression(ff, "next_state")
        if len(ff.args) < 2:
            raise DataError(f"cell {group.args[0]}: its 'ff' group needs two names, got {ff.args}")
        if clocked_on is None or next_state is None:
            raise DataError(f"cell {group.args[0]}: its 'ff' group needs both clocked_on and next_state")
        return FlipFlop(
            ff.args[0],
            ff.args[1],
            clocked_on,
            next_state,
            _expression(ff, "clear"),
            _expression(ff, "preset"),
        )
    return None


def _read_clock_gate(group: Group) -> ClockGate | None:
    if not group.attributes.get("clock_gating_integrated_cell", "").startswith("latch_posedge"):
        return None
    pins = group.each("pin")
    clocks = [pin.args[0] for pin in pins if pin.flag("clock_gate_clock_pin")]
    outputs = [pin.args[0] for pin in pins if pin.flag("clock_gate_out_pin")]
    enables = [
        pin.args[0] for pin in pins if pin.flag("clock_gate_enable_pin") or pin.flag("clock_gate_test_pin")
    ]
    if len(clocks) != 1 or len(outputs) != 1 or not enables:
        raise DataError(
            f"cell {group.args[0]}: a clock gate needs one clock, one output and an enable pin; got "
            f"{clocks}, {outputs}, {enables}"
        )
    return ClockGate(clocks[0], tuple(enables), outputs[0])


def _read_pin(group: Group, where: str, context: CellContext) -> Pin:
    attributes = group.attributes
    capacitance = group.number("capacitance", where, context.default_capacitance)
    return Pin(
        name=group.args[0],
        direction=attributes.get("direction", "internal"),
        function=_expression(group, "function"),
        rise_capacitance=group.number("rise_capacitance", where, capacitance),
        fall_capacitance=group.number("fall_capacitance", where, capacitance),
        max_capacitance=group.number("max_capacitance", where) if "max_capacitance" in attributes else None,
        is_clock=group.flag("clock") or group.flag("clock_gate_clock_pin"),
        power_arcs=tuple(_read_power_arc(arc, where, context) for arc in group.each("internal_power")),
        timing_arcs=tuple(_read_timing_arc(arc, where, context) for arc in group.each("timing")),
    )


def _read_power_arc(group: Group, where: str, context: CellContext) -> PowerArc:
    tables = {t.kind: _read_table(t, where, context) for t in group.groups}
    both = tables.get("power")
    return PowerArc(
        related_pins=tuple(group.attributes.get("related_pin", "").split()),
        when=_expression(group, "when"),
        supply=group.attributes.get("related_pg_pin", ""),
        rise=tables.get("rise_power", both),
        fall=tables.get("fall_power", both),
    )


def _read_timing_arc(group: Group, where: str, context: CellContext) -> TimingArc:
    return TimingArc(
        related_pins=tuple(group.attributes.get("related_pin", "").split()),
        kind=group.attributes.get("timing_type", "combinational"),
        sense=group.attributes.get("timing_sense", "non_unate"),
        tables={t.kind: _read_table(t, where, context) for t in group.groups if t.kind in _TIMING_TABLES},
    )


def _read_table(group: Group, where: str, context: CellContext) -> LookupTable:
    """A table, its axes taken from its own `index_*` or else from its template."""
    template = context.templates.get(group.args[0]) if group.args else None
    shape = template.attributes if template is not None else {}
    variables = tuple(shape[f"variable_{n}"] for n in "123" if f"variable_{n}" in shape)
    axes = tuple(
        _calls_numbers(group, f"index_{n}", where) or _calls_numbers(template, f"index_{n}", where)
        for n in "123"[: len(variables)]
    )
    return lookup_table(f"{where}: {group.kind}", variables, axes, _calls_numbers(group, "values", where))


def _calls_numbers(group: Group | None, name: str, where: str) -> tuple[float, ...]:
    """The numbers in a complex attribute's arguments; () where it is absent."""
    calls = group.calls if group is not None else []
    text = next((text for call, text in calls if call == name), "")
    return tuple(as_number(word, f"{where}: '{name}'") for word in _NUMBER.findall(text))
