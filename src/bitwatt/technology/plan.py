"""A synthesis run as a plan of plain text with a digest.

Two plans with one digest give the same netlist, so the digest is the cache's key: it covers the RTL, the
library's text, the script and the tool's version, and nothing of where the files lie.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from bitwatt.errors import RequestError
from bitwatt.technology.liberty import Library
from bitwatt.technology.toolchain import yosys_version

_SOURCE_ATTRIBUTE = re.compile(r'^\s*attribute \\src "[^"\n]*"\n', re.MULTILINE)
_TOP_NAME = re.compile(r"[A-Za-z_]\w*")

# Flattening and Booth recoding: see `synth -help`. With a driving cell given, abc buffers nets of large
# fan-out and sizes gates for the clock; without one, transitions run far beyond the library's own limit. The
# JSON is written while ports are still vectors; then ports are split into bits, because the OpenSTA of
# Debian 12 does not read signed wires or concatenations.
SCRIPT = """\
read_rtlil design.rtlil
hierarchy -check -top {top}
synth -flatten -booth -top {top}
{clock_gating}dfflibmap -liberty cells.lib
write_file abc.constr <<EOT
set_driving_cell {inverter}
EOT
abc -liberty cells.lib -constr abc.constr -D {target_ps}
opt_clean -purge
tee -q -o stat.json stat -liberty cells.lib -json
rename -hide */w:* */c:*
rename -enumerate
write_json netlist.json
splitnets -ports -format _
opt_clean -purge
rename -enumerate
write_verilog -noattr -noexpr netlist.v
"""

TARGET_SHARE = 0.85
"""The share of the clock period that abc is given as the delay to reach.

abc knows neither a register's setup time nor a slow transition at an input, and its buffering and sizing stop
as soon as they think the target reached: given the whole period, blocks end up to 12 % past it. Leaving a
margin is the usual practice. lowRISC's Ibex, which takes the same tools to the same 250 MHz in the same
library, leaves abc half of the period ("with a lower uprate timing may not be met": `lr_synth_abc_clk_uprate`
in https://github.com/lowRISC/ibex/tree/master/syn). With 15 % every block closes that sizing
can close, at less area.
"""


@dataclass(frozen=True)
class SynthesisPlan:
    """Everything that decides a netlist: RTL, script, library and tool."""

    name: str
    top: str
    rtlil: str
    script: str
    library: Library
    tool: str

    @property
    def rtl_sha256(self) -> str:
        """Digest of the RTL alone, source locations left out."""
        return hashlib.sha256(self.rtlil.encode()).hexdigest()

    @property
    def script_sha256(self) -> str:
        """Digest of the script alone."""
        return hashlib.sha256(self.script.encode()).hexdigest()

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of RTL, script and library, and the tool's version."""
        parts = (self.rtl_sha256, self.script_sha256, self.library.sha256, self.tool)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def plan_synthesis(
    name: str, rtlil: str, top: str, library: Library, clock_hz: float, *, clock_gating: bool = False
) -> SynthesisPlan:
    """The plan that maps one block to a library for a clock.

    `rtlil` is yosys RTLIL text (Amaranth's `rtlil.convert`) that defines module `top`. With `clock_gating`,
    registers with an enable are clocked through the library's integrated clock gates.
    Raises `RequestError` for a top that the RTL does not define or a clock that is not positive, `ToolError`
    when pyosys is not installed.
    """
    if not _TOP_NAME.fullmatch(top):
        raise RequestError(f"block '{name}': the top module must be a plain identifier, got '{top}'")
    if f"module \\{top}\n" not in rtlil:
        raise RequestError(f"block '{name}': its RTL defines no module '{top}'")
    if not 0 < clock_hz < 1e12:
        raise RequestError(f"block '{name}': clock_hz must lie between 0 and 1e12, got {clock_hz}")
    gating = "clockgate -liberty cells.lib\n" if clock_gating else ""
    target_ps = round(TARGET_SHARE * 1e12 / clock_hz)
    script = SCRIPT.format(top=top, inverter=library.inverter, target_ps=target_ps, clock_gating=gating)
    return SynthesisPlan(
        name, top, without_source_locations(rtlil), script, library, f"pyosys {yosys_version()}"
    )


def without_source_locations(rtlil: str) -> str:
    """RTLIL without its `src` attributes, so that moving a line of Python changes no digest."""
    return _SOURCE_ATTRIBUTE.sub("", rtlil)
