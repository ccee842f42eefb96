"""The end of a search: what was found, evaluated once on the test images, as records in `search.json`.

Everything is chosen on images held out of the training images. The test images are looked at once, for the
networks that were chosen by then, by the exact program; the result is kept, so that a search that goes on
does not look again.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bitwatt
from bitwatt.costing import cost
from bitwatt.errors import BitwattError
from bitwatt.formats import parse_precision
from bitwatt.program import Program, evaluate, lower
from bitwatt.program.file import from_bytes
from bitwatt.quantization import quantize
from bitwatt.study.search import front
from bitwatt.study.search.front import Candidate
from bitwatt.study.search.quantities import ACCURACY, written
from bitwatt.study.search.space import REFERENCE, Design, Space, TileCost, network_name
from bitwatt.study.search.store import SearchStore
from bitwatt.study.search.subjects import Subjects
from bitwatt.study.search.training import SCREENED, STOPPED, TRAINED, float_network
from bitwatt.study.subject import load_data
from bitwatt.study.work import stored

RESULTS_NAME = "search.json"
SCHEMA = 1

Record = dict[str, Any]


class NothingFound(BitwattError):
    """No network was trained, or none has the accuracy of the budget; the message names the nearest."""


def finish(
    results: Mapping[Design, Mapping[str, Any]],
    subjects: Subjects,
    space: Space,
    store: SearchStore,
    folder: Path,
    command: str,
    data_dir: Path | None,
) -> Record:
    """Choose, evaluate what was chosen on the test images, and write `search.json`; returns what is in it.

    Raises `NothingFound`, after writing where there is something to write.
    """
    ending = _Ending(subjects, space, store, command, data_dir)
    found = [
        Candidate(design, on, record["accuracy"], record)
        for design, record in results.items()
        if record["status"] == TRAINED
        for on in space.tiles(design)
    ]
    if not found:
        raise NothingFound(
            f"no network was trained in full ({len(results)} were looked at); allow more "
            "time, trials or loss. The same command goes on from there"
        )
    text = json.dumps(record := ending.record(results, found), indent=1, allow_nan=False) + "\n"
    partial = folder / f".{RESULTS_NAME}.partial"
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, folder / RESULTS_NAME)
    if record["best"] is None:
        one = front.nearest(found, subjects.plan.budget)
        raise NothingFound(
            f"no network that was trained has {_budget_text(subjects.plan.budget)}; the nearest is "
            f"{network_name(subjects.plan.network, one.design)} at {one.design.precision}: "
            + ", ".join(f"{name} {written(name, one.amount(name))}" for name in subjects.plan.budget)
            + f". All are in '{folder / RESULTS_NAME}'; more time or trials go on from there"
        )
    return record


class _Ending:
    def __init__(
        self, subjects: Subjects, space: Space, store: SearchStore, command: str, data_dir: Path | None
    ) -> None:
        self._subjects, self._space, self._store = subjects, space, store
        self._plan = subjects.plan
        self._command = command
        self._test = load_data(self._plan.data, data_dir, 0.0).test
        self._floats = space.tiles(REFERENCE)
        self._programs: dict[Design, Program] = {}

    def record(self, results: Mapping[Design, Mapping[str, Any]], found: list[Candidate]) -> Record:
        """All of `search.json`."""
        plan, data = self._plan, self._subjects.data
        reference = self._reference()
        points = front.pareto(found, plan.objectives)
        chosen = {"best": front.best(found, plan)} | {
            name: front.as_accurate(found, reference["validation"]["accuracy"], name) for name in front.SAVED
        }
        points += [one for one in chosen.values() if one is not None and one not in points]
        places = {name: None if one is None else points.index(one) for name, one in chosen.items()}
        by_status = [record["status"] for record in results.values()]
        return {
            "schema": SCHEMA,
            "bitwatt": bitwatt.__version__,
            "search": plan.name,
            "plan": plan.as_json(),
            "data": {
                "name": plan.data,
                "train": len(data.train),
                "validation": len(data.test),
                "test": len(self._test),
                "sha256": data.sha256,
                "source": data.source,
            },
            "looked_at": {status: by_status.count(status) for status in (TRAINED, STOPPED, SCREENED)},
            "reference": reference,
            "best": places.pop("best"),
            "as_accurate_as_float": places,
            "points": [self._point(one, reference) for one in points],
            "provenance": {
                "chosen": "on validation images, held out of the training images",
                "accuracy": "measured: by the exact program, but for the float network's validation, which "
                "is PyTorch's; nothing was chosen by test",
                "saving": "against the float network on a tile of the same shape and buffers; "
                "energy_of_best_float: on the tile of the space that costs it least energy",
                "costs": "the schedule's events times unit costs, as of `bitwatt cost`",
            },
        }

    def _reference(self) -> Record:
        stage = self._subjects.float_stage(REFERENCE.shape)
        kept = self._store.artifact(stage.digest)
        key = f"test:{stage.digest}"
        if self._store.value(key) is None:
            network = float_network(stage.subject.network, stage.seed, stored(self._store.artifacts, kept))
            quantised = quantize(network, REFERENCE.precision, calibration=self._subjects.data.calibration)
            self._look_at_test(key, lower(quantised.eval(), self._test.images[:1]))
        least = min(self._floats, key=lambda one: one.costs[self._plan.costs[0]])
        return {
            "network": stage.subject.network,
            "precision": REFERENCE.precision,
            "epochs": stage.epochs,
            "validation": {"accuracy": kept.record["accuracy"]},
            "test": self._store.value(key),
            "tile": _tile_record(least),
            **_cost_record(least),
        }

    def _point(self, one: Candidate, reference: Record) -> Record:
        plan, precision = self._plan, parse_precision(one.design.precision)
        digest = self._subjects.point_stage(one.design).digest
        program = self._program(one.design, digest)
        key = f"test:{digest}"
        if self._store.value(key) is None:
            self._look_at_test(key, program)
        exact = cost(program, one.on.tile, technology=plan.technology)
        found = (exact.energy_j, exact.area_mm2, exact.memory_bytes)
        if found != (one.on.costs["energy"], one.on.costs["area"], one.on.memory_bytes):
            raise BitwattError(
                f"{network_name(plan.network, one.design)} at {one.design.precision} costs "
                f"{found}, and the sweep said {one.on.costs} and {one.on.memory_bytes}: a defect of bitwatt"
            )
        test = self._store.value(key)
        return {
            "network": network_name(plan.network, one.design),
            "width": one.design.width,
            "depth": one.design.depth,
            "precision": one.design.precision,
            "weights": str(precision.weights),
            "activations": str(precision.activations),
            **_layers_record(one),
            "tile": _tile_record(one.on),
            "validation": {name: one.record[name] for name in ("accuracy", "correct", "count")},
            "test": test,
            "untrained_accuracy": one.record["untrained_accuracy"],
            "epochs": one.record["epochs"],
            **_cost_record(one.on),
            "within_budget": front.meets(one, plan.budget),
            "saving": front.savings(one.on, self._floats),
            "as_accurate_as_float": {
                "validation": one.accuracy >= reference["validation"]["accuracy"],
                "test": test["accuracy"] >= reference["test"]["accuracy"],
            },
            "program_sha256": one.record["program_sha256"],
            "program": f"artifacts/{self._store.artifact(digest).artifact_id}",
            "command": self._line(one),
        }

    def _program(self, design: Design, digest: str) -> Program:
        if design not in self._programs:
            kept = self._store.artifact(digest)
            self._programs[design] = from_bytes(stored(self._store.artifacts, kept), kept.artifact_id)
        return self._programs[design]

    def _look_at_test(self, key: str, program: Program) -> None:
        found = evaluate(program, self._test)
        self._store.keep_value(
            key, {"accuracy": found.accuracy, "correct": found.correct, "count": found.count}
        )

    def _line(self, one: Candidate) -> str:
        """The command that makes this point again: the same search, of a space that holds nothing else."""
        tile, design = one.on.tile, one.design
        options = {
            "precisions": design.precision,
            **({"layers": ",".join("=".join(own) for own in design.layers)} if design.layers else {}),
            "widths": f"{design.width:g}",
            **({"depths": design.depth} if design.depth else {}),
            "neurons": tile.neurons,
            "synapses": tile.synapses,
            "rows": tile.rows,
            "buffers": tile.buffers,
        }
        alone = " --no-layer-precisions" if self._plan.layer_precisions else ""
        line = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in options.items())
        return f"{self._command}{line}{alone}"


def _layers_record(one: Candidate) -> Record:
    """Layers with precisions of their own, and the tile's, the widest's; nothing without them."""
    if not one.design.layers:
        return {}
    return {"layers": dict(one.design.layers), "tile_precision": str(one.on.tile.precision)}


def _tile_record(on: TileCost) -> Record:
    tile = on.tile
    names = (
        "neurons", "synapses", "rows", "clock_hz", "buffers", "clock_gating", "fan_in", "residual", "clip",
    )  # fmt: skip
    return {name: getattr(tile, name) for name in names}


def _cost_record(on: TileCost) -> Record:
    return {
        "cycles": on.cycles,
        "runtime_s": on.costs["time"],
        "energy_j": on.costs["energy"],
        "power_w": on.costs["power"],
        "area_mm2": on.costs["area"],
        "memory_bytes": dict(on.memory_bytes),
        "energy_j_by_component": dict(on.by_component["energy_j"]),
        "area_mm2_by_component": dict(on.by_component["area_mm2"]),
    }


def _budget_text(budget: Mapping[str, float]) -> str:
    def limit(name: str) -> str:
        least = "an accuracy of" if name == ACCURACY else f"{name} of at most"
        return f"{least} {written(name, budget[name])}"

    return " and ".join(map(limit, budget))
