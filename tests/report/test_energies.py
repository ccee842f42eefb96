"""Published energies with ours beside them, network by network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitwatt.report.energies import network_energies, precisions
from bitwatt.report.facts import facts

Make = Callable[..., dict[str, Any]]


def test_the_preset_of_the_published_tile_comes_first(make_results: Make, make_point: Make) -> None:
    points = [
        make_point("fixed8", 1900, 1e-6, preset="modern"),
        make_point("fixed8", 1900, 4e-6, preset="hashemi2017"),
        make_point("fixed6", 1900, 1e-6, preset="modern"),
        make_point("fixed8", 1900, 1e-6, preset="modern", network="mine"),
        make_point("fixed4", 1900, 2e-6, preset="modern", network="alex"),
    ]
    lenet, alex = network_energies(facts(make_results(*points)).groups)
    assert (lenet.network, lenet.presets) == ("lenet", ("hashemi2017", "modern"))
    assert lenet.ours == {"hashemi2017": {"fixed8": 4e-6}, "modern": {"fixed8": 1e-6, "fixed6": 1e-6}}
    assert {name: point.energy_j for name, point in lenet.theirs.items()} == {"fixed8": 8.86e-6}
    assert (alex.network, alex.presets, alex.theirs["fixed4"].energy_j) == ("alex", ("modern",), None)
    assert precisions((lenet, alex)) == ("fixed8", "fixed4")


def test_of_several_studies_of_a_network_the_first_counts(make_results: Make, make_point: Make) -> None:
    first, second = (
        make_results(make_point("fixed8", 1900, energy, preset="modern")) for energy in (1e-6, 2e-6)
    )
    (lenet,) = network_energies(facts([first, second]).groups)
    assert lenet.ours == {"modern": {"fixed8": 1e-6}}
