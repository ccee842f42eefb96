"""C99 programs, compiled with warnings as errors and undefined behaviour trapped, give the same integers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitwatt.errors import UnsupportedError
from bitwatt.export import build
from bitwatt.export.c_program import c_program
from bitwatt.export.c_size import c_size
from bitwatt.program import Program, reference, reference_float32
from bitwatt.testing.drawn_networks import draw_network
from bitwatt.testing.export_suite import images_of
from bitwatt.testing.graph_programs import graph_programs
from bitwatt.testing.program_suite import float_programs, images_for, integer_programs

PAPER = ("float32", "fixed32", "fixed16", "fixed8", "fixed4", "pow2", "binary")
pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined")
SETTINGS = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


def outputs(
    made: Program, images: NDArray[np.float32], folder: Path, flags: tuple[str, ...] = STRICT
) -> NDArray[np.generic]:
    files = build(made, "c")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    source = next(name for name in files if name.endswith(".c") and name != "main.c")
    command = ["gcc", *flags, "-fno-sanitize-recover", "-O1", source, "main.c", "-o", "run"]
    compiled = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    ran = subprocess.run(
        [folder / "run"], input=np.ascontiguousarray(images, np.float32).tobytes(), capture_output=True
    )
    assert ran.returncode == 0, ran.stderr
    parse = float.fromhex if made.is_float else int
    lines = [[parse(word) for word in line.split()] for line in ran.stdout.decode().splitlines()]
    return np.array(lines, dtype=np.float32 if made.is_float else np.int64)


def expected(made: Program, images: NDArray[np.float32]) -> NDArray[np.generic]:
    kind = reference_float32 if made.is_float else reference
    values = kind.trace(made, images)[made.output].reshape(len(images), -1)
    return values if made.is_float else values.astype(np.int64)


@pytest.mark.parametrize(
    "precision",
    [
        pytest.param(name, marks=() if name in ("fixed8", "fixed4", "binary") else pytest.mark.slow)
        for name in PAPER
    ],
)
def test_lenet(precision, program, images, tmp_path):
    made, some = program("lenet", precision), images("lenet")
    logits = made(some).numpy()
    found = outputs(made, some.numpy(), tmp_path).astype(np.float64)
    exponent = np.zeros(1) if made.is_float else np.array(made.types[made.output].exponent)
    np.testing.assert_array_equal(found * 2.0**exponent, logits)


@pytest.mark.slow
@pytest.mark.parametrize("precision", PAPER)
def test_alex(precision, program, images, tmp_path):
    made, some = program("alex", precision), images("alex")
    logits = made(some).numpy()
    found = outputs(made, some.numpy(), tmp_path).astype(np.float64)
    exponent = np.zeros(1) if made.is_float else np.array(made.types[made.output].exponent)
    np.testing.assert_array_equal(found * 2.0**exponent, logits)


@given(st.one_of(integer_programs(), graph_programs(), float_programs()), st.data())
@settings(SETTINGS, max_examples=20)
def test_random_programs(tmp_path_factory: pytest.TempPathFactory, made: Program, data: st.DataObject):
    images = data.draw(images_for(made))
    try:
        found = outputs(made, images, tmp_path_factory.mktemp("c"))
    except UnsupportedError:
        return
    np.testing.assert_array_equal(found, expected(made, images))


def test_float32_stays_unfused(program, images, tmp_path):
    """A compiler that may fuse products with sums, on a machine that can, is told not to."""
    made, some = program("lenet", "float32"), images("lenet")[:4]
    flags = ("-std=gnu99", "-O3", "-ffp-contract=fast")
    if "fma" in Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else False:
        flags += ("-mfma",)
    np.testing.assert_array_equal(outputs(made, some.numpy(), tmp_path, flags), made(some).numpy())


def test_size(program):
    """A fixed4 weight takes half a byte, a binary one an eighth."""
    count = 430_500  # LeNet's weights: 500 + 25,000 + 400,000 + 5,000
    for precision, bits in (("binary", 1), ("fixed4", 4)):
        made = c_program(program("lenet", precision))
        assert 0 <= made.constant_bytes - count * bits / 8 < 4096
        size = c_size(made)
        if size.code is not None:
            assert made.constant_bytes < size.code < made.constant_bytes + 8192


def test_main_of_several_inputs(tmp_path):
    """It reads the images of one call one after the other."""
    drawn = next(
        drawn
        for drawn in (draw_network(seed, precisions=["fixed8"]) for seed in range(60))
        if drawn.inputs[1:]
    )
    made, (first, *others) = drawn.program, images_of(drawn)
    together = np.concatenate([each.reshape(len(first), -1) for each in (first, *others)], axis=1)
    found = outputs(made, together, tmp_path)
    plain = reference.trace(made, first, *others)[made.output].reshape(len(first), -1)
    np.testing.assert_array_equal(found, plain.astype(np.int64))


def test_names_of_any_kind(program, images, tmp_path):
    """Names come from files, and end up in comments and identifiers."""
    lenet = program("lenet", "fixed8")
    made = Program('*/ int x; "\\\n', lenet.precision, lenet.input_shape, lenet.ops)
    some = images("lenet")[:1].numpy()
    np.testing.assert_array_equal(outputs(made, some, tmp_path), expected(made, some))
