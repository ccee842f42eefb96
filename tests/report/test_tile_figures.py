"""The picture of tiles: every precision and part in it, and requests that cannot be met."""

import re
from pathlib import Path

import pytest

from bitwatt.errors import RequestError
from bitwatt.report.components import component
from bitwatt.report.tile_figures import write_tile_figure


def tile(precision: str, area: float) -> dict:
    return {
        "precision": precision,
        "node_nm": 45.0,
        "energy_j_per_mac": 3e-12,
        "area_mm2_by_component": {"weight_blocks": area, "sb": 1.0},
        "energy_j_per_mac_by_component": {"weight_blocks": 1e-12, "sb": 1.5e-12, "clock": 0.5e-12},
    }


def test_a_drawing_names_every_tile_and_part_and_is_the_same_each_time(tmp_path: Path) -> None:
    tiles = {"modern": [tile("fixed8", 2.0), tile("fixed4", 0.25)], "hashemi2017": [tile("fixed8", 9.5)]}
    for name in ("a.svg", "b.svg"):
        write_tile_figure(tiles, tmp_path / name)
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == (tmp_path / "b.svg").read_text()
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", drawn)
    titles = ("modern, 45 nm: area", "hashemi2017, 45 nm: energy a MAC")
    for wanted in (*titles, "fixed4", "3.00", "1.25", "10.5"):
        assert wanted in texts
    for part in ("weight_blocks", "sb", "clock"):
        assert component(part).label in texts


def test_no_tile_and_an_unknown_ending_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="at least one tile"):
        write_tile_figure({"modern": []}, tmp_path / "a.svg")
    with pytest.raises(RequestError, match=r"must end in \.svg, \.pdf, \.png"):
        write_tile_figure({"modern": [tile("fixed8", 2.0)]}, tmp_path / "a.jpg")
