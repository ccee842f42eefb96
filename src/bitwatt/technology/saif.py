"""The activity of a netlist as SAIF, the format that power tools read (IEEE 1801, annex "SAIF").

Written for the netlist's own Verilog (`Synthesis.verilog`): under the module every net by its name there, and
under each cell its pins, which is where OpenSTA's `read_saif` looks for them. Counts are of settled values,
once a cycle: glitches are not in them (`glitches.py` has those).
"""

from __future__ import annotations

import re
from pathlib import Path

from bitwatt.errors import DataError
from bitwatt.technology.activity import Activity
from bitwatt.technology.netlist import Netlist

POWER_SCRIPT = Path(__file__).with_name("power.tcl")
"""Has OpenSTA report the power of a netlist with a SAIF file of ours."""

_CELL = re.compile(r"^ *(\w+) (\w+) \(\n(.*?)\n *\);", re.MULTILINE | re.DOTALL)
_PIN = re.compile(r"\.(\w+)\((\w+)\)")
_PICOSECONDS = 1e12


def saif(activity: Activity, verilog: str, clock_hz: float) -> str:
    """The SAIF text of what every net and pin did, at a clock of `clock_hz`.

    The scope is the module: `read_saif -scope MODULE`. The duration is that of the measured cycles, in ps;
    the clock is up for half of each cycle in which it is not gated off. The same activity gives the same
    text: there is no date in it. Raises `DataError` where `verilog` is not the netlist's.
    """
    netlist = activity.netlist
    names = net_names(netlist, verilog)
    period = round(_PICOSECONDS / clock_hz)
    lines = [
        "(SAIFILE",
        '  (SAIFVERSION "2.0")',
        '  (DIRECTION "backward")',
        f'  (DESIGN "{netlist.name}")',
        '  (PROGRAM_NAME "bitwatt")',
        "  (DIVIDER /)",
        "  (TIMESCALE 1 ps)",
        f"  (DURATION {activity.transitions * period})",
        f"  (INSTANCE {netlist.name}",
        "    (NET",
        *(f"      ({name} {_durations(activity, net, period)})" for name, net in names.items()),
        "    )",
    ]
    for instance in netlist.instances:
        lines += [f"    (INSTANCE {instance.name}", "      (NET"]
        lines += [
            f"        ({pin} {_durations(activity, net, period)})" for pin, net in instance.nets.items()
        ]
        lines += ["      )", "    )"]
    return "\n".join([*lines, "  )", ")"]) + "\n"


def net_names(netlist: Netlist, verilog: str) -> dict[str, int]:
    """The number of each net by the name it has in the netlist's Verilog; nets without a name are left out.

    Raises `DataError` where the two do not describe the same cells.
    """
    other = f"the Verilog given for block '{netlist.name}' is of another netlist"
    cells = {name: (kind, dict(_PIN.findall(pins))) for kind, name, pins in _CELL.findall(verilog)}
    if set(cells) != {instance.name for instance in netlist.instances}:
        raise DataError(f"{other}: its cells differ")
    names = {
        (f"{port.name}_{position}" if len(port.nets) > 1 else port.name): net
        for port in netlist.ports.values()
        for position, net in enumerate(port.nets)
    }
    for instance in netlist.instances:
        kind, pins = cells[instance.name]
        for pin, name in pins.items():
            net = instance.nets.get(pin)
            if kind != instance.cell.name or net is None or names.setdefault(name, net) != net:
                raise DataError(f"{other}: {instance.name} differs")
    return names


def _durations(activity: Activity, net: int, period: int) -> str:
    """Time at 0 and 1, and the number of changes. Constants and all else that never moves have them too."""
    whole = activity.transitions * period
    if net in activity.netlist.clock_nets:
        pulses = activity.settled[net].bit_count()
        high, changes = pulses * period // 2, 2 * pulses
    else:
        high, changes = activity.settled[net].bit_count() * period, activity.changed[net].bit_count()
    return f"(T0 {whole - high}) (T1 {high}) (TX 0) (TC {changes}) (IG 0)"
