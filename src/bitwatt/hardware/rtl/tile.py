"""The whole tile: buffers, datapath, output queue and control, between plain streams.

    layers       descriptors, one a pass (LAYER_DESCRIPTOR)
    bin_rows     rows of `synapses` activations          -> Bin -+
    sb_rows      rows of `neurons` x `synapses` weights  -> SB  -+-> weight blocks -> trees -> accumulators
    parameters   biases and shifts of an output group    ---------------------------------> output stages
    reciprocals  one for each row of means               ---------------------------------> output stages
    out_rows     rows of `neurons` outputs               <- Bout <-------------------------- output stages

A descriptor is taken when the pass before has left. The pipeline moves as a whole: it stops while a row of
parameters that it needs has not come or Bout is full, and control stops by itself while Bin or SB is empty.
Weight n * synapses + s of a row belongs to neuron n and input s.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from bitwatt.formats import Binary, Precision
from bitwatt.hardware.pipeline import pipeline_stages
from bitwatt.hardware.pooling import Pooling
from bitwatt.hardware.rtl.accumulator import accumulator
from bitwatt.hardware.rtl.adder_tree import adder_tree
from bitwatt.hardware.rtl.average import reciprocal_bits
from bitwatt.hardware.rtl.buffers import FlipFlopMemory
from bitwatt.hardware.rtl.control import LOOP_DESCRIPTOR, Control
from bitwatt.hardware.rtl.fifo import OutputQueue
from bitwatt.hardware.rtl.output_stage import output_stage
from bitwatt.hardware.rtl.weight_block import weight_block
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.widths import FLOAT_BITS, accumulator_bits, shift_bits

SLICE_BITS = 5
"""Width of the counter of a wide output's slices: 32 bits in slices of at least one."""

LAYER_DESCRIPTOR = data.StructLayout(
    {
        "loops": LOOP_DESCRIPTOR,
        "from_buffer": 1,
        "relu": 1,
        "pooling": Pooling.bits(),
        "wide": 1,
        "slices": SLICE_BITS,
        "keep_parameters": 1,
    }
)
"""A pass. from_buffer: a pooling pass, which reads Bin alone. wide: logits, in `slices` rows (stored less
one) of a group. keep_parameters: a row of parameters serves a whole inner loop, else one visit."""

_TOKEN = data.StructLayout({"valid": 1, "first": 1, "last": 1, "opens": 1, "closes": 1, "pop": 1})
"""What goes along with the data: first, last: of a sum; opens, closes: a pooling window; pop: after it, the
row of parameters is done with."""


def parameter_layout(tile: Tile) -> data.StructLayout:
    """A row of parameters: a bias and a shift for each neuron (float32: no shift)."""
    if tile.precision.is_float:
        return data.StructLayout({"bias": data.ArrayLayout(FLOAT_BITS, tile.neurons)})
    bits = accumulator_bits(tile.precision, tile.fan_in)
    return data.StructLayout(
        {
            "bias": data.ArrayLayout(signed(bits), tile.neurons),
            "shift": data.ArrayLayout(signed(shift_bits(bits)), tile.neurons),
        }
    )


def reciprocal_width(precision: Precision) -> int:
    """Width of a reciprocal."""
    return FLOAT_BITS if precision.is_float else reciprocal_bits(precision.activations)


