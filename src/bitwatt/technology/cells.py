"""What a liberty cell says, as frozen records: pins, functions, state, timing arcs, power.

Quantities keep the library's own units; `Library` (see `liberty.py`) has the factors to SI.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from bitwatt.technology.boolean import Expression
from bitwatt.technology.lookup import LookupTable


@dataclass(frozen=True)
class LeakageState:
    """Leakage power while `when` holds (always, if None)."""

    when: Expression | None
    power: float


@dataclass(frozen=True)
class PowerArc:
    """Energy inside the cell at a transition of a pin.

    On an output the arc is caused by one of `related_pins`; on an input it is the transition's own
    ("hidden") energy. It counts while `when` holds. `rise` and `fall` are of the pin that owns the arc.
    """

    related_pins: tuple[str, ...]
    when: Expression | None
    supply: str
    rise: LookupTable | None
    fall: LookupTable | None


@dataclass(frozen=True)
class TimingArc:
    """A delay from `related_pin`, or a constraint against it.

    `kind` is liberty's timing_type ("combinational" if the file gives none); `sense` is "positive_unate",
    "negative_unate" or "non_unate". `tables` maps cell_rise, cell_fall, rise_transition, fall_transition,
    rise_constraint, fall_constraint to what the file has.
    """

    related_pins: tuple[str, ...]
    kind: str
    sense: str
    tables: dict[str, LookupTable] = field(hash=False)


@dataclass(frozen=True)
class Pin:
    """One signal pin. `is_clock` marks the pin that clocks the cell, by whatever attribute says so."""

    name: str
    direction: str
    function: Expression | None
    rise_capacitance: float
    fall_capacitance: float
    max_capacitance: float | None
    is_clock: bool
    power_arcs: tuple[PowerArc, ...] = field(hash=False)
    timing_arcs: tuple[TimingArc, ...] = field(hash=False)


@dataclass(frozen=True)
class FlipFlop:
    """An `ff` group: `state` and `inverse` are the names that output functions refer to."""

    state: str
    inverse: str
    clocked_on: Expression
    next_state: Expression
    clear: Expression | None
    preset: Expression | None


@dataclass(frozen=True)
class ClockGate:
    """An integrated clock gate that passes the pulse of a cycle in which an enable pin was high before it."""

    clock: str
    enables: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Cell:
    """One library cell."""

    name: str
    area: float
    leakage: float
    leakage_states: tuple[LeakageState, ...]
    pins: dict[str, Pin] = field(hash=False)
    flip_flop: FlipFlop | None
    clock_gate: ClockGate | None
    is_latch: bool

    @cached_property
    def inputs(self) -> tuple[Pin, ...]:
        """The input pins, in the file's order."""
        return tuple(pin for pin in self.pins.values() if pin.direction == "input")

    @cached_property
    def outputs(self) -> tuple[Pin, ...]:
        """The output pins, in the file's order."""
        return tuple(pin for pin in self.pins.values() if pin.direction == "output")

    @cached_property
    def is_combinational(self) -> bool:
        """Whether every output is a function of inputs alone."""
        return self.flip_flop is None and self.clock_gate is None and not self.is_latch
