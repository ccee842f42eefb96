"""OpenSTA beside our own figures: the same netlist, the same activity of every pin, its power of each cell.

Needs the program `sta` (Debian package `opensta`). What was found about the version of Debian 12 (2.0.17,
November 2019), which the tests hold against its numbers cell by cell:

- `set_power_activity -pins` skips output pins, which then keep 0.1 changes a cycle (OpenSTA issue 108). The
  command beneath it, `sta::set_power_pin_activity`, takes any pin and is used here.
- Whatever activity its pins are given, logic that is reached from an input port without a register between is
  given what the tool itself propagates from there. So the netlist it gets for power has a flip-flop behind
  each input, whose own power is left out.
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
    timing = _run(netlist, verilog, _timing_script(netlist, clock_hz))
    slack = _SLACK.search(timing)
    if slack is None:
        raise _failed(netlist, timing)
    registered = with_registered_inputs(netlist, verilog)
    output = _run(netlist, registered, _power_script(netlist, activity, clock_hz))
    cells = {m[4]: CellPower(float(m[1]), float(m[2]), float(m[3])) for m in _REPORT.finditer(output)}
    if len(cells) != len(netlist.instances) or "Error" in output:
        raise _failed(netlist, output)
    return OpenStaReport(cells, float(slack[1]) * netlist.library.time_s)


def with_registered_inputs(netlist: Netlist, verilog: str) -> str:
    """The netlist's Verilog with a flip-flop `_input_N_` behind each input bit but the clock."""
    cell, data, clock, output = _plain_flip_flop(netlist)
    bits = _input_bits(netlist)
    start = verilog.index(f"module {netlist.name}(")
    end = verilog.index(");", start)
    ports = [name.strip() for name in verilog[start:end].partition("(")[2].split(",")]
    header = ", ".join(f"{name}__port" if name in bits else name for name in ports)
    body = re.sub(
        r"^ *input (\S+);$",
        lambda line: f"  input {line[1]}__port;" if line[1] in bits else line[0],
        verilog[end + 2 :],
        flags=re.MULTILINE,
    )
    registers = "".join(
        f"  {cell} _input_{number}_ (.{data}({bit}__port), .{clock}({netlist.clock}), .{output}({bit}));\n"
        for number, bit in enumerate(bits)
    )
    return f"module {netlist.name}({header});{body.rpartition('endmodule')[0]}{registers}endmodule\n"


def _input_bits(netlist: Netlist) -> dict[str, int]:
    """The net of each input bit but the clock, by its name in the Verilog."""
    return {
        (f"{port.name}_{position}" if len(port.nets) > 1 else port.name): net
        for port in netlist.ports.values()
        if port.direction == "input" and port.name != netlist.clock
        for position, net in enumerate(port.nets)
    }


def _plain_flip_flop(netlist: Netlist) -> tuple[str, str, str, str]:
    """A flip-flop without set, reset or enable: its name, and its pins of data, clock and state."""
    for name in [instance.cell.name for instance in netlist.instances] + list(netlist.library.cell_names):
        cell = netlist.library.cell(name)
        register = cell.flip_flop
        if register is None or register.clear is not None or register.preset is not None:
            continue
        data, clock = register.next_state.single_pin(), register.clocked_on.single_pin()
        outputs = [p.name for p in cell.outputs if p.function and p.function.single_pin() == register.state]
        if data in cell.pins and clock is not None and outputs:
            return name, str(data), clock, outputs[0]
    raise ToolError(f"{netlist.library.name} has no flip-flop without set and reset to put behind inputs")


def _run(netlist: Netlist, verilog: str, script: str) -> str:
    program = opensta_path()
    with tempfile.TemporaryDirectory(prefix="bitwatt-opensta-") as name:
        folder = Path(name)
        (folder / "cells.lib").write_text(netlist.library.text)
        (folder / "netlist.v").write_text(verilog)
        (folder / "run.tcl").write_text(script)
        done = subprocess.run(
            [program, "-no_splash", "-exit", "run.tcl"],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    output = done.stdout + done.stderr
    if done.returncode != 0:
        raise _failed(netlist, output)
    return output


def _failed(netlist: Netlist, output: str) -> ToolError:
    last = "\n".join(output.splitlines()[-12:])
    return ToolError(f"OpenSTA failed on block '{netlist.name}'; its last lines:\n{last}")


def activity_commands(activity: Activity) -> str:
    """The activity of every pin and input port as OpenSTA commands, one a line.

    For the netlist `with_registered_inputs`.
    """
    netlist = activity.netlist
    _, data, _, output = _plain_flip_flop(netlist)
    lines = []
    for number, (bit, net) in enumerate(_input_bits(netlist).items()):
        figures = _figures(activity, net)
        lines.append(f"sta::set_power_input_port_activity [get_ports {bit}__port] {figures}")
        for pin in (data, output):
            lines.append(f"sta::set_power_pin_activity [get_pins _input_{number}_/{pin}] {figures}")
    for instance in netlist.instances:
        for pin, net in instance.nets.items():
            if net > 1 and net not in netlist.clock_nets:
                where = f"[get_pins {instance.name}/{pin}]"
                lines.append(f"sta::set_power_pin_activity {where} {_figures(activity, net)}")
    return "\n".join(lines) + "\n"


def _figures(activity: Activity, net: int) -> str:
    return f"{activity.toggles_per_cycle(net):.9g} {activity.share_of_ones(net):.9g}"


def _timing_script(netlist: Netlist, clock_hz: float) -> str:
    inputs = [p.name for p in netlist.ports.values() if p.direction == "input" and p.name != netlist.clock]
    delays = "".join(f"set_input_delay 0 -clock clock [get_ports {name}*]\n" for name in inputs)
    return (
        f"{_read(netlist, clock_hz)}{delays}set_output_delay 0 -clock clock [all_outputs]\n"
        "report_checks -path_delay max -digits 6\nexit\n"
    )


def _power_script(netlist: Netlist, activity: Activity, clock_hz: float) -> str:
    reports = "".join(f"report_power -instance [get_cells {i.name}] -digits 6\n" for i in netlist.instances)
    return f"{_read(netlist, clock_hz)}{activity_commands(activity)}{reports}exit\n"


def _read(netlist: Netlist, clock_hz: float) -> str:
    period = 1.0 / clock_hz / netlist.library.time_s
    return (
        f"read_liberty cells.lib\nread_verilog netlist.v\nlink_design {netlist.name}\n"
        f"create_clock -name clock -period {period:.9g} {netlist.clock}\n"
    )
