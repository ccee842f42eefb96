import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitwatt.errors import RequestError
from bitwatt.report.figures import write_figures

Make = Callable[..., dict[str, Any]]


def test_each_figure_in_each_format(tmp_path: Path, results: dict[str, Any]) -> None:
    written = write_figures(results, tmp_path / "figures", ("svg", "png", "pdf"))
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    assert [p.name for p in written] == [
        f"{name}.{kind}"
        for name in ("accuracy-energy", "energy-components", "area-components")
        for kind in ("svg", "png", "pdf")
    ]
    for path in written:
        assert path.read_bytes().startswith(starts[path.suffix[1:]])


def test_points_are_labelled_directly_and_text_stays_text(tmp_path: Path, results: dict[str, Any]) -> None:
    scatter, energy, _ = (path.read_text() for path in write_figures(results, tmp_path))
    for point in results["points"]:
        assert f">{point['precision']}<" in scatter
        assert f">{point['precision']}<" in energy
    assert ">energy an image, µJ (log scale)<" in scatter
    assert ">58.2<" in energy
    assert ">weight blocks<" in energy


def test_the_same_records_make_the_same_files(tmp_path: Path, results: dict[str, Any]) -> None:
    first = [p.read_bytes() for p in write_figures(results, tmp_path / "a", ("svg", "pdf"))]
    second = [p.read_bytes() for p in write_figures(results, tmp_path / "b", ("svg", "pdf"))]
    assert first == second


def test_a_group_each_and_what_has_no_parts_has_no_bars(
    tmp_path: Path, make_results: Make, make_point: Make
) -> None:
    records = make_results(
        make_point("fixed8", 1900, 1e-6, energy_j_by_component={}),
        make_point("fixed8", 1900, 1e-6, network="alex", area_mm2_by_component={}),
    )
    assert [p.name for p in write_figures(records, tmp_path)] == [
        "accuracy-energy-1.svg",
        "area-components-1.svg",
        "accuracy-energy-2.svg",
        "energy-components-2.svg",
    ]


def test_a_name_is_not_mathematics(tmp_path: Path, make_results: Make, make_point: Make) -> None:
    records = make_results(make_point("fixed8", 1900, 1e-6, network="$\\frac$"))
    scatter = write_figures(records, tmp_path)[0].read_text()
    assert re.search(r">\$\\frac\$ on mnist-small<", scatter)


def test_an_unknown_format(tmp_path: Path, results: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        write_figures(results, tmp_path, ("jpg",))
    assert str(caught.value) == "unknown figure format 'jpg'; did you mean 'png'? Allowed: svg, png, pdf"


def test_a_folder_that_cannot_be_made(tmp_path: Path, results: dict[str, Any]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError) as caught:
        write_figures(results, tmp_path / "file" / "figures")
    assert str(caught.value) == f"cannot make the folder {tmp_path}/file/figures: Not a directory"
