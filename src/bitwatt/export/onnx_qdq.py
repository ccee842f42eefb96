"""ONNX with QuantizeLinear and DequantizeLinear, in the form that onnxruntime computes exactly everywhere.

Weights of eight bits or fewer are unsigned, with 128 as their zero point, and so are activations. Where
onnxruntime fuses such a graph into integer kernels (from ORT_ENABLE_EXTENDED on), it multiplies unsigned by
unsigned, and that is exact. With the usual signed weights it multiplies unsigned by signed, which on x86
without VNNI adds pairs of products in 16 bits and saturates; `docs/export.md` has the measurements.
"""

from __future__ import annotations

import numpy as np

from bitwatt.export.onnx_builder import GraphBuilder, Value
from bitwatt.export.onnx_float import float_model
from bitwatt.export.onnx_lowering import Dialect, lower
from bitwatt.export.uniform import ends
from bitwatt.formats import Format
from bitwatt.program import ops
from bitwatt.program.program import Program

NOTE = (
    "Computes the same integers as the bitwatt program: logits are equal, not close. Weights are unsigned "
    "with zero point 128, since onnxruntime's kernels for unsigned by signed saturate on x86 without VNNI."
)
ZERO = 128
"""Zero point of signed integers of eight bits or fewer."""


def qdq_files(program: Program) -> dict[str, bytes]:
    """The one file of the form. A float32 program becomes a graph of float32, equal but for rounding."""
    if program.is_float:
        return {"program.onnx": float_model(program)}
    return {"program.onnx": lower(program, QuantizeDequantize()).model(NOTE)}


class QuantizeDequantize(Dialect):
    """Pairs of QuantizeLinear and DequantizeLinear."""

    name = "ONNX QDQ form"

    def on_grid(self, graph: GraphBuilder, x: Value, format: Format, exponent: int, name: str) -> Value:
        """As `Dialect` says."""
        low, high = ends(format)
        dtype, zero = _code_type(format)
        info = np.iinfo(dtype)
        if (low, high) != (info.min - zero, info.max - zero):
            least, most = (np.ldexp(float(end), exponent) for end in (low, high))
            x = graph.clamp(x, least, most, np.float32, f"{name}/clamp")
        scale = graph.constant(2.0**exponent, np.float32, f"{name}/scale")
        point = graph.constant(zero, dtype, f"{name}/zero")
        codes = graph.node("QuantizeLinear", x, scale, point, name=f"{name}/codes")
        return graph.node("DequantizeLinear", codes, scale, point, name=name)

    def weights(self, graph: GraphBuilder, op: ops.Weighted) -> Value:
        """As `Dialect` says."""
        name = f"{op.name}/weight"
        weight, scales = op.weight.astype(np.int64), 2.0 ** np.array(op.weight_exponent)
        low, high = int(weight.min()), int(weight.max())
        dtype: type[np.integer]
        if low >= -ZERO and high < ZERO:
            dtype, zero = np.uint8, ZERO
        elif low >= -(2**15) and high < 2**15:
            dtype, zero = np.int16, 0
        else:
            over = scales.reshape(-1, *[1] * (weight.ndim - 1))
            return graph.constant(weight * over, np.float32, name)
        whole = len(scales) == 1
        codes = graph.constant(weight + zero, dtype, f"{name}/codes")
        scale = graph.constant(scales[0] if whole else scales, np.float32, f"{name}/scale")
        point = graph.constant(zero if whole else np.full(len(scales), zero), dtype, f"{name}/zero")
        return graph.node("DequantizeLinear", codes, scale, point, name=name, axis=0)

    def bias(self, graph: GraphBuilder, op: ops.Weighted, exponent: tuple[int, ...]) -> Value:
        """As `Dialect` says."""
        name = f"{op.name}/bias"
        if op.bias is None:
            raise TypeError(f"'{op.name}' has no bias")
        scales = 2.0 ** np.array(exponent)
        codes = graph.constant(op.bias, np.int32, f"{name}/codes")
        scale = graph.constant(scales[0] if len(scales) == 1 else scales, np.float32, f"{name}/scale")
        return graph.node("DequantizeLinear", codes, scale, name=name, axis=0)


def _code_type(format: Format) -> tuple[type[np.integer], int]:
    """Type and zero point of codes."""
    if format.bits <= 8:
        return np.uint8, ZERO if format.is_signed else 0
    return (np.int16, 0) if format.is_signed else (np.uint16, 0)
