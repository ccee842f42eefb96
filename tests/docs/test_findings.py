"""The page of findings: what the script writes from results/, and its verdicts."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from bitwatt.report.facts import facts
from bitwatt.technology.scaled import PUBLISHED_NODE

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def findings():
    torch.set_num_threads(1)
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("findings")
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def parts(findings):
    """The modules it is made of."""
    return {name: sys.modules[f"findings_{name}"] for name in ("kept", "plane", "tables", "targets", "width")}


def point(precision: str, seed: int, correct: int, **fields: object) -> dict[str, object]:
    return {
        "network": "lenet",
        "precision": precision,
        "weights": precision,
        "activations": precision,
        "seed": seed,
        "accuracy": correct / 10000,
        "correct": correct,
        "count": 10000,
        "memory_bytes": {"weights": 1024, "biases": 512, "activations_peak": 2048},
        "cycles": 1000,
        "runtime_s": 4e-6,
        "energy_j": 2e-6,
        "power_w": 0.5,
        "area_mm2": 1.0,
        "energy_j_by_component": {"sb": 1.5e-6, "leakage": 0.5e-6},
        "epochs": {"pretraining": 20, "retraining": 8},
        "preset": "modern",
    } | fields


def rows(*points: dict[str, object]):
    data = {"name": "mnist", "train": 60000, "test": 10000, "sha256": "ab", "source": "digits"}
    head = {
        "schema": 1,
        "bitwatt": "0",
        "network": "lenet",
        "data": data,
        "technology": "nangate45",
        "tile": {},
    }
    (group,) = facts(head | {"points": list(points)}).groups
    return group.rows


def test_the_page_is_what_the_script_writes(findings) -> None:
    """Otherwise: python docs/findings.py."""
    assert (DOCS / "findings.md").read_text() == findings.page()


def test_the_pictures_are_what_the_script_draws(findings, tmp_path: Path) -> None:
    """Otherwise: python docs/findings.py."""
    findings.write_pictures(findings.read(), tmp_path)
    shown = re.findall(r"\]\(figures/findings/([^)]+)\)", (DOCS / "findings.md").read_text())
    assert sorted(shown) == sorted(path.name for path in tmp_path.iterdir())
    assert sorted(shown) == sorted(path.name for path in findings.FIGURES.iterdir())
    for name in shown:
        assert (tmp_path / name).read_bytes() == (findings.FIGURES / name).read_bytes(), name


def test_a_precision_is_compared_with_float32_of_the_same_seeds(parts) -> None:
    float32, fixed4 = rows(point("float32", 0, 9900), point("float32", 1, 9800), point("fixed4", 1, 9790))
    gained, low, high = parts["targets"].difference(fixed4, float32)
    assert gained == pytest.approx(-0.001)
    assert low < gained < 0 < high


@pytest.mark.parametrize(
    ("precision", "correct", "is_met"),
    [("fixed4", 9945, True), ("fixed4", 9944, False), ("binary", 9940, True), ("binary", 9934, False)],
)
def test_targets_are_met_to_the_image(parts, precision: str, correct: int, is_met: bool) -> None:
    reference, row = rows(point("float32", 0, 9955), point(precision, 0, correct))
    (target,) = (t for t in parts["targets"].TARGETS if (t.network, t.precision) == ("lenet", precision))
    assert target.is_met(row, reference) is is_met


def test_a_floor_is_asked_beside_the_margin(parts) -> None:
    reference, row = rows(point("float32", 0, 9955), point("binary", 0, 9936))
    (target,) = (t for t in parts["targets"].TARGETS if (t.network, t.precision) == ("lenet", "binary"))
    assert target.text() == "within 0.2 of float32, and 99.40 or more"
    assert not target.is_met(row, reference)
    assert parts["targets"].Target("lenet", "binary", 0.002).is_met(row, reference)


def test_the_published_preset_is_scaled_as_the_technology_is(parts) -> None:
    """The record's energy and area at 65 nm are those that the cost model has there."""
    from bitwatt.costing import cost_schedule
    from bitwatt.hardware.schedule import schedule_work
    from bitwatt.hardware.tile import Tile
    from bitwatt.technology.scaled import scaled
    from bitwatt.technology.technology import technology

    work, tile = parts["width"].shapes("alex"), Tile.preset("hashemi2017", "fixed8")
    here, there = (
        cost_schedule(schedule_work(work, tile), of)
        for of in (technology("nangate45"), scaled(technology("nangate45"), PUBLISHED_NODE))
    )
    (row,) = rows(
        point(
            "fixed8",
            0,
            9000,
            energy_j=here.energy_j,
            area_mm2=here.area_mm2,
            energy_j_by_component=dict(here.energy_j_by_component),
        )
    )
    assert parts["kept"].energy_at_65(row) == pytest.approx(there.energy_j, rel=1e-9)
    assert parts["kept"].area_at_65(row) == pytest.approx(there.area_mm2, rel=1e-9)


def test_links_within_the_page_lead_somewhere() -> None:
    text = (DOCS / "findings.md").read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    known = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    known |= set(re.findall(r'<a id="([^"]+)">', text))
    assert {target for target in re.findall(r"\]\(#([^)]+)\)", text)} <= known


def test_libraries_are_compared_by_the_table_of_technologies(findings) -> None:
    ours, theirs = findings.library_orders()
    assert len(ours) == len(theirs) == 7
    assert set(ours) == set(theirs)


def test_copies_of_data_and_stand_ins_say_what_they_are(parts) -> None:
    from bitwatt.datasets.svhn import SVHN_STANDIN
    from bitwatt.report.records import Data

    jpeg = next(iter(parts["kept"].CAVEATS))
    told = parts["kept"].caption(
        Data(name="cifar10", train=50000, test=10000, sha256=jpeg, source="CIFAR-10")
    )
    assert told == (
        "Data: 50,000 training and 10,000 test images (CIFAR-10); "
        "a copy whose images were re-encoded as JPEG, not the original pixels."
    )
    assert SVHN_STANDIN.title.startswith("stand-in, not SVHN")
