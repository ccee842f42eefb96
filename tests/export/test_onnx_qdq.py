"""onnxruntime's logits are equal to the program's, at every level of optimisation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitwatt.errors import UnsupportedError
from bitwatt.export import build
from bitwatt.formats import Fixed
from bitwatt.program import Program, ops, reference
from bitwatt.testing.graph_programs import graph_programs
from bitwatt.testing.program_suite import images_for, integer_programs

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
LEVELS = sorted(level for level in dir(onnxruntime.GraphOptimizationLevel) if level.startswith("ORT_"))
EXACT = ("fixed16", "fixed8", "fixed4", "pow2", "binary")


def run(content: bytes, images: NDArray[np.float32], level: str) -> NDArray[np.float64]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0].astype(np.float64)


def test_there_are_levels():
    assert {"ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"} <= set(LEVELS)


@pytest.mark.parametrize("precision", EXACT)
@pytest.mark.parametrize("network", ["lenet", "alex"])
def test_networks(network, precision, program, images):
    made = program(network, precision)
    content = build(made, "onnx-qdq")["program.onnx"]
    expected = made(images(network)).numpy()
    for level in LEVELS:
        np.testing.assert_array_equal(run(content, images(network).numpy(), level), expected, level)


@given(st.one_of(integer_programs(), graph_programs()), st.data())
@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
def test_random_programs(made: Program, data: st.DataObject):
    if made.is_float:
        return
    images = data.draw(images_for(made))
    try:
        content = build(made, "onnx-qdq")["program.onnx"]
    except UnsupportedError:
        return
    expected = reference.logits(made, images)
    for level in LEVELS:
        np.testing.assert_array_equal(run(content, images, level), expected, level)


def one_layer(*, weight: int, shift: int, activations: Fixed, inputs: int = 1) -> Program:
    return Program(
        "small",
        "small",
        (inputs,),
        (
            ops.Quantize("q", "input", activations, 0),
            ops.Linear("fc", "q", np.full((1, inputs), weight), None, Fixed(8), (0,)),
            ops.Requantize("r", "fc", activations, (shift,)),
        ),
    )


@pytest.mark.parametrize("level", LEVELS)
def test_clamps_are_kept_where_scales_are_small(level):
    """A Clip would be dropped there: its ends differ by less than the epsilon of float32."""
    made = one_layer(weight=-1, shift=-30, activations=Fixed(2))
    images = np.array([[-1.0], [1.0]], dtype=np.float32)
    content = build(made, "onnx-qdq")["program.onnx"]
    np.testing.assert_array_equal(run(content, images, level), reference.logits(made, images))


@pytest.mark.parametrize("level", LEVELS)
def test_products_of_opposite_extremes_do_not_saturate(level):
    """Of unsigned by signed kernels, pairs of such products would on x86 without VNNI."""
    made = one_layer(weight=-128, shift=14, activations=Fixed(8), inputs=64)
    images = np.full((1, 64), -128.0, dtype=np.float32)
    content = build(made, "onnx-qdq")["program.onnx"]
    np.testing.assert_array_equal(run(content, images, level), reference.logits(made, images))


def test_every_refusal_at_once(program):
    with pytest.raises(UnsupportedError) as error:
        build(program("lenet", "fixed32"), "onnx-qdq")
    assert str(error.value) == "the program has no exact ONNX QDQ form:\n" + "\n".join(
        f"  - '{name}' ({kind}): reads integers of 32 bits, and float32 holds 25"
        for name, kind in (("conv1", "Conv2d"), ("conv2", "Conv2d"), ("fc1", "Linear"), ("fc2", "Linear"))
    )


def test_float32_is_close(program, images):
    made = program("lenet", "float32")
    some = images("lenet")[:12]
    expected = made(some).numpy()
    content = build(made, "onnx-qdq")["program.onnx"]
    # Sums of up to 800 rounded products, in another order: many roundings of 2**-24 each.
    tolerance = 1e-5 * np.abs(expected).max()
    for level in LEVELS:
        np.testing.assert_allclose(run(content, some.numpy(), level), expected, rtol=0, atol=tolerance)
