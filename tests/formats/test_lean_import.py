"""The number formats, and their conformance suite, load no heavy library."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "amaranth", "optuna", "scipy", "matplotlib", "plotly", "pytest", "hypothesis")


@pytest.mark.parametrize(
    "module", ["bitwatt.formats", "bitwatt.formats.table", "bitwatt.testing.format_suite"]
)
def test_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
