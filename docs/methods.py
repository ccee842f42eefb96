#!/usr/bin/env python3
"""Writes docs/methods.md: what each training method wins back, and what it costs in training time.

usage: python docs/methods.py [DIR ...]

Each DIR is the folder of a study of `studies/methods-*.toml`, finished or not; its data must be at hand, for
every method is timed on it. What the page needs is kept in results/methods/NETWORK.json. Without a DIR it is
written from what is kept.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from bitwatt.report.quantities import MINUS

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "results" / "methods"


@dataclass(frozen=True)
class Row:
    """A method at a precision: its accuracy on held-out images, and its own epochs beside float's."""

    method: str
    precision: str
    correct: int
    count: int
    epochs: int

    @property
    def accuracy(self) -> float:
        return self.correct / self.count

    @property
    def error(self) -> float:
        """Standard error of the accuracy, from the number of images alone."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.count)


@dataclass(frozen=True)
class Comparison:
    """One network: its float network, and every method that is finished.

    steps: of an epoch. step_seconds: processor time of a step of each method at the last precision.
    """

    network: str
    data: str
    seed: int
    float_epochs: int
    planned: int
    float32: Row
    rows: tuple[Row, ...]
    steps: int
    step_seconds: Mapping[str, float]

    @property
    def precisions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.precision for row in self.rows))

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def at(self, method: str, precision: str) -> Row | None:
        return next((r for r in self.rows if (r.method, r.precision) == (method, precision)), None)

    def best(self, precision: str) -> Row:
        return max((row for row in self.rows if row.precision == precision), key=lambda row: row.correct)


def read_study(folder: Path) -> Comparison:
    """What the page needs of a study's results, and how long steps take."""
    results = json.loads((folder / "results.json").read_text())

    def row(point: dict[str, Any]) -> Row:
        method = point["network"].partition(", ")[2]
        return Row(
            method, point["precision"], point["correct"], point["count"], point["epochs"]["retraining"]
        )

    points = results["points"]
    float32 = next(point for point in points if point["precision"] == "float32")
    network, recipes = float32["network"], results["recipes"]["retraining"]
    batch_size = next(recipe["batch_size"] for of in recipes.values() for recipe in of.values())
    return Comparison(
        network=network,
        data=results["data"]["source"],
        seed=float32["seed"],
        float_epochs=float32["epochs"]["pretraining"],
        planned=results["planned_points"] - 1,
        float32=row(float32),
        rows=tuple(row(point) for point in points if point is not float32),
        steps=-(-results["data"]["train"] // batch_size),
        step_seconds=step_seconds(network, results["data"]["name"], recipes),
    )


def step_seconds(network: str, data_name: str, recipes: dict[str, Any]) -> dict[str, float]:
    """Processor time of a training step of each method at its last precision, on one thread.

    The least over the steps of `ROUNDS` turns, all methods in every turn: other work hardly counts.
    """
    import torch

    import bitwatt as bw

    torch.set_num_threads(1)
    data = bw.datasets.load(data_name.removesuffix("/held-out"))
    net = bw.networks.create(network, seed=0)
    least: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, of_precisions in recipes.items():
            precision, values = list(of_precisions.items())[-1]
            recipe = replace(bw.Recipe.from_dict(values), epochs=1, narrowing="")
            count = STEPS * recipe.batch_size
            part = Part(Split(data.train.images[:count], data.train.labels[:count]))
            q = bw.quantize(net, precision, calibration=data.calibration)
            at: list[float] = []

            def tick(_: object, at: list[float] = at) -> None:
                at.append(time.process_time())

            bw.train(q, part, recipe, teacher=net, device="cpu", progress=tick)
            method = name.partition(", ")[2]
            least[method] = min(least.get(method, math.inf), *(b - a for a, b in pairwise(at)))
    return least


ROUNDS, STEPS = 3, 13


@dataclass(frozen=True)
class Split:
    """Images and labels, as training reads them."""

    images: Any
    labels: Any


@dataclass(frozen=True)
class Part:
    """The beginning of a data set."""

    train: Split


def epoch_seconds(lines: Iterable[str]) -> dict[tuple[str, int], float]:
    """Seconds by stage and epoch; of an epoch that was done twice, after a kill, the last."""
    events = (json.loads(line) for line in lines)
    return {(e["stage"], e["epoch"]): e["seconds"] for e in events if e["event"] == "EpochDone"}


def total(seconds: dict[tuple[str, int], float], stage: str, epochs: int) -> float | None:
    found = [seconds.get((stage, epoch)) for epoch in range(1, epochs + 1)]
    return None if None in found else sum(s for s in found if s is not None)


def keep(comparison: Comparison) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{comparison.network}.json").write_text(json.dumps(asdict(comparison), indent=1) + "\n")


def kept() -> list[Comparison]:
    found = []
    for path in sorted(KEPT.glob("*.json"), reverse=True):  # LeNet before ALEX
        values = json.loads(path.read_text())
        rows = tuple(Row(**row) for row in values.pop("rows"))
        found.append(Comparison(**values | {"rows": rows, "float32": Row(**values["float32"])}))
    return found


def section(comparison: Comparison) -> str:
    """A network's heading, conditions and table."""
    reference = comparison.float32
    unfinished = comparison.planned - len(comparison.rows)
    error = 100 * max(row.error for row in near(comparison))
    conditions = (
        f"Accuracy on {reference.count:,} held-out training images, seed {comparison.seed}. Float32: "
        f"{percent(reference)} after {comparison.float_epochs} epochs. The standard error of an "
        f"accuracy is about {error:.2f} points; smaller differences mean little. Data: {comparison.data}."
        + (f" {unfinished} of {comparison.planned} points are not finished." if unfinished else "")
    )
    head = ["method", *comparison.precisions, "epochs", "extra training", "a step"]
    rows = [method_row(comparison, method) for method in comparison.methods]
    return f"## {comparison.network}\n\n{conditions}\n\n{table(head, rows)}"


def near(comparison: Comparison) -> list[Row]:
    """Float32 and the best of each precision: what a difference has to be told apart from."""
    return [comparison.float32, *map(comparison.best, comparison.precisions)]


def method_row(comparison: Comparison, method: str) -> list[str]:
    cells = []
    for precision in comparison.precisions:
        row = comparison.at(method, precision)
        text = "" if row is None else percent(row)
        is_best = row is not None and row.correct == comparison.best(precision).correct
        cells.append(f"**{text}**" if is_best else text)
    (epochs,) = {row.epochs for row in comparison.rows if row.method == method}
    step = comparison.step_seconds[method]
    took = f"{epochs * comparison.steps * step / 60:.1f} min"
    beside = f"{100 * (step / comparison.step_seconds[PLAIN] - 1):+.0f} %".replace("-", MINUS)
    return [f"`{method}`", *cells, str(epochs), took, beside if epochs else ""]


PLAIN = "straight-through"
"""The method that the others' steps are compared with: nothing is added to it."""


def choice(comparisons: list[Comparison]) -> str:
    """The best method of each network and precision, and how far from float it leaves it."""
    head = [
        "network",
        "precision",
        "best method",
        "accuracy",
        "points below float32",
        "within an error of it",
    ]
    rows = []
    for comparison in comparisons:
        for precision in comparison.precisions:
            best = comparison.best(precision)
            others = [row for row in comparison.rows if row.precision == precision and row is not best]
            level = [f"`{row.method}`" for row in others if best.accuracy - row.accuracy <= best.error]
            below = f"{100 * (comparison.float32.accuracy - best.accuracy):.2f}".replace("-", MINUS)
            told = [f"`{best.method}`", percent(best), below, ", ".join(level)]
            rows.append([comparison.network, precision, *told])
    return table(head, rows)


def percent(row: Row) -> str:
    return f"{100 * row.accuracy:.2f} %"


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(comparisons: list[Comparison]) -> str:
    """The text of docs/methods.md."""
    template = (Path(__file__).parent / "templates" / "methods.md").read_text()
    return template.format(
        choice=choice(comparisons), tables="\n\n".join(section(comparison) for comparison in comparisons)
    )


def main(folders: list[str]) -> None:
    for folder in folders:
        keep(read_study(Path(folder)))
    if not (comparisons := kept()):
        print("docs/methods.md is written once a study of studies/methods-*.toml is given")
        return
    path = Path(__file__).parent / "methods.md"
    path.write_text(page(comparisons))
    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
