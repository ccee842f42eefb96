"""The page as a reader has it: opened from disk in the system's Chromium, with no network."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bitwatt.report.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

INVENTED = Path(__file__).parent / "fixture" / "invented.json"
PRECISIONS = ["float32", "fixed32", "fixed16", "fixed8", "fixed4", "pow2", "binary"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium: the Debian package chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(json.loads(INVENTED.read_text()), path)
    return path.as_uri()


@pytest.fixture(scope="module")
def address_of_several(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two studies, of another network on other data each, with tiles of two presets."""
    first, second = (json.loads(INVENTED.read_text()) for _ in range(2))
    second["data"]["name"] = "cifar10"
    for point in second["points"]:
        point["network"] = "alex"
    tiles = {
        preset: [
            {
                "technology": "nangate45",
                "precision": point["precision"],
                "node_nm": node,
                "clock_hz": 250e6,
                "area_mm2": point["area_mm2"],
                "power_w": point["power_w"],
                "energy_j_per_mac": point["energy_j"] / 1e6,
                "area_mm2_by_component": point["area_mm2_by_component"],
                "power_w_by_owner": {"sb": point["power_w"]},
                "energy_j_per_mac_by_component": {
                    name: energy / 1e6 for name, energy in point["energy_j_by_component"].items()
                },
                "timing": {"too_slow": ["output_stage"]},
            }
            for point in first["points"]
        ]
        for preset, node in (("hashemi2017", 65), ("modern", 45))
    }
    path = tmp_path_factory.mktemp("page") / "several.html"
    write_page([first, second], path, tiles=tiles)
    return path.as_uri()


@pytest.fixture
def page(browser: "Browser", address: str) -> Iterator["Page"]:
    """The page, opened; fails at the end if it complained or asked for anything but itself."""
    yield from _opened(browser, address)


@pytest.fixture
def several(browser: "Browser", address_of_several: str) -> Iterator["Page"]:
    """The page of several studies, likewise."""
    yield from _opened(browser, address_of_several)


def _opened(browser: "Browser", address: str) -> Iterator["Page"]:
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(f"console: {message.text}"))
    opened.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    opened.on("request", lambda request: complaints.append(f"request: {request.url}"))
    opened.goto(address)
    yield opened
    context.close()
    assert complaints == [f"request: {address}"]


def column(page: "Page", index: int) -> list[str]:
    script = "([rows, i]) => rows.map(row => row.cells[i].firstChild.textContent.trim())"
    texts: list[str] = page.evaluate(
        f"i => ({script})([[...document.querySelector('table.sortable').tBodies[0].rows], i])", index
    )
    return texts


def names(page: "Page") -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "table.sortable tbody tr", "rows => rows.map(r => r.dataset.row)"
    )
    return found


def test_the_table_has_a_row_for_each_precision(page: "Page") -> None:
    assert names(page) == PRECISIONS
    assert column(page, 1) == ["98.30", "98.30", "98.30", "98.25", "97.85", "98.15", "97.55"]


def test_a_heading_sorts_and_sorts_back(page: "Page") -> None:
    energy = page.get_by_role("columnheader", name="Energy µJ an image")
    energy.get_by_role("button").click()
    assert energy.get_attribute("aria-sort") == "descending"
    falling = ["float32", "fixed32", "fixed16", "pow2", "fixed8", "binary", "fixed4"]
    assert names(page) == falling
    energy.get_by_role("button").press("Enter")
    assert energy.get_attribute("aria-sort") == "ascending"
    assert names(page) == falling[::-1]
    page.get_by_role("columnheader", name="Precision").first.get_by_role("button").click()
    assert energy.get_attribute("aria-sort") is None
    assert names(page) == PRECISIONS


def test_the_keyboard_gets_the_tip_of_a_point(page: "Page") -> None:
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.locator("svg.scatter:visible .point").nth(3).focus()
    assert tip.inner_text().split("\n")[:3] == ["fixed8", "accuracy", "98.25 %"]
    assert "lit" in (page.locator("tr[data-row=fixed8]").get_attribute("class") or "")
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_a_pointer_gets_the_part_it_is_on(page: "Page") -> None:
    page.locator(".bar .seg").first.hover()
    assert page.locator("#tip .now").inner_text().replace("\n", " ") == "weight blocks 24.4 µJ, 42.0 %"


def test_bars_change_to_shares(page: "Page") -> None:
    bar = page.locator(".stack").first.locator(".length").nth(4)
    page.emulate_media(reduced_motion="reduce")
    before = bar.bounding_box()
    page.locator(".switch").first.get_by_text("share of each total").click()
    after = bar.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > 20 * before["width"]


@pytest.mark.parametrize(("width", "shown"), [(390, "narrow"), (1200, "wide")])
def test_nothing_sticks_out_sideways(page: "Page", width: int, shown: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for details in page.locator("summary").all():
        details.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("figure:visible svg.scatter").locator("..").get_attribute("class") == shown


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_sticks_out_of_a_page_of_several_studies(several: "Page", width: int) -> None:
    several.set_viewport_size({"width": width, "height": 800})
    for details in several.locator("summary").all():
        details.click()
    assert several.evaluate("document.documentElement.scrollWidth") == width
    # Presets beside each other where there is room.
    left, right = (several.locator("#presets .sides > div").nth(index).bounding_box() for index in range(2))
    assert left is not None
    assert right is not None
    assert (left["y"] == right["y"]) == (width == 1200)


def test_the_contents_lead_to_networks_presets_and_published_tables(several: "Page") -> None:
    links = several.locator("nav a")
    assert links.all_inner_texts() == ["LeNet", "ALEX", "Presets", "Published", "Sources", "Reproduce"]
    for target in links.evaluate_all("links => links.map(link => link.getAttribute('href'))"):
        assert several.locator(target).count() == 1
    row = several.get_by_role("region", name="Published energies of an image beside ours").locator("tr")
    assert row.nth(2).inner_text().split() == ["float32", "60.74", "58.2", "335.68", "58.2"]


def test_dark_and_light(page: "Page") -> None:
    def brightness() -> int:
        color: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))

    assert brightness() > 3 * 200
    page.emulate_media(color_scheme="dark")
    assert brightness() < 3 * 50
    page.get_by_role("button", name="Light").click()
    assert brightness() > 3 * 200


CONTRAST = """
() => {
  const luminance = (c) => {
    const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$|transparent/.test(c)) return c;
    }
  };
  const poor = [];
  for (const e of document.querySelectorAll("main *, header *, footer *")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    if (!e.checkVisibility() || e.matches(".hear, option")) continue;
    const style = getComputedStyle(e);
    const ink = e instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [luminance(ink), luminance(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${e.tagName} ${e.textContent.slice(0, 30)}`);
  }
  return poor;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks(page: "Page", scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    for details in page.locator("summary").all():
        details.click()
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_a_page_of_several_studies(several: "Page", scheme: Any) -> None:
    several.emulate_media(color_scheme=scheme)
    assert several.evaluate(CONTRAST) == []


def test_without_scripts_all_is_there(browser: "Browser", address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(address)
    assert opened.locator("table.sortable tbody tr").count() == len(PRECISIONS)
    assert opened.locator("svg.scatter .point:visible").count() == len(PRECISIONS)
    assert opened.locator("#theme").is_hidden()
    context.close()
