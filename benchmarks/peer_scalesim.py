"""SCALE-Sim on the layers that standard input holds: its version, and seconds a design point, as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from scalesim.scale_sim import scalesim

CONFIG = """\
[general]
run_name = layers

[architecture_presets]
ArrayHeight = 16
ArrayWidth = 16
IfmapSramSzkB = 64
FilterSramSzkB = 64
OfmapSramSzkB = 64
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Bandwidth = 10
Dataflow = ws
MemoryBanks = 1
ReadRequestBuffer = 32
WriteRequestBuffer = 32

[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2

[sparsity]
SparsitySupport = false
SparseRep = ellpack_block
OptimizedMapping = false
BlockSize = 8
RandomNumberGeneratorSeed = 40

[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""

HEADER = "Layer, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


def main() -> None:
    layers = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(name)
        (folder / "config.cfg").write_text(CONFIG)
        rows = [
            f"{one['name']}, {one['out_height'] + one['kernel'] - 1}, "
            f"{one['out_width'] + one['kernel'] - 1}, {one['kernel']}, {one['kernel']}, {one['inputs']}, "
            f"{one['outputs']}, 1,\n"
            for one in layers
        ]
        (folder / "topology.csv").write_text(HEADER + "".join(rows))
        # Not used where custom layouts are off, but read all the same.
        plain = "".join(one["name"] + ", 1" * 20 + ",\n" for one in layers)
        (folder / "layout.csv").write_text("Layer" + ", Factor" * 20 + ",\n" + plain)
        begun = time.process_time()
        run = scalesim(
            save_disk_space=True,
            verbose=False,
            config=str(folder / "config.cfg"),
            topology=str(folder / "topology.csv"),
            layout=str(folder / "layout.csv"),
        )
        run.run_scale(top_path=str(folder))
        seconds = time.process_time() - begun
    print(json.dumps({"seconds": seconds, "version": version("scalesim")}))


if __name__ == "__main__":
    main()
