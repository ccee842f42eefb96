"""What a kept model depends on."""

import subprocess
import sys
from pathlib import Path

from bitwatt.hardware.verilator import DRIVER, sources


def test_every_module_that_the_rtl_is_made_of_decides_its_digest():
    """What importing the RTL loads of bitwatt, but for errors, which make no logic."""
    run = (
        "import sys, bitwatt.hardware.rtl.verilog as _\n"
        "print(*(module.__file__ for name, module in sys.modules.items() if name.startswith('bitwatt.')))"
    )
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    loaded = {Path(name) for name in done.stdout.split()}
    kept = set(sources())
    assert DRIVER in kept
    assert all(path.is_file() for path in kept)
    assert {path.name for path in loaded - kept} <= {"errors.py", "__init__.py"}
