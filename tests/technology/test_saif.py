"""Activity as SAIF: the counts themselves, the names of the netlist's Verilog, and a tool that reads it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from bitwatt.errors import DataError
from bitwatt.technology.opensta import run_opensta
from bitwatt.technology.power import block_power
from bitwatt.technology.saif import POWER_SCRIPT, net_names, saif
from bitwatt.technology.toolchain import liberty_path, opensta_path

pytestmark = pytest.mark.eda
CLOCK_HZ = 250e6
PERIOD_PS = 4000


@pytest.fixture(scope="module")
def text(multiplier) -> str:
    return saif(multiplier.activity, multiplier.synthesis.verilog, CLOCK_HZ)


def parsed(text: str) -> list:
    """A SAIF file is a nested list."""
    tokens = re.findall(r'[()]|"[^"]*"|[^\s()]+', text)

    def group() -> list:
        found = []
        while (token := tokens.pop(0)) != ")":
            found.append(group() if token == "(" else token)
        return found

    assert tokens.pop(0) == "("
    tree = group()
    assert not tokens
    return tree


def entries(nets: list) -> dict[str, dict[str, int]]:
    assert nets[0] == "NET"
    return {name: {key: int(value) for key, value in figures} for name, *figures in nets[1:]}


def test_every_net_of_the_verilog_and_every_pin_has_its_counts(multiplier, text) -> None:
    name, *header, (_, top, nets, *cells) = parsed(text)
    activity, verilog = multiplier.activity, multiplier.synthesis.verilog
    assert (name, top) == ("SAIFILE", "multiplier")
    assert ["DURATION", str(activity.transitions * PERIOD_PS)] in header
    assert ["TIMESCALE", "1", "ps"] in header
    numbers = net_names(multiplier.netlist, verilog)
    counted = entries(nets)
    assert set(counted) == set(re.findall(r"^  wire (\w+);", verilog, re.MULTILINE))
    for net, figures in counted.items():
        assert figures["T0"] + figures["T1"] == activity.transitions * PERIOD_PS
        assert figures["TC"] / activity.transitions == activity.toggles_per_cycle(numbers[net])
        share = figures["T1"] / PERIOD_PS / activity.transitions
        assert share == pytest.approx(activity.share_of_ones(numbers[net]))
    assert counted["clk"]["TC"] == 2 * activity.transitions
    pins = {cell: entries(rest) for _, cell, rest in cells}
    assert set(pins) == {instance.name for instance in multiplier.netlist.instances}
    for instance in multiplier.netlist.instances:
        for pin, net in instance.nets.items():
            names = [known for known, number in numbers.items() if number == net]
            assert all(pins[instance.name][pin] == counted[known] for known in names)


def test_product_bits_are_those_of_the_operands(multiplier, text) -> None:
    """Against numpy's products, which are registered behind the registers of the operands."""
    *_, (_, _, nets, *_) = parsed(text)
    products = (multiplier.operands["a"] * multiplier.operands["b"])[:-2]
    seen = [0, 0, *products]
    changes = sum((before ^ after) & 1 for before, after in pairwise(seen))
    assert entries(nets)["p_0"]["TC"] == changes


def test_another_netlist_is_refused(multiplier) -> None:
    verilog = multiplier.synthesis.verilog
    first = multiplier.netlist.instances[0]
    with pytest.raises(DataError) as caught:
        saif(multiplier.activity, verilog.replace(f" {first.name} (", " _other_ ("), CLOCK_HZ)
    assert str(caught.value) == (
        "the Verilog given for block 'multiplier' is of another netlist: its cells differ"
    )
    kind = replace(first, cell=multiplier.netlist.library.cell("XOR2_X1"))
    assert kind.cell != first.cell
    changed = verilog.replace(f"  {first.cell.name} {first.name} (", f"  XOR2_X1 {first.name} (")
    with pytest.raises(DataError) as caught:
        saif(multiplier.activity, changed, CLOCK_HZ)
    assert str(caught.value) == (
        f"the Verilog given for block 'multiplier' is of another netlist: {first.name} differs"
    )


def test_opensta_reads_netlist_and_activity(opensta, multiplier, text, tmp_path: Path) -> None:
    """By the script that is handed out; the power is that of the activity set pin by pin on this netlist."""
    (tmp_path / "multiplier.v").write_text(multiplier.synthesis.verilog)
    (tmp_path / "random.saif").write_text(text)
    (tmp_path / "power.tcl").write_text(POWER_SCRIPT.read_text())
    environment = {
        "NETLIST": "multiplier",
        "ACTIVITY": "random.saif",
        "LIBERTY": str(liberty_path("nangate45")),
        "PERIOD": "4",
    }
    done = subprocess.run(
        [opensta_path(), "-no_splash", "-exit", "power.tcl"], cwd=tmp_path,
        capture_output=True, text=True, env=environment, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Error" not in done.stdout + done.stderr
    total = re.search(r"^Total +(\S+) +(\S+) +(\S+) +(\S+)", done.stdout, re.MULTILINE)
    assert total is not None, done.stdout
    internal, switching, leakage, _ = map(float, total.groups())
    one_by_one = run_opensta(
        multiplier.netlist, multiplier.synthesis.verilog, multiplier.activity, CLOCK_HZ
    ).cells.values()
    assert switching == pytest.approx(sum(cell.switching_w for cell in one_by_one), rel=1e-4)
    # There the inputs come from flip-flops, with their transition times.
    assert internal == pytest.approx(sum(cell.internal_w for cell in one_by_one), rel=1e-3)
    ours = block_power(multiplier.activity, multiplier.timing)
    # At the larger of a net's two loads, where ours takes each edge's own (test_opensta.py, cell by cell).
    assert switching == pytest.approx(CLOCK_HZ * sum(c.switching_j for c in ours.instances), rel=0.05)
    assert leakage == pytest.approx(ours.leakage_w, rel=0.03)
