"""ONNX files as PyTorch modules that `bitwatt.quantize` takes; all that cannot be taken is listed at once."""

from bitwatt.onnx_import.importer import OnnxModel, read_onnx

__all__ = ["OnnxModel", "read_onnx"]
