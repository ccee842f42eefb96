"""Drawn networks, exported, and run by tools that are not ours: they must give the program's bits.

    report = ExportReport()
    for seed in range(200):
        check_onnx(draw_network(seed), report)
    print(report)

What an exporter refuses by name is counted in the report, not compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwatt.errors import UnsupportedError
from bitwatt.export import build
from bitwatt.program import Program, explain
from bitwatt.testing.c_batch import run_c
from bitwatt.testing.conformance import ConformanceError, require
from bitwatt.testing.drawn_networks import DrawnNetwork
from bitwatt.testing.network_suite import check_logits

LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL")
"""Levels of optimisation of onnxruntime at which a network is run: as written, and with all that it fuses."""

FLOAT_TOLERANCE = 1e-4
"""Of the largest logit: a runtime adds float32 numbers in an order of its own."""


@dataclass
class ExportReport:
    """By form: how many networks were compared, with which kinds of operations, and which were refused."""

    compared: Counter[str] = field(default_factory=Counter)
    operations: dict[str, set[type]] = field(default_factory=dict)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    """By form, the network and its precision: what the exporter said."""

    def add(self, form: str, program: Program) -> None:
        """A network was compared."""
        self.compared[form] += 1
        self.operations.setdefault(form, set()).update(type(op) for op in program.ops)

    def share(self, form: str) -> float:
        """Of the networks that were given to the exporter, the part that was compared."""
        refused = len(self.refused.get(form, ()))
        return self.compared[form] / max(1, self.compared[form] + refused)

    def __str__(self) -> str:
        forms = sorted({*self.compared, *self.refused})
        return "; ".join(
            f"{f}: {self.compared[f]} equal, {len(self.refused.get(f, ()))} refused" for f in forms
        )


def exported(drawn: DrawnNetwork, form: str, report: ExportReport) -> Mapping[str, bytes] | None:
    """The files of the form; None for a refusal, which is written into the report.

    Raises `ConformanceError` for a refusal that names no operation of the program.
    """
    try:
        return build(drawn.program, form)
    except UnsupportedError as error:
        named = any(f"'{op.name}' ({type(op).__name__})" in str(error) for op in drawn.program.ops)
        require(named, drawn, f"refused as {form} without the name of an operation: {error}")
        report.refused.setdefault(form, {})[f"{drawn.program.network} at {drawn.precision}"] = str(error)
        return None


def check_onnx(drawn: DrawnNetwork, report: ExportReport, levels: Sequence[str] = LEVELS) -> None:
    """Compare onnxruntime's logits of the QDQ form with those of module, program and reference.

    Equal on every bit; float32 networks are near. Raises `ConformanceError` where they differ.
    """
    files = exported(drawn, "onnx-qdq", report)
    if files is None:
        return
    expected, program = check_logits(drawn), drawn.program
    for level in levels:
        try:
            got = run_onnx(files["program.onnx"], *images_of(drawn), level=level)
        except ConformanceError as error:
            raise ConformanceError(f"{error}. {drawn}\n{explain(program)}") from error
        if program.is_float:
            least = FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max()))
            require(np.allclose(got, expected, rtol=0, atol=least), drawn, f"ONNX at {level} is far off")
        else:
            _same(drawn, f"ONNX at {level}", got, expected)
    report.add("onnx-qdq", program)


def check_c(networks: Sequence[DrawnNetwork], report: ExportReport, folder: Path) -> None:
    """Compare the outputs of C programs, all in one binary, with those of module, program and reference.

    Equal on every bit, float32 too. folder: where sources are written. Raises `ConformanceError` with the
    first network that differs, and where the sources do not compile without a warning, or do what C99 leaves
    undefined.
    """
    held = [drawn for drawn in networks if exported(drawn, "c", report) is not None]
    if not held:
        return
    found = run_c([drawn.program for drawn in held], [images_of(drawn) for drawn in held], folder)
    for drawn, got in zip(held, found, strict=True):
        expected = check_logits(drawn)
        _same(drawn, "C99", got, expected)
        if drawn.program.is_float:  # zeros have signs
            _same(drawn, "C99's signs", np.signbit(got), np.signbit(expected))
    for drawn in held:
        report.add("c", drawn.program)


def run_onnx(content: bytes, *images: NDArray[np.float32], level: str) -> NDArray[np.float64]:
    """Logits of onnxruntime on one core, at one of its levels of optimisation, for the images of each input.

    Raises `ConformanceError` where it does not run the model, and `ImportError` where it is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        given = dict(zip((each.name for each in session.get_inputs()), images, strict=True))
        made: NDArray[np.float64] = session.run(None, given)[0].astype(np.float64)
    except Exception as error:  # its errors have no other base
        raise ConformanceError(f"onnxruntime fails at {level}: {error}") from error
    return made


def images_of(drawn: DrawnNetwork) -> list[NDArray[np.float32]]:
    """The images of each input as the program has them: a sequence is a map of one row."""
    shapes = drawn.program.input_shapes.values()
    return [images.numpy().reshape(-1, *shape) for images, shape in zip(drawn.inputs, shapes, strict=True)]


def _same(drawn: DrawnNetwork, what: str, got: NDArray[Any], expected: NDArray[Any]) -> None:
    expected = expected.reshape(len(expected), -1)
    if not np.array_equal(got, expected):
        raise ConformanceError(f"{what} differs from the program. {drawn}\n{explain(drawn.program)}")
