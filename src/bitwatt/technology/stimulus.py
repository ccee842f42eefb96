"""Operands as waves: checks a block's stimulus, and packs bits of cycles and streams into integers and back.

A wave holds bit `cycle * streams + stream` of one net; see `activity.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bitwatt.errors import RequestError, unknown_name
from bitwatt.technology.netlist import Netlist


def check_stimulus(netlist: Netlist, stimulus: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The stimulus as (streams, cycles) arrays of integers that fit their ports."""
    inputs = {p.name: p for p in netlist.ports.values() if p.direction == "input" and p.name != netlist.clock}
    for name in stimulus:
        if name not in inputs:
            raise unknown_name(f"input port of block '{netlist.name}'", name, inputs)
    checked: dict[str, npt.NDArray[Any]] = {}
    for name, port in inputs.items():
        if name not in stimulus:
            raise RequestError(
                f"block '{netlist.name}': the stimulus lacks input port '{name}'; give it one integer a cycle"
            )
        values = np.atleast_2d(np.asarray(stimulus[name]))
        if values.ndim != 2 or values.dtype.kind not in "iubO":
            raise RequestError(
                f"block '{netlist.name}': port '{name}' takes integers of shape (cycles,) or (streams, "
                f"cycles), got {values.dtype} of shape {values.shape}"
            )
        width = len(port.nets)
        if values.size and not (-(1 << (width - 1)) <= int(values.min()) and int(values.max()) < 1 << width):
            raise RequestError(
                f"block '{netlist.name}': port '{name}' has {width} bits and cannot hold values from "
                f"{values.min()} to {values.max()}"
            )
        checked[name] = values.astype(np.uint8) if values.dtype.kind == "b" else values
    if not checked:
        raise RequestError(f"block '{netlist.name}' has no input port to give operands to")
    shapes = {name: values.shape for name, values in checked.items()}
    if len(set(shapes.values())) != 1:
        raise RequestError(f"block '{netlist.name}': all ports need one shape, got {shapes}")
    return checked


def pack_bits(bits: npt.NDArray[Any]) -> int:
    """A (cycles, streams) array of 0 and 1 as a wave."""
    return int.from_bytes(np.packbits(bits.astype(np.uint8).ravel(), bitorder="little").tobytes(), "little")


def unpack_bits(wave: int, cycles: int, streams: int) -> npt.NDArray[np.uint8]:
    """A wave as a (cycles, streams) array of 0 and 1."""
    count = cycles * streams
    data = np.frombuffer(wave.to_bytes((count + 7) // 8, "little"), dtype=np.uint8)
    return np.unpackbits(data, count=count, bitorder="little").reshape(cycles, streams)


def cut_wave(wave: int, cycles: int, streams: int) -> list[int]:
    """A wave cut into one integer of `streams` bits for each cycle."""
    packed = np.packbits(unpack_bits(wave, cycles, streams), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def join_wave(rows: list[int], streams: int) -> int:
    """The inverse of `cut_wave`."""
    size = (streams + 7) // 8
    data = np.frombuffer(b"".join(row.to_bytes(size, "little") for row in rows), dtype=np.uint8)
    bits = np.unpackbits(data.reshape(len(rows), size), axis=1, count=streams, bitorder="little")
    return pack_bits(bits)
