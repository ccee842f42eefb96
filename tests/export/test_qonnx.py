"""qonnx's own executor gives the program's logits."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from bitwatt.errors import UnsupportedError
from bitwatt.export import build


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["fixed8", "fixed4", "binary"])
def test_lenet(precision, program, images):
    reason = "qonnx is not installed (pip install qonnx)"
    wrapper = pytest.importorskip("qonnx.core.modelwrapper", reason=reason)
    executor = pytest.importorskip("qonnx.core.onnx_exec", reason=reason)
    shapes = pytest.importorskip("qonnx.transformation.infer_shapes", reason=reason)
    made, some = program("lenet", precision), images("lenet")[6:]
    model = wrapper.ModelWrapper(onnx.load_from_string(build(made, "qonnx")["program.onnx"]))
    model = model.transform(shapes.InferShapes())
    found = [executor.execute_onnx(model, {"images": image[None]})["logits"] for image in some.numpy()]
    np.testing.assert_array_equal(np.concatenate(found).astype(np.float64), made(some).numpy())


def test_float32_is_refused(program):
    with pytest.raises(UnsupportedError) as error:
        build(program("lenet", "float32"), "qonnx")
    assert str(error.value) == (
        "the program has no exact QONNX form:\n"
        "  - a float32 program has nothing to quantise; export it as onnx-qdq"
    )
