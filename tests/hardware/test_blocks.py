"""Each block has RTL that does not depend on where it was made, and a stimulus that fits its ports."""

import hashlib
import re
import subprocess
import sys

import numpy as np
import pytest
from amaranth.hdl import Value

from bitwatt.errors import RequestError
from bitwatt.formats import PAPER, parse_precision
from bitwatt.hardware import stimulus
from bitwatt.hardware.blocks import blocks
from bitwatt.hardware.operands import ZERO_SHARE, Operands, at_best_scale, synthetic_operands
from bitwatt.hardware.rtl.accumulator import accumulator
from bitwatt.hardware.rtl.adder_tree import adder_tree
from bitwatt.hardware.rtl.buffers import BankSelect, FlipFlopMemory
from bitwatt.hardware.rtl.output_stage import output_stage
from bitwatt.hardware.rtl.weight_block import weight_block
from bitwatt.hardware.tile import Tile

PORT = re.compile(r"^  wire width (\d+) (input|output) \d+ +(?:signed )?\\(\w+)$", re.MULTILINE)
NAMES = [str(p) for p in PAPER]
SMALL = {"synapses": 4, "fan_in": 64, "rows": 4}


def top_ports(block):
    top = block.rtlil.split(f"module \\{block.top}\n")[1].split("\nmodule ")[0]
    return {name: (int(width), flow) for width, flow, name in PORT.findall(top)}


@pytest.mark.parametrize(
    "options, more",
    [
        ({}, {"bank_select"}),
        ({"buffers": "flops"}, {"buffer", "buffer_read", "buffer_write"}),
        ({"residual": True, "clip": True}, {"bank_select", "output_stage_residual"}),
    ],
    ids=["sram", "flops", "residual"],
)
@pytest.mark.parametrize("name", [*NAMES, "ternary", "e4m3"])
def test_kinds_ports_and_stimulus(name, options, more):
    found = blocks(Tile(name, **SMALL, **options))
    kinds = {
        "weight_block",
        "adder_tree",
        "accumulator",
        "output_stage",
        "output_stage_max",
        "output_stage_average",
    } | more
    assert set(found) == (kinds - {"weight_block"} if name == "binary" else kinds)
    for key, block in found.items():
        assert block.name == key
        ports = top_ports(block)
        assert ports.pop(block.clock) == (1, "input")
        inputs = {port: width for port, (width, flow) in ports.items() if flow == "input"}
        assert set(block.stimulus) == set(inputs)
        assert len({len(words) for words in block.stimulus.values()}) == 1
        for port, words in block.stimulus.items():
            assert all(0 <= int(word) < 2 ** inputs[port] for word in words)
        assert "\\src" not in block.rtlil
        assert block.warmup < len(block.stimulus["enable" if "enable" in inputs else "read_enable"]) / 2


def played(play_cycles, tile, found, kind):
    """What the output stage makes of a block's stimulus."""
    streams = {port: list(words) for port, words in found[kind].stimulus.items()}
    return play_cycles(output_stage(tile), streams, ["result"])["result"][found[kind].warmup :]


@pytest.mark.parametrize("name", ["fixed8", "fixed32", "float32"])
def test_residuals_and_bounds_show_in_what_the_stimulus_makes(play_cycles, name):
    tile = Tile(name, **SMALL, residual=True, clip=True)
    found = blocks(tile, synthetic_operands(tile.precision, 4, cycles=60))
    plain = played(play_cycles, tile, found, "output_stage")
    added = played(play_cycles, tile, found, "output_stage_residual")
    assert plain != added
    high = int(found["output_stage"].stimulus["high"][0])
    assert max(plain + added) == high, "some results end at the bound"


def test_banks_are_read_in_turn(play_cycles):
    streams = {port: list(words) for port, words in stimulus.bank_select(16, 20).items()}
    seen = play_cycles(BankSelect(16), streams, ["row"])["row"]
    assert len(set(seen)) == len(seen)
    banks = ("even_row", "odd_row")
    for cycle in range(1, 20):
        assert seen[cycle] == streams[banks[streams["odd"][cycle]]][cycle]
        # The bank that was asked a cycle ago has another row now, the other stands still.
        before = streams["odd"][cycle - 1]
        moved = [streams[bank][cycle] != streams[bank][cycle - 1] for bank in banks]
        assert moved == [before == 0, before == 1]


