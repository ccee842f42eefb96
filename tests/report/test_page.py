import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bitwatt.errors import DataError, RequestError
from bitwatt.report.page import render_page, tied, write_page

Make = Callable[..., dict[str, Any]]

LIMIT_BYTES = 300_000
"""The page of seven precisions: it is to load at once, and to be mailed."""


class Elements(HTMLParser):
    """All tags with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "input", "link", "img", "br", "line", "circle", "path"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def tagged(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_every_tag_is_closed_and_every_reference_has_a_target(results: dict[str, Any]) -> None:
    elements = Elements(render_page(results))
    assert elements.open == []
    ids = [a["id"] for _, a in elements.found if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for a in elements.tagged("a") if (a["href"] or "").startswith("#")]
    assert targets
    assert {(target or "")[1:] for target in targets} <= set(ids)
    named_by = [a["aria-labelledby"] for _, a in elements.found if "aria-labelledby" in a]
    assert set(named_by) <= set(ids)


def test_the_page_fetches_nothing(results: dict[str, Any]) -> None:
    elements = Elements(render_page(results))
    assert not elements.tagged("link")
    assert not elements.tagged("img")
    assert all("src" not in attributes for _, attributes in elements.found)
    # What leads out of the page is a citation, as a plain link.
    outside = {a["href"] for _, a in elements.found if re.match(r"(https?:)?//", a.get("href") or "")}
    assert outside == {"https://arxiv.org/abs/1612.03940"}
    (policy,) = (m["content"] for m in elements.tagged("meta") if m.get("http-equiv"))
    assert (policy or "").startswith("default-src 'none';")
    (style,) = re.findall(r"<style>(.*?)</style>", render_page(results), re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_this_script_alone(results: dict[str, Any]) -> None:
    page = render_page(results)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_the_page_is_small(results: dict[str, Any]) -> None:
    assert len(render_page(results).encode()) < LIMIT_BYTES


def test_every_string_of_the_records_is_escaped(make_results: Make, make_point: Make) -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    point = make_point(
        evil, 1900, 1e-6, network=evil, weights=evil, activations=evil, technology=evil, preset=evil,
        energy_j_by_component={evil: 1e-6}, area_mm2_by_component={evil: 1.0},
        by_layer=[{"name": evil, "cycles": 1, "energy_j": 1e-6}], provenance={evil: evil, "energy": evil},
    )  # fmt: skip
    other = make_point("fixed8", 1900, 1e-6)
    records = make_results(
        point, other, bitwatt=evil, network=evil, technology=evil, tile={evil: evil}, command=evil,
        data={"name": evil, "train": 1, "test": 1, "sha256": evil},
    )  # fmt: skip
    elements = Elements(render_page(records))
    assert not elements.tagged("img")
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert "".join(elements.texts).replace("’", "'").count(evil) > 20
    assert elements.open == []


def test_what_a_reader_is_told(results: dict[str, Any]) -> None:
    text = re.sub(r"\s+", " ", "".join(Elements(render_page(results)).texts))
    for said in (
        "fixed4 takes 2.9 % of float32’s energy and is right on 97.85 % of the test images",
        "10,000 training and 2,000 test images",
        "Arithmetic is 62 % of float32’s energy and 29 % of fixed4’s; buffers are 23 % and 43 %.",
        "From fixed8 to fixed4, each of the 4 bits dropped saves 617 nJ an image",
        "technology: 65 nm there, nangate45 here",
        "synthesised: 320 cells, yosys 0.70 to Nangate 45; operands assumed: uniform",
        "bin, bout, sb: table: 1 macro of 64 x 128 bits, CACTI 7",
        "10,000 training and 2,000 test images (an invented data set)",
        "weighted, 288,000 products",
        "The tile has 16 neurons of 16 synapses each",
        "bitwatt study --network lenet --data mnist-small --precisions paper --out DIR",
        "SHA-256 deadbeefdeadbeef",
        "clock_gating = true",
    ):
        assert said in text, said


def test_published_figures_are_marked_so(results: dict[str, Any]) -> None:
    page = render_page(results)
    cells = re.findall(r'<td class="n theirs">([^<]*)</td>', page)
    # Accuracy, energy, energy saved, area, area saved of each of the seven.
    assert len(cells) == 35
    assert cells[:5] == ["99.20", "60.74", "0.0", "16.74", "0.0"]
    assert '<span class="badge badge-published"' in page


def test_the_rows_as_csv(results: dict[str, Any]) -> None:
    (address,) = re.findall(r'href="(data:text/csv[^"]*)"', render_page(results))
    lines = unquote(address.partition(",")[2]).splitlines()
    assert lines[0].startswith("network,precision,weights,activations,seeds,accuracy,accuracy_low")
    assert len(lines) == 8
    assert lines[4].startswith("lenet,fixed8,fixed8,fixed8,0,0.9825,")
    assert float(lines[4].split(",")[-2]) == results["points"][3]["energy_j"]


def test_several_networks_seeds_and_presets(make_results: Make, make_point: Make) -> None:
    points = [
        make_point(precision, 1960 - seed, energy, network=network, preset=preset, seed=seed)
        for network in ("lenet", "alex")
        for preset in ("modern", "hashemi2017")
        for precision, energy in (("float32", 1e-5), ("fixed4", 1e-6))
        for seed in (0, 1, 2)
    ]
    page = render_page(make_results(*points))
    text = "".join(Elements(page).texts)
    for label in ("LeNet, modern preset", "ALEX, hashemi2017 preset"):
        assert text.count(label) >= 3
    assert page.count('class="group"') == 4
    assert "seeds 0, 1, 2" in text
    assert "spread 0.10, 3 seeds" in text


def test_records_with_totals_alone(make_results: Make, make_point: Make) -> None:
    point = make_point(
        "fixed8", 1900, 1e-6, network="mine", energy_j_by_component={}, area_mm2_by_component={}, by_layer=[],
        provenance={},
    )  # fmt: skip
    page = render_page(make_results(point, tile={}))
    text = "".join(Elements(page).texts)
    assert "Without a float32 row there are no savings to state." in text
    assert "Where the energy goes" not in text
    assert "Layer by layer" not in text
    assert "Beside the published study" not in text
    assert "The tile, and how" not in text
    assert "The records do not say." in text


def test_no_energy_at_all_still_makes_a_page(make_results: Make, make_point: Make) -> None:
    assert "0 J an image" in "".join(
        Elements(render_page(make_results(make_point("fixed8", 1900, 0.0)))).texts
    ).replace("\N{NO-BREAK SPACE}", " ")


def test_the_same_records_make_the_same_page(results: dict[str, Any]) -> None:
    assert render_page(results) == render_page(results)


def test_writing_replaces_the_old_page_whole(tmp_path: Path, results: dict[str, Any]) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_page(results, path) == path
    assert path.read_text(encoding="utf-8") == render_page(results)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_bad_records_leave_the_old_page(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(DataError):
        write_page({"schema": 9}, path)
    assert path.read_text() == "old"


def test_a_folder_that_is_not_there(tmp_path: Path, results: dict[str, Any]) -> None:
    path = tmp_path / "missing" / "report.html"
    with pytest.raises(RequestError) as caught:
        write_page(results, path)
    assert (
        str(caught.value)
        == f"cannot write {path}: No such file or directory. Name a folder that you may write"
    )


def test_numbers_are_tied_to_their_units() -> None:
    assert tied("it's 3.5 µJ, 2 % of 7 mm² at 250 MHz in 4 steps").replace("\N{NO-BREAK SPACE}", "_") == (
        "it\N{RIGHT SINGLE QUOTATION MARK}s 3.5_µJ, 2_% of 7_mm² at 250_MHz in 4 steps"
    )


def test_a_page_of_several_studies(results: dict[str, Any]) -> None:
    other = results | {"data": results["data"] | {"name": "mnist"}}
    page = render_page([results, other])
    assert "<title>LeNet on mnist-small, LeNet on mnist: what each bit costs</title>" in page
    assert page.count('<section class="group"') == 2
    assert page.count("<code>bitwatt study ") == 2
    assert ">LeNet on mnist-small</h2>" in page
    # The published energies once, though both studies are of one network.
    assert page.count('aria-label="Published energies of an image beside ours"') == 1


def test_tiles_stand_preset_beside_preset(
    results: dict[str, Any], three_tiles: list[dict[str, Any]], make_tile: Make
) -> None:
    tiles = {"hashemi2017": [make_tile("float32", 40, 120, node_nm=65)], "modern": three_tiles}
    page = render_page(results, tiles=tiles)
    assert "hashemi2017, 65 nm: area of the tile</h3>" in page
    assert "modern, 45 nm: energy of a multiply-accumulate</h3>" in page
    area = page.partition('aria-label="Published area of the tile beside ours"')[2].partition("</table>")[0]
    rows = re.findall(r'<th scope="row">(\w+)</th>(.*?)</tr>', area, re.DOTALL)
    assert [(name, re.findall(r"<td[^>]*>([^<]*)<", cells)) for name, cells in rows] == [
        ("float32", ["16.74", "160", "16.0", "0.0", "0.0", "0.0"]),
        ("fixed8", ["3.36", "\u2013", "4.00", "79.9", "\u2013", "75.0"]),
    ]
    assert "Published area" not in render_page(results)
