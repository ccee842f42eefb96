"""Many programs in C, compiled by one call of gcc, linked into one binary, and run.

That they link says something too: of two exports in one firmware, no symbols collide.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitwatt.export import build
from bitwatt.export.c_steps import value_type
from bitwatt.export.c_text import identifier
from bitwatt.program import Program
from bitwatt.testing.conformance import ConformanceError

FLAGS = (
    *("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O0"),
    *("-fsanitize=undefined", "-fno-sanitize-recover"),
)
"""Warnings are errors, and undefined behaviour ends the run."""

_DRIVER = """\
static int run_{name}(int count)
{{
    {held}
    static {ctype} output[{upper}_OUTPUTS];
    while (count-- > 0) {{
        if ({missing})
            return 1;
        {name}({images}, output);
        fwrite(output, sizeof output[0], {upper}_OUTPUTS, stdout);
    }}
    return 0;
}}
"""


def run_c(
    programs: Sequence[Program], images: Sequence[Sequence[NDArray[np.float32]]], folder: Path
) -> list[NDArray[np.float64]]:
    """Logits of each program, (count, outputs), for the images of its inputs, (count, ...) each.

    folder: where sources and the binary are written. Raises `ConformanceError` where gcc warns or the binary
    fails, with what they say, which names the program's file; `ValueError` for two programs of one name;
    `UnsupportedError` for a program that has no form in C.
    """
    names = [identifier(program.network) for program in programs]
    if len(set(names)) < len(names):
        raise ValueError(f"programs must have different names; got {names}")
    for program in programs:
        for file, content in build(program, "c").items():
            if file != "main.c":
                (folder / file).write_bytes(content)
    (folder / "main.c").write_text(_main(programs, names, [len(some[0]) for some in images]))
    sources = [f"{name}.c" for name in (*names, "main")]
    compiled = subprocess.run(
        ["gcc", *FLAGS, *sources, "-o", "run"], cwd=folder, capture_output=True, text=True, check=False
    )
    if compiled.returncode:
        raise ConformanceError(f"gcc refuses what was exported:\n{compiled.stderr}")
    sent = b"".join(_interleaved(some).tobytes() for some in images)
    ran = subprocess.run([folder / "run"], input=sent, capture_output=True, check=False)
    if ran.returncode:
        raise ConformanceError(f"the compiled programs fail:\n{ran.stderr.decode()}")
    made, start = [], 0
    for program, some in zip(programs, images, strict=True):
        dtype = _dtype(program)
        count = len(some[0])
        size = count * program.types[program.output].size
        values = np.frombuffer(ran.stdout, dtype, size, start).reshape(count, -1)
        start += size * dtype.itemsize
        made.append(_reals(program, values))
    if start != len(ran.stdout):
        raise ConformanceError(f"the compiled programs write {len(ran.stdout)} bytes, expected {start}")
    return made


def _interleaved(images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(count, elements of all inputs): the images of one call after the other."""
    return np.concatenate([some.reshape(len(some), -1) for some in images], axis=1, dtype=np.float32)


def _main(programs: Sequence[Program], names: Sequence[str], counts: Sequence[int]) -> str:
    heads = [f'#include "{name}.h"\n' for name in names]
    runs = [_driver(program, name) for program, name in zip(programs, names, strict=True)]
    calls = " || ".join(f"run_{name}({count})" for name, count in zip(names, counts, strict=True))
    return "".join(["#include <stdio.h>\n", *heads, *runs, f"int main(void) {{ return {calls}; }}\n"])


def _driver(program: Program, name: str) -> str:
    upper = name.upper()
    ends = ["", *(f"_{place}" for place in range(2, len(program.input_shapes) + 1))]
    pairs = [(f"image{end}", f"{upper}_INPUTS{end}") for end in ends]
    return _DRIVER.format(
        name=name,
        upper=upper,
        ctype=value_type(program, program.output),
        held="\n    ".join(f"static float {image}[{size}];" for image, size in pairs),
        missing=" || ".join(f"fread({i}, sizeof {i}[0], {n}, stdin) != {n}" for i, n in pairs),
        images=", ".join(image for image, _ in pairs),
    )


def _dtype(program: Program) -> np.dtype[np.generic]:
    ctype = value_type(program, program.output)
    return np.dtype("float32" if ctype == "float" else ctype.removesuffix("_t"))


def _reals(program: Program, values: NDArray[np.generic]) -> NDArray[np.float64]:
    """What the integers stand for, an exponent for all or one a channel; float32 numbers as they are."""
    reals = values.astype(np.float64)
    if program.is_float:
        return reals
    made: NDArray[np.float64] = np.ldexp(reals, np.array(program.types[program.output].exponent))
    return made
