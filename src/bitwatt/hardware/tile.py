"""The accelerator tile: one frozen record from which both the schedule and the RTL follow.

DianNao's tile (Chen et al., ASPLOS 2014), as Hashemi et al. (DATE 2017) use it: `neurons` x `synapses` weight
blocks, an adder tree, an accumulator and an output stage for each neuron, and three buffers: Bin holds rows
of `synapses` inputs, SB rows of `neurons` x `synapses` weights, Bout rows of `neurons` outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bitwatt.errors import RequestError, unknown_name
from bitwatt.formats import Precision, parse_precision

Buffers = Literal["flops", "sram"]


@dataclass(frozen=True)
class Tile:
    """A tile for one precision.

    precision: formats of weights and activations (a name will do). neurons, synapses: the shape, 1 to 256.
    rows: depth of each buffer, 2 to 65536. clock_hz: clock frequency in Hz. buffers: "sram" macros or
    "flops", memory built of flip-flops. clock_gating: whether idle registers are spared the clock.
    fan_in: most products a neuron may have to add; with the formats it decides the accumulator's width.
    residual: whether its output stages add a residual. clip: whether they clamp to bounds of the layer's own,
    beside those of the format and ReLU's.

    Raises `RequestError` for a value out of range.
    """

    precision: Precision
    neurons: int = 16
    synapses: int = 16
    rows: int = 64
    clock_hz: float = 250e6
    buffers: Buffers = "sram"
    clock_gating: bool = True
    fan_in: int = 8192
    residual: bool = False
    clip: bool = False

    def __init__(
        self,
        precision: Precision | str,
        neurons: int = 16,
        synapses: int = 16,
        rows: int = 64,
        clock_hz: float = 250e6,
        buffers: Buffers = "sram",
        clock_gating: bool = True,
        fan_in: int = 8192,
        residual: bool = False,
        clip: bool = False,
    ) -> None:
        if isinstance(precision, str):
            precision = parse_precision(precision)
        for name, value in (
            ("precision", precision),
            ("neurons", _whole("neurons", neurons, 1, 256)),
            ("synapses", _whole("synapses", synapses, 1, 256)),
            ("rows", _whole("rows", rows, 2, 65536)),
            ("clock_hz", _frequency(clock_hz)),
            ("buffers", buffers),
            ("clock_gating", clock_gating),
            ("fan_in", _whole("fan_in", fan_in, 1, 2**24)),
            ("residual", residual),
            ("clip", clip),
        ):
            object.__setattr__(self, name, value)
        if buffers not in ("flops", "sram"):
            raise unknown_name("kind of buffers", str(buffers), ("flops", "sram"))
        if synapses & (synapses - 1):
            raise RequestError(
                f"tile: synapses must be a power of two (the adder tree is binary), got {synapses}"
            )
        if buffers == "sram" and rows % 2:
            raise RequestError(
                f"tile: rows must be even, since SRAM buffers are two banks that take turns, got {rows}; "
                "take another number, or buffers='flops'"
            )

    @classmethod
    def preset(cls, name: str, precision: Precision | str) -> Tile:
        """The tile of a named preset. Raises `RequestError` for an unknown name.

        hashemi2017: flip-flop buffers and no gated clock, the choices that explain the published area and
        power. modern: SRAM macros and gated clocks.
        """
        if name not in PRESETS:
            raise unknown_name("preset", name, PRESETS)
        buffers, gating = PRESETS[name]
        return cls(precision, buffers=buffers, clock_gating=gating)

    @property
    def bin_bits(self) -> int:
        """Width of a row of Bin: one input a synapse."""
        return self.synapses * self.precision.activations.bits

    @property
    def sb_bits(self) -> int:
        """Width of a row of SB: one weight for each weight block."""
        return self.neurons * self.synapses * self.precision.weights.bits

    @property
    def bout_bits(self) -> int:
        """Width of a row of Bout: one output a neuron."""
        return self.neurons * self.precision.activations.bits

    @property
    def buffer_bits(self) -> int:
        """Bits of the three buffers together."""
        return self.rows * (self.bin_bits + self.sb_bits + self.bout_bits)


PRESETS: dict[str, tuple[Buffers, bool]] = {"modern": ("sram", True), "hashemi2017": ("flops", False)}
"""Buffers and clock gating of each preset; shape, rows and clock are the published ones in both."""


def _whole(name: str, value: int, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RequestError(f"tile: {name} must be a whole number from {least} to {most}, got {value!r}")
    return value


def _frequency(value: float) -> float:
    if not 1e3 <= float(value) <= 1e11:
        raise RequestError(f"tile: clock_hz must be from 1e3 to 1e11 Hz, got {value!r}")
    return float(value)
