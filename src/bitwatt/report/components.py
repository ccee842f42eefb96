"""The parts of a tile as a report names, explains and colours them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """A part of the tile. `color` is its fill, `ink` the text that reads on it, both `#rrggbb`."""

    key: str
    label: str
    family: str
    meaning: str
    color: str
    ink: str


# A hue for each family, a lightness for each member: blue, orange and grey stay apart for every common kind
# of colour blindness, and in grey print the members still differ. Every ink on its colour reaches 4.5 : 1.
COMPONENTS: tuple[Component, ...] = (
    Component("weight_blocks", "weight blocks", "arithmetic",
              "multiply a weight and an input: a multiplier, a shifter or a negation", "#1f5fa8", "#ffffff"),
    Component("adder_trees", "adder trees", "arithmetic",
              "add the products of one neuron", "#4c93d6", "#06121f"),
    Component("accumulators", "accumulators", "arithmetic",
              "keep a neuron's sum from cycle to cycle", "#8cbdea", "#06121f"),
    Component("output_stages", "output stages", "arithmetic",
              "shift, round, saturate, ReLU and pooling", "#c2dcf5", "#06121f"),
    Component("sb", "SB (weights)", "buffers",
              "the buffer of weights, a weight for each weight block in a row", "#b3530c", "#ffffff"),
    Component("bin", "Bin (inputs)", "buffers",
              "the buffer of inputs, one for each synapse in a row", "#ea9140", "#1f0d00"),
    Component("bout", "Bout (outputs)", "buffers",
              "the buffer of outputs, one for each neuron in a row", "#f8c78f", "#1f0d00"),
    Component("control", "control", "overhead",
              "counters and descriptors that step through the layers", "#5d6570", "#ffffff"),
    Component("clock", "clock", "overhead",
              "what the clock pins of flip-flops take", "#969da8", "#0d1014"),
    Component("leakage", "leakage", "overhead",
              "what the gates and macros take by being on, times the run time", "#ccd1d9", "#0d1014"),
)  # fmt: skip
"""In the order in which they are stacked: arithmetic, buffers, the rest."""

_BY_KEY = {component.key: component for component in COMPONENTS}


def component(key: str) -> Component:
    """The component of that name; one that is not known here keeps its name and is coloured apart."""
    return _BY_KEY.get(key) or Component(key, key.replace("_", " "), "other", "", "#7a4f9a", "#ffffff")


def stacking_order(keys: Iterable[str]) -> list[str]:
    """The names given, known ones first in the order of `COMPONENTS`, the others after them by name."""
    known = [c.key for c in COMPONENTS]
    return sorted(set(keys), key=lambda key: (known.index(key) if key in known else len(known), key))
