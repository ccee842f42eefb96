"""A report loads neither torch nor amaranth, and draws with matplotlib only where a file is asked for."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "amaranth", "optuna", "scipy", "matplotlib", "plotly")


@pytest.mark.parametrize(
    "names", ["read_results, facts", "console_table, summary", "render_page, write_page"]
)
def test_loads_nothing_heavy(names: str) -> None:
    code = f"import sys; from bitwatt.report import {names}; print(*sorted(set(sys.modules) & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_the_package_offers_is_there() -> None:
    import bitwatt.report

    for name in bitwatt.report.__all__:
        assert getattr(bitwatt.report, name).__module__.startswith("bitwatt.report.")
    with pytest.raises(AttributeError, match=r"module 'bitwatt\.report' has no attribute 'nothing'"):
        bitwatt.report.nothing  # noqa: B018
