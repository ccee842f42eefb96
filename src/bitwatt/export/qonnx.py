"""ONNX with QONNX's nodes: Quant and BipolarQuant, of the domain qonnx.custom_op.general.

FINN, hls4ml and qonnx's own tools read it; as they want it, it takes one image. Arithmetic between the nodes
is float32, exact by the bounds of the program, as in the QDQ form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bitwatt.export.onnx_builder import GraphBuilder, Value
from bitwatt.export.onnx_lowering import Dialect, lower
from bitwatt.export.refusal import refuse
from bitwatt.formats import Binary, Fixed, Format, Ternary
from bitwatt.program import ops
from bitwatt.program.bounds import Range
from bitwatt.program.program import Program

DOMAIN = "qonnx.custom_op.general"
NOTE = "Computes the same integers as the bitwatt program: logits are equal, not close."


def qonnx_files(program: Program) -> dict[str, bytes]:
    """The one file of the form. Raises `UnsupportedError` for float32, which has nothing to quantise."""
    if program.is_float:
        refuse(QuantNodes.name, ["a float32 program has nothing to quantise; export it as onnx-qdq"])
    return {"program.onnx": lower(program, QuantNodes()).model(NOTE, DOMAIN, count=1)}


class QuantNodes(Dialect):
    """Quant nodes; BipolarQuant for binary weights."""

    name = "QONNX form"

    def on_grid(self, graph: GraphBuilder, x: Value, format: Format, exponent: int, name: str) -> Value:
        """As `Dialect` says."""
        narrow = isinstance(format, Ternary)
        return _quant(graph, x, 2.0**exponent, format.bits, name, signed=format.is_signed, narrow=narrow)

    def weights(self, graph: GraphBuilder, op: ops.Weighted) -> Value:
        """As `Dialect` says."""
        name = f"{op.name}/weight"
        weight = op.weight.astype(np.int64)
        scales = (2.0 ** np.array(op.weight_exponent)).reshape(-1, *[1] * (weight.ndim - 1))
        reals = graph.constant(weight * scales, np.float32, f"{name}/reals")
        scale = scales if len(scales) > 1 else scales.reshape(())
        if isinstance(op.weight_format, Binary):
            scale_ = graph.constant(scale, np.float32, f"{name}/scale")
            return graph.node("BipolarQuant", reals, scale_, name=name, domain=DOMAIN)
        if isinstance(op.weight_format, Fixed):
            bits, signed = op.weight_format.bits, op.weight_format.is_signed
        else:  # a subset of the whole numbers of this many bits
            bits, signed = Range(int(weight.min()), int(weight.max())).bits, True
        return _quant(graph, reals, scale, bits, name, signed=signed, narrow=False)

    def bias(self, graph: GraphBuilder, op: ops.Weighted, exponent: tuple[int, ...]) -> Value:
        """As `Dialect` says."""
        if op.bias is None:
            raise TypeError(f"'{op.name}' has no bias")
        return graph.constant(np.ldexp(op.bias.astype(np.float64), exponent), np.float32, f"{op.name}/bias")


def _quant(
    graph: GraphBuilder, x: Value, scale: ArrayLike, bits: int, name: str, *, signed: bool, narrow: bool
) -> Value:
    return graph.node(
        "Quant",
        x,
        graph.constant(scale, np.float32, f"{name}/scale"),
        graph.constant(0.0, np.float32, f"{name}/zero"),
        graph.constant(float(bits), np.float32, f"{name}/bits"),
        name=name,
        domain=DOMAIN,
        signed=int(signed),
        narrow=int(narrow),
        rounding_mode="ROUND",
    )
