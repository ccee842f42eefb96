"""A neuron of the tile: its weight blocks, its adder tree, its accumulator and its output stage."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from bitwatt.formats import Binary
from bitwatt.hardware.rtl.accumulator import accumulator
from bitwatt.hardware.rtl.adder_tree import adder_tree
from bitwatt.hardware.rtl.output_stage import output_stage
from bitwatt.hardware.rtl.placement import Place, inline
from bitwatt.hardware.rtl.weight_block import weight_block
from bitwatt.hardware.tile import Tile


class Neuron(wiring.Component):  # type: ignore[misc]
    """One neuron of a tile.

    inputs, weights: the rows that were read, code words. block_enable, tree_enable, accumulator_enable move
    the registers of a stage; load: the accumulator starts a sum. All other ports are the output stage's.
    """

    def __init__(self, tile: Tile, place: Place = inline) -> None:
        self.tile = tile
        self._place = place
        self._stage = output_stage(tile)
        precision, synapses = tile.precision, tile.synapses
        passed_on = dict(self._stage.signature.members)
        del passed_on["total"]
        self._passed_on = tuple(passed_on)
        super().__init__(
            {
                "inputs": In(data.ArrayLayout(precision.activations.bits, synapses)),
                "weights": In(data.ArrayLayout(precision.weights.bits, synapses)),
                "block_enable": In(1),
                "tree_enable": In(1),
                "accumulator_enable": In(1),
                "load": In(1),
                **passed_on,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        precision, synapses, fan_in = self.tile.precision, self.tile.synapses, self.tile.fan_in
        tree = self._place(m, "tree", "adder_tree", lambda: adder_tree(precision, synapses))
        total = self._place(m, "accumulator", "accumulator", lambda: accumulator(precision, synapses, fan_in))
        stage = self._place(m, "output", "output_stage", lambda: self._stage)
        for synapse in range(synapses):
            weight, activation = self.weights[synapse], self.inputs[synapse]
            if isinstance(precision.weights, Binary):  # its tree negates, and there is no block before it
                m.d.comb += [tree.weights[synapse].eq(weight), tree.activations[synapse].eq(activation)]
                continue
            block = self._place(m, f"block_{synapse}", "weight_block", lambda: weight_block(precision))
            m.d.comb += [
                block.weight.eq(weight),
                block.activation.eq(activation),
                block.enable.eq(self.block_enable),
                tree.terms[synapse].eq(block.product),
            ]
        m.d.comb += [
            tree.enable.eq(self.tree_enable),
            total.term.eq(tree.sum),
            total.load.eq(self.load),
            total.enable.eq(self.accumulator_enable),
            stage.total.eq(total.total),
            self.result.eq(stage.result),
        ]
        m.d.comb += [
            getattr(stage, port).eq(getattr(self, port)) for port in self._passed_on if port != "result"
        ]
        return m
