"""A program as C99: a source and a header without dependencies, and a `main` that reads images.

Maps are (row, column, channel), weights lie in the order in which they are read, sums are int32_t or int64_t
as the bounds of the program prove (two words where neither holds them), and every value has its place in a
static buffer: nothing is allocated, and calls may not overlap. The arithmetic is the program's, rounding for
rounding: the integers are the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import bitwatt
from bitwatt.export.c_float32 import PREAMBLE, FloatWriter
from bitwatt.export.c_helpers import helper_text
from bitwatt.export.c_layers import LayerWriter
from bitwatt.export.c_refusals import objections
from bitwatt.export.c_rounding import Source
from bitwatt.export.c_steps import Buffers, Step, aliases, plan_buffers, steps_of, value_type
from bitwatt.export.c_text import identifier
from bitwatt.export.refusal import refuse
from bitwatt.program.program import Program


@dataclass(frozen=True)
class CProgram:
    """The files by name, bytes of weights and other constants of layers, and of the static buffers."""

    files: dict[str, bytes]
    constant_bytes: int
    buffer_bytes: int


def c_files(program: Program) -> dict[str, bytes]:
    """The files of the form. Raises `UnsupportedError` as `c_program` does."""
    return c_program(program).files


def c_program(program: Program) -> CProgram:
    """The program in C. Raises `UnsupportedError` with every operation that has no form in C."""
    refuse("form in C99", objections(program))
    name = identifier(program.network)
    steps = steps_of(program)
    buffers = plan_buffers(program, steps)
    source = Source()
    writer = FloatWriter(program, source) if program.is_float else LayerWriter(program, source)
    functions, constant_bytes = [], 0
    for step in steps:
        text, size = writer.function(step, _function_name(step))
        functions.append(f"/* {_described(program, step)} */\n{text}")
        constant_bytes += size
    parts = [
        f'/* {_title(program)} */\n#include "{name}.h"\n',
        PREAMBLE.format(lanes=program.lanes) if program.is_float else "",
        "".join(f"static {ctype} {_buffer(ctype)}[{n}];\n" for ctype, n in buffers.lengths.items()),
        helper_text(source.helpers),
        "\n".join(source.grids.values()),
        *functions,
        _entry_points(program, name, steps, buffers),
    ]
    files = {
        f"{name}.h": _header(program, name, steps),
        f"{name}.c": "\n".join(part for part in parts if part),
        "main.c": _main(program, name),
    }
    encoded = {file: text.encode() for file, text in files.items()}
    return CProgram(encoded, constant_bytes, buffers.bytes)


def _title(program: Program) -> str:
    """One line; names are the user's, and may hold anything."""
    network, precision = (re.sub(r"[^\w :.-]", "_", text) for text in (program.network, program.precision))
    return f"{network} at {precision}, made by bitwatt {bitwatt.__version__}"


def _function_name(step: Step) -> str:
    return f"step{step.index}_{identifier(step.ops[0].name)}"


def _described(program: Program, step: Step) -> str:
    kinds = ", ".join(type(op).__name__ for op in step.ops)
    shape = " x ".join(map(str, program.types[step.made].shape))
    return f"{kinds}: {shape}, {program.types[step.made].format}"


def _header(program: Program, name: str, steps: tuple[Step, ...]) -> str:
    upper, made = name.upper(), program.types[program.output]
    result = value_type(program, program.output)
    exponents = ", ".join(map(str, made.exponent))
    outputs = _lengths(made.shape)
    shapes = list(program.input_shapes.values())
    shown = "; ".join(
        f"{image}: {_lengths(shape)}" + (", as PyTorch has it" if image == "image" else "")
        for image, shape in zip(_numbered("image", shapes), shapes, strict=True)
    )
    meaning = (
        "Outputs are float32."
        if program.is_float
        else f"Integers, in units of 2**exponent;\n   exponents, one for all or one a channel: {exponents}."
    )
    orders = ["(row, column, channel)" if len(s) == 3 else "any order that the image has" for s in shapes]
    units = [f"2**{program.types[step.made].exponent[0]}" for step in _first(program, steps)]
    order, unit = ", ".join(orders), ", ".join(units)
    reads = (
        ""
        if program.is_float
        else f"""
/* The same from what the image becomes: integers in units of {unit},
   in the order {order}. */
void {name}_from_integers({_parameters(program, steps, "input")}, {result} *output);
"""
    )
    sizes = "".join(
        f"{macro} = {prod(shape)}, "
        for macro, shape in zip(_numbered(f"{upper}_INPUTS", shapes), shapes, strict=True)
    )
    return f"""\
/* {_title(program)} */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

enum {{ {sizes}{upper}_OUTPUTS = {made.size} }};

/* {shown}; output: {outputs}.\n   {meaning}
   Static buffers are used: one call at a time. */
void {name}({_images(program)}, {result} *output);
{reads}
#endif
"""


