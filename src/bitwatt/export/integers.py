"""The integers of a program's weights and biases as safetensors, with all that gives them a meaning.

Tensors are named after the layer: `fc1.weight`, `fc1.bias`. The metadata has one key, `bitwatt_integers`,
whose text is JSON: network, precision, input_shape, and operations, in order, with their formats, exponents
and shifts, where an array is named. (Several keys would be written in any order.)

A weight w stands for w * 2**weight_exponent, a bias b for b * 2**(weight_exponent + exponent of the input).
A fully connected layer behind a `Flatten` has its columns in the order (row, column, channel).
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from bitwatt.program.file import describe
from bitwatt.program.program import Program

KEY = "bitwatt_integers"
"""The metadata's only key."""


def safetensors_files(program: Program) -> dict[str, bytes]:
    """The one file of the form; integers in the least of int8, int16, int32 and int64 that holds a tensor."""
    described, arrays = describe(program)
    named: dict[str, NDArray[np.generic]] = {}
    for fields in described["ops"]:
        for field, value in fields.items():
            if isinstance(value, str) and value in arrays:
                fields[field] = f"{fields['name']}.{field}"
                named[fields[field]] = arrays[value]
    text = json.dumps(
        {
            "version": 1,
            "network": program.network,
            "precision": program.precision,
            "input_shape": program.input_shape,
            **({"other_inputs": program.other_inputs} if program.other_inputs else {}),
            "operations": described["ops"],
        }
    )
    return {"program.safetensors": save(named, metadata={KEY: text})}