class TileRTL(wiring.Component):  # type: ignore[misc]
    """RTL of a `Tile`. bin_read, sb_read, bout_write, bout_read: a row is read or written in this cycle."""

    def __init__(self, tile: Tile) -> None:
        self.tile = tile
        weights, activations = tile.precision.weights.bits, tile.precision.activations.bits
        super().__init__({
            "layers": In(stream.Signature(LAYER_DESCRIPTOR)),
            "bin_rows": In(stream.Signature(data.ArrayLayout(activations, tile.synapses))),
            "sb_rows": In(stream.Signature(data.ArrayLayout(weights, tile.neurons * tile.synapses))),
            "parameters": In(stream.Signature(parameter_layout(tile))),
            "reciprocals": In(stream.Signature(reciprocal_width(tile.precision))),
            "out_rows": Out(stream.Signature(data.ArrayLayout(activations, tile.neurons))),
            "bin_read": Out(1),
            "sb_read": Out(1),
            "bout_write": Out(1),
            "bout_read": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tile = self.tile
        stages = pipeline_stages(tile.precision, tile.synapses)
        m.submodules.control = control = Control(tile.rows)
        m.submodules.bout = bout = OutputQueue(tile.rows, tile.bout_bits)
        run, pause = Signal(), Signal(SLICE_BITS)
        layer = Signal(LAYER_DESCRIPTOR)
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
        to_total = sum(stages[name] for name in ("buffer_read", "weight_block", "adder_tree", "accumulator"))
        path = [issued, *_delayed(m, issued, to_total, run)]
        inputs = self._memory(m, "bin", control, self.bin_rows, tile.bin_bits)
        weights = self._memory(m, "sb", control, self.sb_rows, tile.sb_bits)
        totals = self._sums(m, path, inputs, weights, layer.from_buffer, run, stages)

        # The output stage takes a sum when it is complete; in a pooling pass, each row that Bin gives.
        summed, read = path[-1], path[1]
        slice_, repeating, popping = Signal(SLICE_BITS), Signal(), Signal()
        entering = Signal(_TOKEN)
        last_slice = ~layer.wide | (slice_ == layer.slices)
        m.d.comb += [
            entering.eq(Mux(layer.from_buffer, read, summed)),
            entering.valid.eq(Mux(layer.from_buffer, read.valid, (summed.valid & summed.last) | repeating)),
            entering.pop.eq(~layer.from_buffer & last_slice & Mux(repeating, popping, summed.pop)),
        ]
        with m.If(run & entering.valid & layer.wide):
            m.d.sync += [slice_.eq(Mux(last_slice, 0, slice_ + 1)), repeating.eq(~last_slice)]
            with m.If(~repeating):
                m.d.sync += popping.eq(summed.pop)
        # Once the last row of a wide sum is read, no other follows until all its slices could leave.
        with m.If(control.step & control.last & layer.wide):
            m.d.sync += pause.eq(layer.slices)
        with m.Elif(run & (pause != 0)):
            m.d.sync += pause.eq(pause - 1)

        leaving = [entering, *_delayed(m, entering, 1 + stages["average_pool"], run)]
        means = (layer.pooling == Pooling.AVERAGE) & leaving[2].valid & leaving[2].closes
        bout_row = self._outputs(m, entering, leaving, inputs, totals, layer, slice_, means, run)
        written = Signal()
        with m.Switch(layer.pooling):
            for pooling, behind in ((Pooling.MAX, 2), (Pooling.AVERAGE, 1 + stages["average_pool"])):
                with m.Case(pooling):
                    m.d.comb += written.eq(leaving[behind].valid & leaving[behind].closes)
            with m.Default():
                m.d.comb += written.eq(leaving[1].valid)

        starved = (entering.valid & ~layer.from_buffer & ~self.parameters.valid) | (means & ~self.reciprocals.valid)
        in_flight = reduce(or_, (token.valid for token in [*path[1:], *leaving[1:]]), repeating)
        m.d.comb += [
            run.eq(~starved & ~(written & ~bout.writable)),
            control.stall.eq(~run | (pause != 0)),
            control.descriptor.eq(self.layers.payload.loops),
            self.layers.ready.eq(~control.busy & ~in_flight & bout.empty),
            control.start.eq(self.layers.valid & self.layers.ready),
            self.parameters.ready.eq(run & entering.valid & entering.pop),
            self.reciprocals.ready.eq(run & means),
            bout.write.eq(run & written),
            bout.row.eq(bout_row),
            self.out_rows.valid.eq(bout.rows_out.valid),
            self.out_rows.payload.eq(bout.rows_out.payload),
            bout.rows_out.ready.eq(self.out_rows.ready),
            self.bin_read.eq(control.step),
            self.sb_read.eq(control.step & ~layer.from_buffer),
            self.bout_write.eq(bout.write),
            self.bout_read.eq(bout.read),
        ]
        return m

    def _memory(
        self, m: Module, name: str, control: Control, rows: stream.Interface, width: int
    ) -> Value:
        """Bin or SB, filled from its stream; the row that was addressed one cycle ago."""
        memory = FlipFlopMemory(self.tile.rows, width)
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

    def _sums(
        self,
        m: Module,
        path: list[Value],
        inputs: Value,
        weights: Value,
        from_buffer: Value,
        run: Value,
        stages: dict[str, int],
    ) -> list[Value]:
        """Weight blocks, adder trees and accumulators: the total of each neuron. Idle stages stand still."""
        tile, precision = self.tile, self.tile.precision
        activation_bits, weight_bits = precision.activations.bits, precision.weights.bits

        def enable(first: int, length: int) -> Value:
            moving = reduce(or_, (token.valid for token in path[first : first + length]))
            return run & moving & ~from_buffer

        after_read = 1
        after_blocks = after_read + stages["weight_block"]
        after_tree = after_blocks + stages["adder_tree"]
        totals = []
        for neuron in range(tile.neurons):
            tree = adder_tree(precision, tile.synapses)
            total = accumulator(precision, tile.synapses, tile.fan_in)
            m.submodules[f"tree_{neuron}"] = tree
            m.submodules[f"accumulator_{neuron}"] = total
            for synapse in range(tile.synapses):
                weight = weights.word_select(neuron * tile.synapses + synapse, weight_bits)
                activation = inputs.word_select(synapse, activation_bits)
                if isinstance(precision.weights, Binary):
                    m.d.comb += [tree.weights[synapse].eq(weight), tree.activations[synapse].eq(activation)]
                    continue
                block = weight_block(precision)
                m.submodules[f"block_{neuron}_{synapse}"] = block
                m.d.comb += [
                    block.weight.eq(weight),
                    block.activation.eq(activation),
                    block.enable.eq(enable(after_read, stages["weight_block"])),
                    tree.terms[synapse].eq(block.product),
                ]
            m.d.comb += [
                tree.enable.eq(enable(after_blocks, stages["adder_tree"])),
                total.term.eq(tree.sum),
                total.load.eq(path[after_tree].first),
                total.enable.eq(enable(after_tree, 1)),
            ]
            totals.append(total.total)
        return totals

    def _outputs(
        self,
        m: Module,
        entering: Value,
        leaving: list[Value],
        inputs: Value,
        totals: list[Value],
        layer: Value,
        slice_: Value,
        means: Value,
        run: Value,
    ) -> Value:
        """The output stages; the row that they leave for Bout."""
        tile, precision = self.tile, self.tile.precision
        pools = layer.pooling != Pooling.NONE
        dividing = means | leaving[3].valid if precision.is_float else means
        results = []
        for neuron, total in enumerate(totals):
            m.submodules[f"output_{neuron}"] = stage = output_stage(precision, tile.fan_in)
            if neuron < tile.synapses:
                m.d.comb += stage.activation.eq(inputs.word_select(neuron, precision.activations.bits))
            m.d.comb += [
                stage.total.eq(total),
                stage.bias.eq(self.parameters.payload.bias[neuron]),
                stage.from_buffer.eq(layer.from_buffer),
                stage.relu.eq(layer.relu),
                stage.enable.eq(run & entering.valid),
                stage.pooling.eq(layer.pooling),
                stage.pool_first.eq(leaving[1].opens),
                stage.pool_enable.eq(run & leaving[1].valid & pools),
                stage.reciprocal.eq(self.reciprocals.payload),
                stage.divide_enable.eq(run & dividing),
            ]
            if not precision.is_float:
                m.d.comb += [
                    stage.shift.eq(self.parameters.payload.shift[neuron]),
                    stage.wide.eq(layer.wide),
                    stage.slice.eq(slice_),
                ]
            results.append(stage.result)
        row = Signal(tile.bout_bits)
        for neuron, result in enumerate(results):
            m.d.comb += row.word_select(neuron, precision.activations.bits).eq(result)
        return row


def _delayed(m: Module, token: Value, count: int, run: Value) -> list[Value]:
    """The token 1, 2, ... `count` registers later; all of them move where `run` is high."""
    later = []
    for _ in range(count):
        register = Signal(_TOKEN)
        with m.If(run):
            m.d.sync += register.eq(token)
        later.append(register)
        token = register
    return later