def _entry_points(program: Program, name: str, steps: tuple[Step, ...], buffers: Buffers) -> str:
    result, owner = value_type(program, program.output), aliases(program)
    made, first = program.types[program.output], _first(program, steps)
    inputs = dict(zip((step.made for step in first), _numbered("input", first), strict=True))

    def place(value: str) -> str:
        found = buffers.places[owner.get(value, value)]
        return _buffer(found.ctype) + (f" + {found.start}" if found.start else "")

    def argument(value: str) -> str:
        return inputs.get(owner.get(value, value)) or place(value)

    calls = "".join(
        f"    {_function_name(step)}({', '.join([*map(argument, step.reads), place(step.made)])});\n"
        for step in steps[len(first) :]
    )
    channels, places = made.shape[0], made.size // made.shape[0]
    quantise = "".join(
        f"    {_function_name(step)}({image}, {place(step.made)});\n"
        for step, image in zip(first, _numbered("image", first), strict=True)
    )
    scope = "static void" if program.is_float else "void"
    rest = f"{name}_from_{'floats' if program.is_float else 'integers'}"
    return f"""\
{scope} {rest}({_parameters(program, steps, "input")}, {result} *output)
{{
{calls}    const {result} *last = {argument(program.output)};
    for (int32_t c = 0; c < {channels}; ++c)
        for (int32_t p = 0; p < {places}; ++p)
            output[c * {places} + p] = last[p * {channels} + c];
}}

void {name}({_images(program)}, {result} *output)
{{
{quantise}    {rest}({", ".join(place(step.made) for step in first)}, output);
}}
"""


def _first(program: Program, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps that quantise the images, input after input."""
    return steps[: len(program.input_shapes)]


def _numbered(name: str, values: Sequence[object]) -> list[str]:
    """A name for each: the name itself, then with _2, _3 ... behind."""
    return [name if place == 1 else f"{name}_{place}" for place in range(1, len(values) + 1)]


def _images(program: Program) -> str:
    return ", ".join(f"const float *{image}" for image in _numbered("image", list(program.input_shapes)))


def _parameters(program: Program, steps: tuple[Step, ...], name: str) -> str:
    """What the quantised images come in."""
    first = _first(program, steps)
    names = zip(first, _numbered(name, first), strict=True)
    return ", ".join(f"const {value_type(program, step.made)} *{each}" for step, each in names)


def _lengths(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _buffer(ctype: str) -> str:
    return f"{ctype.removesuffix('_t')}_buffer"


def _main(program: Program, name: str) -> str:
    upper, result = name.upper(), value_type(program, program.output)
    inputs = list(program.input_shapes)
    images, sizes = _numbered("image", inputs), _numbered(f"{upper}_INPUTS", inputs)
    pairs = list(zip(images, sizes, strict=True))
    held = "\n    ".join(f"static float {image}[{size}];" for image, size in pairs)
    taken = "\n           && ".join(f"fread({i}, sizeof {i}[0], {n}, stdin) == {n}" for i, n in pairs)
    counted = " and ".join(sizes)
    shown = '"%a%c", (double)output[i]' if program.is_float else '"%" PRId64 "%c", (int64_t)output[i]'
    return f"""\
/* Reads images from standard input, {counted} floats each; writes a line of outputs for each. */
#include <inttypes.h>
#include <stdio.h>

#include "{name}.h"

int main(void)
{{
    {held}
    static {result} output[{upper}_OUTPUTS];
    while ({taken}) {{
        {name}({", ".join(images)}, output);
        for (int i = 0; i < {upper}_OUTPUTS; ++i)
            printf({shown}, i + 1 < {upper}_OUTPUTS ? ' ' : '\\n');
    }}
    return 0;
}}
"""
