"""The whole tile: buffers, datapath, output queue and control, between plain streams.

    layers       descriptors, one a pass (layer_descriptor)
    bin_rows     rows of `synapses` activations          -> Bin -+
    sb_rows      rows of `neurons` x `synapses` weights  -> SB  -+-> weight blocks -> trees -> accumulators
    parameters   biases and shifts of an output group    ---------------------------------> output stages
    divisors     one for each row of means               ---------------------------------> output stages
    residual_rows  rows of `neurons` activations         ---------------------------------> output stages
    out_rows     rows of `neurons` outputs               <- Bout <-------------------------- output stages

A descriptor is taken when the pass before has left. The pipeline moves as a whole: it stops while a row of
parameters that it needs has not come or Bout is full, and control stops by itself while Bin or SB is empty.
Weight n * synapses + s of a row belongs to neuron n and input s. Only a tile with residuals has their stream;
each of its rows is used once, as it comes, and so needs no buffer.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring

from bitwatt.hardware.pipeline import pipeline_stages
from bitwatt.hardware.pooling import Pooling
from bitwatt.hardware.rtl.buffers import buffer_memory
from bitwatt.hardware.rtl.control import Control
from bitwatt.hardware.rtl.fifo import OutputQueue
from bitwatt.hardware.rtl.layout import SLICE_BITS, layer_descriptor, tile_signature
from bitwatt.hardware.rtl.neuron import Neuron
from bitwatt.hardware.rtl.placement import Place, inline
from bitwatt.hardware.tile import Tile

_TOKEN = data.StructLayout({"valid": 1, "first": 1, "last": 1, "opens": 1, "closes": 1, "pop": 1})
"""What goes along with the data: first, last: of a sum; opens, closes: a pooling window; pop: after it, the
row of parameters is done with."""


class TileRTL(wiring.Component):  # type: ignore[misc]
    """RTL of a `Tile`. bin_read, sb_read, bout_write, bout_read: a row is read or written in this cycle."""

    def __init__(self, tile: Tile, place: Place = inline) -> None:
        self.tile = tile
        self._place = place
        super().__init__(tile_signature(tile))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tile = self.tile
        stages = pipeline_stages(tile)
        m.submodules.control = control = Control(tile.rows, tile.buffers == "sram")
        m.submodules.bout = bout = OutputQueue(tile)
        run, pause = Signal(), Signal(SLICE_BITS)
        layer = Signal(layer_descriptor(tile))
        adds_residual = layer.residual if tile.residual else C(0)
        with m.If(control.start):
            m.d.sync += layer.eq(self.layers.payload)

        issued = Signal(_TOKEN)
        m.d.comb += [
            issued.valid.eq(control.step),
            issued.first.eq(control.first),
            issued.last.eq(control.last),
            issued.opens.eq(control.window_first),
            issued.closes.eq(control.window_last),
            issued.pop.eq(control.last & (control.last_inner | ~layer.keep_parameters)),
        ]
        to_total = sum(stages[name] for name in ("weight_block", "adder_tree", "accumulator"))
        read = _delayed(m, issued, 1, run)[0]
        path = [issued, read, *_delayed(m, read, to_total, run, ~layer.from_buffer)]

        # The output stage takes a sum when it is complete; in a pass of Bin alone, each row that it gives.
        taken, entering = Signal(_TOKEN), Signal(_TOKEN)
        slice_, repeating, popping = Signal(SLICE_BITS), Signal(), Signal()
        last_slice, has_parameters = Signal(), Signal()
        m.d.comb += [
            last_slice.eq(~layer.wide | (slice_ == layer.slices)),
            has_parameters.eq(~layer.from_buffer | adds_residual),
            taken.eq(Mux(layer.from_buffer, read, path[-1])),
            entering.eq(taken),
            entering.valid.eq((taken.valid & taken.last) | repeating),
            entering.pop.eq(has_parameters & last_slice & Mux(repeating, popping, taken.pop)),
        ]
        with m.If(run & entering.valid & layer.wide):
            m.d.sync += [slice_.eq(Mux(last_slice, 0, slice_ + 1)), repeating.eq(~last_slice)]
            with m.If(~repeating):
                m.d.sync += popping.eq(taken.pop)
        # What follows stays away until a wide sum's slices could leave, or a mean is divided.
        with m.If(control.step & control.last & control.window_last):
            m.d.sync += pause.eq(layer.pause)
        with m.Elif(run & (pause != 0)):
            m.d.sync += pause.eq(pause - 1)

        # The output stage's registers: residuals belong to the second of them, slices to the last.
        staged = [entering, *_delayed(m, entering, stages["output_stage"], run)]
        coded, rounded_slice = staged[-1], slice_
        for _ in staged[1:-1]:
            following = Signal(SLICE_BITS)
            with m.If(run):
                m.d.sync += following.eq(rounded_slice)
            rounded_slice = following
        # A token goes only as far as the pooling asks, so that the pass is over when its last row is.
        pooled = _delayed(m, coded, 1, run, layer.pooling != Pooling.NONE)[0]
        means = Signal()
        m.d.comb += means.eq((layer.pooling == Pooling.AVERAGE) & pooled.valid & pooled.closes)
        leaving = [coded, pooled, *_delayed(m, pooled, stages["average_pool"] - 1, run, means)]
        written = Signal()
        with m.Switch(layer.pooling):
            for pooling, behind in ((Pooling.MAX, 1), (Pooling.AVERAGE, stages["average_pool"])):
                with m.Case(pooling):
                    m.d.comb += written.eq(leaving[behind].valid & leaving[behind].closes)
            with m.Default():
                m.d.comb += written.eq(coded.valid)

        starved = (entering.valid & has_parameters & ~self.parameters.valid) | (means & ~self.divisors.valid)
        if tile.residual:
            adding = staged[1].valid & adds_residual
            starved |= adding & ~self.residual_rows.valid
            m.d.comb += self.residual_rows.ready.eq(run & adding)
        in_flight = reduce(or_, (token.valid for token in [*path[1:], *staged[1:], *leaving[1:]]), repeating)
        m.d.comb += [
            run.eq(~starved & ~(written & ~bout.writable)),
            control.stall.eq(~run | (pause != 0)),
            control.descriptor.eq(self.layers.payload.loops),
            self.layers.ready.eq(~control.busy & ~in_flight & bout.empty),
            control.start.eq(self.layers.valid & self.layers.ready),
            self.parameters.ready.eq(run & entering.valid & entering.pop),
            self.divisors.ready.eq(run & means),
            bout.write.eq(run & written),
            self.out_rows.valid.eq(bout.rows_out.valid),
            self.out_rows.payload.eq(bout.rows_out.payload),
            bout.rows_out.ready.eq(self.out_rows.ready),
            self.bin_read.eq(control.step),
            self.sb_read.eq(control.step & ~layer.from_buffer),
            self.bout_write.eq(bout.write),
            self.bout_read.eq(bout.read),
        ]

        after_blocks = 1 + stages["weight_block"]
        after_tree = after_blocks + stages["adder_tree"]

        def moving(first: int, end: int) -> Value:
            """A stage moves while something is in it; the others stand still."""
            return run & reduce(or_, (token.valid for token in path[first:end])) & ~layer.from_buffer

        moved = {
            "tree_enable": moving(after_blocks, after_tree),
            "accumulator_enable": moving(after_tree, after_tree + 1),
            "load": path[after_tree].first,
            "from_buffer": layer.from_buffer,
            "relu": layer.relu,
            "enable": Cat(run & token.valid for token in staged[:-1]),
            "pooling": layer.pooling,
            "pool_first": coded.opens,
            "pool_enable": run & coded.valid & (layer.pooling != Pooling.NONE),
            "divisor": self.divisors.payload,
            # float32's second stage of the multiplication moves one cycle later.
            "divide": run & (means | leaving[2].valid if tile.precision.is_float else means),
        }
        if stages["weight_block"]:
            moved["block_enable"] = moving(1, after_blocks)
        if not tile.precision.is_float:
            moved |= {"wide": layer.wide, "slice": rounded_slice}
        if tile.residual:
            moved["add_residual"] = adds_residual
            if not tile.precision.is_float:
                moved["residual_shift"] = layer.residual_shift
        if tile.clip:
            moved |= {"clips": layer.clips, "low": layer.low, "high": layer.high}
        m.d.comb += bout.row.eq(self._neurons(m, control, moved))
        return m

    def _neurons(self, m: Module, control: Control, moved: dict[str, Value]) -> Value:
        """The neurons behind Bin and SB; the row for Bout. moved: signals that all neurons share, by port."""
        tile, precision = self.tile, self.tile.precision
        inputs = self._memory(m, "bin", control, self.bin_rows, tile.bin_bits)
        weights = self._memory(m, "sb", control, self.sb_rows, tile.sb_bits)
        shared = {}
        for name, value in moved.items():
            shared[name] = Signal.like(value, name=name)
            m.d.comb += shared[name].eq(value)
        row = Signal(tile.bout_bits, name="bout_row")
        for index in range(tile.neurons):
            neuron = self._place(
                m,
                f"neuron_{index}",
                "neuron",
                lambda: Neuron(tile, self._place),
            )
            m.d.comb += [getattr(neuron, name).eq(value) for name, value in shared.items()]
            m.d.comb += [
                neuron.inputs.eq(inputs),
                neuron.weights.eq(weights.word_select(index, tile.synapses * precision.weights.bits)),
                neuron.bias.eq(self.parameters.payload.bias[index]),
                row.word_select(index, precision.activations.bits).eq(neuron.result),
            ]
            if index < tile.synapses:
                m.d.comb += neuron.activation.eq(inputs.word_select(index, precision.activations.bits))
            if tile.residual:
                m.d.comb += neuron.residual.eq(self.residual_rows.payload[index])
            if not precision.is_float:
                m.d.comb += neuron.shift.eq(self.parameters.payload.shift[index])
        return row

    def _memory(self, m: Module, name: str, control: Control, rows: stream.Interface, width: int) -> Value:
        """Bin or SB, filled from its stream; the row that was addressed one cycle ago."""
        memory = buffer_memory(self.tile, width)
        m.submodules[name] = memory
        push = getattr(control, f"{name}_push")
        m.d.comb += [
            rows.ready.eq(getattr(control, f"{name}_writable")),
            push.eq(rows.valid & rows.ready),
            memory.write_enable.eq(push),
            memory.write_row.eq(getattr(control, f"{name}_write_address")),
            memory.write_data.eq(rows.payload),
            memory.read_enable.eq(control.step if name == "bin" else control.step & control.uses_sb),
            memory.read_row.eq(getattr(control, f"{name}_address")),
        ]
        return memory.read_data


def _delayed(m: Module, token: Value, count: int, run: Value, keep: Value | int = 1) -> list[Value]:
    """The token 1, 2, ... `count` registers later; all of them move where `run` is high.

    It goes no further where `keep` is low as it enters the first one.
    """
    later = []
    for index in range(count):
        register = Signal(_TOKEN)
        with m.If(run):
            m.d.sync += register.eq(token)
            if index == 0:
                m.d.sync += register.valid.eq(token.valid & keep)
        later.append(register)
        token = register
    return later