@pytest.mark.parametrize("name", NAMES)
def test_streams_are_what_each_block_makes_for_the_next(play_cycles, name):
    """Played through the RTL, block by block, the stimulus of each comes out of the one before."""
    tile = Tile(name, **SMALL)
    precision = tile.precision
    fed = synthetic_operands(precision, 4, cycles=60)
    found = blocks(tile, fed)

    def run(component, kind, output):
        streams = {port: list(words) for port, words in found[kind].stimulus.items()}
        return play_cycles(component, streams, [output])[output]

    if name != "binary":
        block = weight_block(precision)
        seen = run(block, "weight_block", "product")
        first = list(found["adder_tree"].stimulus["terms__0"])
        assert seen[block.latency - 1 :] == first[: len(first) - block.latency + 1]
    tree = adder_tree(precision, 4)
    seen, terms = run(tree, "adder_tree", "sum"), list(found["accumulator"].stimulus["term"])
    assert seen[tree.latency - 1 :] == terms[: len(terms) - tree.latency + 1]
    sums = run(accumulator(precision, 4, 64), "accumulator", "total")
    assert len(set(sums)) > 30
    results = run(output_stage(tile), "output_stage", "result")
    codes = precision.activations.decode(np.array(results))
    assert 0.1 < np.mean(codes == 0) < 0.9  # ReLU
    if name != "fixed4":
        assert np.max(codes) > 0.2 * (1.0 if precision.is_float else precision.activations.largest)


def test_rtl_is_the_same_in_another_process():
    code = (
        "import hashlib;"
        "from bitwatt.hardware.blocks import blocks; from bitwatt.hardware.tile import Tile;"
        "found = blocks(Tile('fixed4', synapses=4, fan_in=64, rows=4));"
        "print(hashlib.sha256(''.join(b.rtlil + str([(p, w.tolist()) for p, w in b.stimulus.items()])"
        " for b in found.values()).encode()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    found = blocks(Tile("fixed4", **SMALL))
    text = "".join(b.rtlil + str([(p, w.tolist()) for p, w in b.stimulus.items()]) for b in found.values())
    assert other.stdout.strip() == hashlib.sha256(text.encode()).hexdigest()


def test_the_rtl_changes_with_the_width():
    texts = [blocks(Tile(name, **SMALL))["weight_block"].rtlil for name in ("fixed4", "fixed5")]
    assert texts[0] != texts[1]


@pytest.mark.parametrize("name", ["fixed8", "fixed4", "pow2", "float32", "binary"])
def test_synthetic_operands(name):
    precision = parse_precision(name)
    fed = synthetic_operands(precision, 16)
    again = synthetic_operands(precision, 16)
    assert np.array_equal(fed.weights, again.weights)
    assert np.array_equal(fed.activations, again.activations)
    w, a = precision.weights.decode(fed.weights), precision.activations.decode(fed.activations)
    assert abs(np.mean(w)) < 0.05 * np.std(w)
    assert a.min() == 0
    zeros = np.mean(a == 0)
    assert ZERO_SHARE - 0.02 < zeros < ZERO_SHARE + (0.02 if precision.activations.bits > 8 else 0.15)
    if not precision.is_float and name != "binary":
        assert np.abs(w).max() > 0.4 * precision.weights.largest
        assert a.max() > 0.4 * precision.activations.largest


def test_least_squares_clips_rather_than_wastes_the_grid():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(4000)
    form = parse_precision("fixed4").weights
    codes = at_best_scale(form, values)
    assert np.mean(form.decode(codes) == form.largest) > 0.001


def test_what_is_refused():
    precision = parse_precision("fixed8")
    with pytest.raises(
        RequestError, match=r"^operands: needs 1 synapse and 32 cycles at least, got 0 and 512$"
    ):
        synthetic_operands(precision, 0)
    with pytest.raises(RequestError, match=r"^operands: weights and activations must both have shape"):
        Operands(np.zeros((3, 2), np.int64), np.zeros((2, 3), np.int64), "")
    with pytest.raises(RequestError, match=r"^operands are for 8 synapses, the block has 4$"):
        blocks(Tile("fixed8", synapses=4), synthetic_operands(precision, 8))


def test_ports_of_the_buffer_block_are_those_of_the_buffer():
    memory = FlipFlopMemory(4, 16)
    memory._MustUse__silence = True
    names = {"__".join(map(str, path)): len(Value.cast(v)) for path, _, v in memory.signature.flatten(memory)}
    ports = top_ports(blocks(Tile("fixed8", buffers="flops", **SMALL))["buffer"])
    assert {port: width for port, (width, _) in ports.items() if port != "clk"} == names
