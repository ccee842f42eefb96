"""The picture of a plane: a figure in every cell that is finished, darker where more is lost or spent."""

import math
import re
from pathlib import Path

import pytest

from bitwatt.errors import RequestError
from bitwatt.report.facts import facts
from bitwatt.report.plane import plane
from bitwatt.report.plane_figure import energy_shade, loss_shade, write_plane_figure


def texts(path: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text())


def test_a_drawing_has_every_pair_and_is_the_same_each_time(tmp_path: Path, plane_records) -> None:
    found = plane(facts(plane_records).groups[0])
    for name in ("a.svg", "b.svg"):
        write_plane_figure(found, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    drawn = texts(tmp_path / "a.svg")
    assert {"accuracy, %", "energy an image, µJ", "weights", "inputs"} <= set(drawn)
    assert {"90.00", "95.00", "98.80", "99.05"} <= set(drawn)
    assert {f"{energy}.00" for energy in range(1, 10)} <= set(drawn)
    assert drawn.count("binary") == 2


def test_a_pair_that_is_not_finished_stays_empty(tmp_path: Path, plane_records) -> None:
    plane_records["points"] = [p for p in plane_records["points"] if p["precision"] != "fixed16:fixed16"]
    write_plane_figure(plane(facts(plane_records).groups[0]), tmp_path / "a.svg")
    assert "99.05" not in texts(tmp_path / "a.svg")


def test_shades(plane_records) -> None:
    found = plane(facts(plane_records).groups[0])
    loss, energy = loss_shade(found), energy_shade(found)
    # 5 points lost are as dark as 9; above float32 nothing is lost.
    assert loss(found.rows["binary", "fixed4"]) == 1.0
    assert loss(found.rows["fixed16", "fixed16"]) == 0.0
    assert loss(found.rows["fixed4", "fixed16"]) == pytest.approx(math.sqrt(0.002 / 0.05))
    assert energy(found.rows["binary", "fixed4"]) == 0.0
    assert energy(found.rows["fixed16", "fixed16"]) == 1.0


def test_another_ending_is_refused(tmp_path: Path, plane_records) -> None:
    with pytest.raises(RequestError, match=r"plane\.gif must end in \.svg, \.pdf, \.png$"):
        write_plane_figure(plane(facts(plane_records).groups[0]), tmp_path / "plane.gif")
