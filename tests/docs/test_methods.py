"""The page of training methods: read from a study's results, kept, and up to date."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def methods():
    spec = importlib.util.spec_from_file_location("methods", DOCS / "methods.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["methods"] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def point(network: str, precision: str, correct: int, epochs: int) -> dict[str, object]:
    return {
        "network": network,
        "precision": precision,
        "seed": 0,
        "correct": correct,
        "count": 1000,
        "epochs": {"pretraining": 6, "retraining": epochs},
    }


RECIPE = {"epochs": 4, "batch_size": 64}
RESULTS = {
    "data": {"name": "digits/held-out", "source": "digits made for tests", "train": 130},
    "planned_points": 6,
    "recipes": {"retraining": {f"lenet, {name}": {"fixed4": RECIPE, "binary": RECIPE}
                               for name in ("straight-through", "parq")}},
    "points": [
        point("lenet", "float32", 990, 0),
        point("lenet, straight-through", "fixed4", 980, 4),
        point("lenet, straight-through", "binary", 960, 4),
        point("lenet, parq", "fixed4", 979, 4),
    ],
}  # fmt: skip


def test_a_study_is_read_kept_and_shown(methods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {"straight-through": 0.5, "parq": 0.6}
    monkeypatch.setattr(methods, "step_seconds", lambda network, data, recipes: taken)
    monkeypatch.setattr(methods, "KEPT", tmp_path / "kept")
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    comparison = methods.read_study(tmp_path)
    methods.keep(comparison)
    assert methods.kept() == [comparison]
    text = methods.page([comparison])
    assert "Float32: 99.00 % after 6 epochs." in text
    # The largest standard error of the three: sqrt(0.96 * 0.04 / 1000).
    assert "about 0.62 points; smaller differences mean little. Data: digits made for tests." in text
    assert "2 of 5 points are not finished." in text
    # 4 epochs of 3 steps of 0.5 s; of 0.6 s, a fifth more.
    assert "| `straight-through` | **98.00 %** | **96.00 %** | 4 | 0.1 min | +0 % |" in text
    assert "| `parq` | 97.90 % |  | 4 | 0.1 min | +20 % |" in text
    assert "| lenet | fixed4 | `straight-through` | 98.00 % | 1.00 | `parq` |" in text
    assert "| lenet | binary | `straight-through` | 96.00 % | 3.00 |  |" in text


def test_the_page_is_what_the_script_writes(methods) -> None:
    """Otherwise: python docs/methods.py."""
    if not methods.kept():
        pytest.skip("no comparison is kept in results/methods")
    assert (DOCS / "methods.md").read_text() == methods.page(methods.kept())


def test_steps_are_timed_and_every_method_of_the_studies_is_told_of(methods, monkeypatch) -> None:
    from bitwatt.study import read_study_file

    template = (DOCS / "templates" / "methods.md").read_text()
    for name in ("lenet", "alex"):
        (plan,) = read_study_file(DOCS.parent / "studies" / f"methods-{name}.toml")
        assert all(f"| `{method}` |" in template for method in plan.method_names)
    monkeypatch.setattr(methods, "ROUNDS", 1)
    monkeypatch.setattr(methods, "STEPS", 2)
    recipe = {"epochs": 4, "batch_size": 8}
    recipes = {"lenet, straight-through": {"fixed4": recipe}, "lenet, parq": {"binary": recipe}}
    found = methods.step_seconds("lenet", "mnist-small/held-out", recipes)
    assert tuple(found) == ("straight-through", "parq")
    assert all(seconds > 0 for seconds in found.values())
