"""OpenSTA beside our own figures: the same netlist, the same activity of every pin, its power of each cell.

Needs the program `sta` (Debian package `opensta`). What was found about the version of Debian 12 (2.0.17,
November 2019), which the tests hold against its numbers cell by cell:

- `set_power_activity -pins` skips output pins, which then keep 0.1 changes a cycle (OpenSTA issue 108). The
  command beneath it, `sta::set_power_pin_activity`, takes any pin and is used here.
- For each transition of an output it adds the rise *and* the fall energy, of *all* arcs that could cause it,
  where liberty means one of the two and one arc. Versions from 2020 on average the edges and share the
  transition between the arcs, as `power.py` does. So 2.0.17 reports two to four times the internal energy.
- Pins of a cell count as independent, so a condition on both outputs of a flip-flop, which are opposites,
  gets half of its share (in later versions too); ours are counted.
- Leakage states count as equally likely; ours are weighted by how long they last.
- Loads count at the larger of the rise and fall capacitance; ours at each edge's own.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bitwatt.errors import ToolError
from bitwatt.technology.activity import Activity
from bitwatt.technology.netlist import Netlist
from bitwatt.technology.toolchain import opensta_path

_REPORT = re.compile(r"^\s*(\S+)\s+(\S+)\s+(\S+)\s+\S+\s+(_\w+_)\s*$", re.MULTILINE)
_SLACK = re.compile(r"^\s*(-?[\d.]+)\s+slack", re.MULTILINE)


@dataclass(frozen=True)
class CellPower:
    """OpenSTA's power of one cell, in watts."""

    internal_w: float
    switching_w: float
    leakage_w: float


@dataclass(frozen=True)
class OpenStaReport:
    """Power by instance name, and the slack of the longest path to a register or output."""

    cells: dict[str, CellPower]
    slack_s: float


def run_opensta(netlist: Netlist, verilog: str, activity: Activity, clock_hz: float) -> OpenStaReport:
    """Have OpenSTA analyse a netlist with the activity that was measured on it.

    `verilog` is the netlist's own (`Synthesis.verilog`). Raises `ToolError` when `sta` is missing or fails.
    """
    program = opensta_path()
    with tempfile.TemporaryDirectory(prefix="bitwatt-opensta-") as name:
        folder = Path(name)
        (folder / "cells.lib").write_text(netlist.library.text)
        (folder / "netlist.v").write_text(verilog)
        (folder / "run.tcl").write_text(_script(netlist, activity, clock_hz))
        done = subprocess.run(
            [program, "-no_splash", "-exit", "run.tcl"],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    output = done.stdout + done.stderr
    cells = {m[4]: CellPower(float(m[1]), float(m[2]), float(m[3])) for m in _REPORT.finditer(output)}
    slack = _SLACK.search(output)
    if done.returncode != 0 or slack is None or len(cells) != len(netlist.instances):
        last = "\n".join(output.splitlines()[-12:])
        raise ToolError(f"OpenSTA failed on block '{netlist.name}'; its last lines:\n{last}")
    return OpenStaReport(cells, float(slack[1]) * netlist.library.time_s)


def activity_commands(activity: Activity) -> str:
    """The activity of every pin and input port as OpenSTA commands, one a line."""
    netlist = activity.netlist
    lines = []
    for port in netlist.ports.values():
        if port.direction == "input" and port.name != netlist.clock:
            for position, net in enumerate(port.nets):
                bit = f"{port.name}_{position}" if len(port.nets) > 1 else port.name
                lines.append(
                    f"sta::set_power_input_port_activity [get_ports {bit}] {_figures(activity, net)}"
                )
    for instance in netlist.instances:
        for pin, net in instance.nets.items():
            if net > 1 and net not in netlist.clock_nets:
                where = f"[get_pins {instance.name}/{pin}]"
                lines.append(f"sta::set_power_pin_activity {where} {_figures(activity, net)}")
    return "\n".join(lines) + "\n"


def _figures(activity: Activity, net: int) -> str:
    return f"{activity.toggles_per_cycle(net):.9g} {activity.share_of_ones(net):.9g}"


def _script(netlist: Netlist, activity: Activity, clock_hz: float) -> str:
    period = 1.0 / clock_hz / netlist.library.time_s
    clock = f"create_clock -name clock -period {period:.9g} {netlist.clock}"
    inputs = [p.name for p in netlist.ports.values() if p.direction == "input" and p.name != netlist.clock]
    delays = "".join(f"set_input_delay 0 -clock clock [get_ports {name}*]\n" for name in inputs)
    reports = "".join(f"report_power -instance [get_cells {i.name}] -digits 6\n" for i in netlist.instances)
    return (
        f"read_liberty cells.lib\nread_verilog netlist.v\nlink_design {netlist.name}\n{clock}\n{delays}"
        "set_output_delay 0 -clock clock [all_outputs]\n"
        f"{activity_commands(activity)}report_checks -path_delay max -digits 6\n{reports}exit\n"
    )
