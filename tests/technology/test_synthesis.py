import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bitwatt.errors import ToolError
from bitwatt.technology import synthesis as synthesis_module
from bitwatt.technology.cache import load_entry
from bitwatt.technology.netlist import read_netlist
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.synthesis import synthesize, synthesize_all

pytestmark = pytest.mark.eda


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BITWATT_CACHE", str(tmp_path))
    return tmp_path


def test_area_is_what_yosys_counts(multiplier):
    """And, but for buffers, what an independent run without them gave: 313 cells, 475 um2."""
    assert multiplier.netlist.area_um2 == pytest.approx(multiplier.synthesis.yosys_area_um2)
    assert multiplier.netlist.area_um2 == pytest.approx(475, rel=0.03)
    assert len(multiplier.netlist.instances) == pytest.approx(313, rel=0.03)


def test_a_second_run_comes_from_the_cache(multiplier, nangate45, rtl, monkeypatch):
    def run(*_args, **_options):
        raise RuntimeError("synthesis ran again")

    monkeypatch.setattr(subprocess, "Popen", run)
    plan = plan_synthesis("multiplier", rtl("multiplier"), "multiplier", nangate45, 250e6)
    assert synthesize(plan) == multiplier.synthesis


def test_several_plans_in_their_order_and_equal_ones_once(nangate45, rtl, fresh_cache, monkeypatch):
    runs = []
    run = synthesis_module._run
    monkeypatch.setattr(
        synthesis_module, "_run", lambda plan, limit: runs.append(plan.name) or run(plan, limit)
    )
    blocks = ["combinational", "ring", "combinational"]
    plans = [plan_synthesis(name, rtl(name), name, nangate45, 250e6) for name in blocks]
    results = synthesize_all(plans, workers=2)
    assert [result.digest for result in results] == [plan.digest for plan in plans]
    assert sorted(runs) == ["combinational", "ring"]
    netlists = [
        read_netlist(r.netlist_json, n, nangate45, None) for r, n in zip(results[:1], blocks, strict=False)
    ]
    assert set(netlists[0].ports) == {"a", "b", "p"}


def test_what_yosys_refuses_is_reported_with_its_last_lines(nangate45, fresh_cache):
    plan = plan_synthesis("broken", "module \\top\n  nonsense\nend\n", "top", nangate45, 250e6)
    with pytest.raises(ToolError) as caught:
        synthesize(plan)
    first, *last = str(caught.value).splitlines()
    assert first == (
        f"synthesis of 'broken' with NangateOpenCellLibrary: {plan.tool} failed (exit status 1); "
        "its last lines:"
    )
    assert last[-1] == "ERROR: Parser error in line 2: Unexpected token in module body: nonsense"
    assert load_entry("synthesis", plan.digest) is None


@pytest.mark.parametrize(
    ("script", "blame"),
    [
        ("import os; print('last words', flush=True); os.abort()", "failed (killed by signal 6)"),
        ("print('ABC: execution of command failed: return code 139.\\nlast words'); raise SystemExit(1)",
         "abc, which {tool} runs, failed (exit status 139)"),
        ("print('last words')", "failed (exit status 0)"),
    ],
)  # fmt: skip
def test_a_crash_takes_neither_us_nor_the_cache_with_it(
    nangate45, rtl, fresh_cache, monkeypatch, script, blame
):
    monkeypatch.setattr(synthesis_module, "_RUN_SCRIPT", script)
    plan = plan_synthesis("block", rtl("combinational"), "combinational", nangate45, 250e6)
    with pytest.raises(ToolError) as caught:
        synthesize_all([plan])
    assert blame.format(tool=plan.tool) in str(caught.value)
    assert str(caught.value).endswith("last words")
    assert load_entry("synthesis", plan.digest) is None


def test_a_run_that_takes_too_long_is_stopped(nangate45, rtl, fresh_cache, monkeypatch):
    monkeypatch.setattr(synthesis_module, "_RUN_SCRIPT", "import time; time.sleep(60)")
    plan = plan_synthesis("block", rtl("combinational"), "combinational", nangate45, 250e6)
    with pytest.raises(ToolError) as caught:
        synthesize(plan, timeout_s=0.5)
    assert str(caught.value) == "synthesis of 'block' took longer than 0.5 s and was stopped"


PARENT = r"""
from dataclasses import replace
from bitwatt.technology.liberty import read_liberty
from bitwatt.technology.plan import plan_synthesis
from bitwatt.technology.synthesis import synthesize
from bitwatt.technology.toolchain import liberty_path
library = read_liberty(liberty_path("nangate45"))
plan = plan_synthesis("slow", "module \\top\nend\n", "top", library, 250e6)
synthesize(replace(plan, script="exec -- echo $$ > {pid} && exec sleep 60"))
"""


def test_nothing_outlives_a_killed_parent(tmp_path):
    """A script that runs a tool for a minute stands for abc; its parent's parent is killed without a word."""
    pid = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(pid=pid)])
    _until(lambda: pid.exists() and pid.read_text().strip())
    tool = int(pid.read_text())
    assert _is_running(tool)
    parent.kill()
    parent.wait()
    _until(lambda: not _is_running(tool))


def _is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def _until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_damaged_entry_is_made_again(nangate45, rtl, fresh_cache, caplog):
    plan = plan_synthesis("block", rtl("combinational"), "combinational", nangate45, 250e6)
    first = synthesize(plan)
    (path,) = (p for p in fresh_cache.rglob("*.json.gz"))
    os.truncate(path, 100)
    assert synthesize(plan) == first
    assert "is damaged" in caplog.text
