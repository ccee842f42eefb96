"""A technology at another node: which figures move, by how much, and what is said about it."""

import pytest

from bitwatt.errors import RequestError
from bitwatt.technology.scaled import Scaling, scaled
from bitwatt.technology.scaling import AREA_METHODS, area_factor, scale_factors
from bitwatt.technology.technology import technology


def test_every_figure_of_a_block_is_scaled_by_its_own_factor() -> None:
    before, scaling = technology("nangate45"), Scaling(65, 1.2, "constant_field", "stillmaker2017", 0.5)
    after = scaled(before, scaling)
    factors = scale_factors(45, 65, before.voltage_v, 1.2)
    for name, block in before.table.blocks.items():
        moved = after.table.block(name)
        assert moved.area_um2 == pytest.approx(block.area_um2 * (65 / 45) ** 2 / 0.5)
        assert moved.data_energy_j == pytest.approx(block.data_energy_j * factors.energy)
        assert moved.clock_energy_j == pytest.approx(block.clock_energy_j * factors.energy)
        assert moved.delay_s == pytest.approx(block.delay_s * factors.delay)
        assert moved.leakage_w == block.leakage_w
    assert (after.node_nm, after.voltage_v, after.sram_node_nm) == (65, 1.2, 65)


def test_the_source_says_how_it_was_scaled() -> None:
    source = scaled(technology("nangate45"), Scaling(65, 1.1, utilisation=0.8)).table.source()
    assert source.endswith(
        "; scaled from 45 to 65 nm and 1.1 V: area x 1.8 (two-input NANDs of libraries of the two nodes) "
        "/ 0.8 (utilisation, assumed), energy x 1.61, delay x 1.4 (Stillmaker and Baas, Integration 58 "
        "(2017) 74-81); leakage as it was"
    )


def test_methods_of_scaling_areas_differ_and_agree_that_older_is_larger() -> None:
    factors = {method: area_factor(45, 65, method).factor for method in AREA_METHODS}
    assert factors["stillmaker2017"] < factors["library_cells"] < factors["constant_field"]
    assert all(area_factor(65, 45, m).factor == pytest.approx(1 / f) for m, f in factors.items())


@pytest.mark.parametrize("utilisation", [0.0, -0.1, 1.01])
def test_a_utilisation_out_of_range_is_refused(utilisation: float) -> None:
    with pytest.raises(RequestError) as error:
        Scaling(65, 1.1, utilisation=utilisation)
    assert str(error.value) == f"scaling: utilisation must lie above 0 and be at most 1, got {utilisation}"


def test_an_unknown_method_is_refused_with_the_methods_there_are() -> None:
    with pytest.raises(RequestError) as error:
        area_factor(45, 65, "guess")
    assert str(error.value) == (
        "unknown method of scaling areas 'guess'. Allowed: library_cells, stillmaker2017, constant_field"
    )
