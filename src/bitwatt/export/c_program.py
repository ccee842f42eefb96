"""A program as C99: a source and a header without dependencies, and a `main` that reads images.

Maps are (row, column, channel), weights lie in the order in which they are read, sums are int32_t or int64_t
as the bounds of the program prove (two words where neither holds them), and every value has its place in a
static buffer: nothing is allocated, and calls may not overlap. The arithmetic is the program's, rounding for
rounding: the integers are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import bitwatt
from bitwatt.export.c_float32 import PREAMBLE, FloatWriter
from bitwatt.export.c_helpers import helper_text
from bitwatt.export.c_layers import LayerWriter
from bitwatt.export.c_refusals import objections
from bitwatt.export.c_rounding import Source
from bitwatt.export.c_steps import Buffers, Step, aliases, plan_buffers, steps_of, value_type
from bitwatt.export.c_text import identifier
from bitwatt.export.refusal import refuse
from bitwatt.program.inference import INPUT
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
    inputs = program.types[INPUT].shape
    result, first = value_type(program, program.output), value_type(program, steps[0].made)
    exponents = ", ".join(map(str, made.exponent))
    shape, outputs = (" x ".join(map(str, s)) for s in (inputs, made.shape))
    meaning = (
        "Outputs are float32."
        if program.is_float
        else f"Integers, in units of 2**exponent;\n   exponents, one for all or one a channel: {exponents}."
    )
    order = "(row, column, channel)" if len(inputs) == 3 else "any order that the image has"
    reads = (
        ""
        if program.is_float
        else f"""
/* The same from what the image becomes: integers in units of 2**{program.types[steps[0].made].exponent[0]},
   in the order {order}. */
void {name}_from_integers(const {first} *input, {result} *output);
"""
    )
    return f"""\
/* {_title(program)} */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

enum {{ {upper}_INPUTS = {program.types[INPUT].size}, {upper}_OUTPUTS = {made.size} }};

/* image: {shape}, as PyTorch has it; output: {outputs}.\n   {meaning}
   Static buffers are used: one call at a time. */
void {name}(const float *image, {result} *output);
{reads}
#endif
"""


def _entry_points(program: Program, name: str, steps: tuple[Step, ...], buffers: Buffers) -> str:
    result, owner = value_type(program, program.output), aliases(program)
    made = program.types[program.output]
    first = steps[0]

    def place(value: str) -> str:
        found = buffers.places[owner.get(value, value)]
        return _buffer(found.ctype) + (f" + {found.start}" if found.start else "")

    def argument(value: str) -> str:
        return "input" if owner.get(value, value) == first.made else place(value)

    calls = "".join(
        f"    {_function_name(step)}({', '.join([*map(argument, step.reads), place(step.made)])});\n"
        for step in steps[1:]
    )
    channels, places = made.shape[0], made.size // made.shape[0]
    scope = "static void" if program.is_float else "void"
    rest = f"{name}_from_{'floats' if program.is_float else 'integers'}"
    return f"""\
{scope} {rest}(const {value_type(program, first.made)} *input, {result} *output)
{{
{calls}    const {result} *last = {argument(program.output)};
    for (int32_t c = 0; c < {channels}; ++c)
        for (int32_t p = 0; p < {places}; ++p)
            output[c * {places} + p] = last[p * {channels} + c];
}}

void {name}(const float *image, {result} *output)
{{
    {_function_name(first)}(image, {place(first.made)});
    {rest}({place(first.made)}, output);
}}
"""


def _buffer(ctype: str) -> str:
    return f"{ctype.removesuffix('_t')}_buffer"


def _main(program: Program, name: str) -> str:
    upper, result = name.upper(), value_type(program, program.output)
    shown = '"%a%c", (double)output[i]' if program.is_float else '"%" PRId64 "%c", (int64_t)output[i]'
    return f"""\
/* Reads images from standard input, {upper}_INPUTS floats each; writes a line of outputs for each. */
#include <inttypes.h>
#include <stdio.h>

#include "{name}.h"

int main(void)
{{
    static float image[{upper}_INPUTS];
    static {result} output[{upper}_OUTPUTS];
    while (fread(image, sizeof image[0], {upper}_INPUTS, stdin) == {upper}_INPUTS) {{
        {name}(image, output);
        for (int i = 0; i < {upper}_OUTPUTS; ++i)
            printf({shown}, i + 1 < {upper}_OUTPUTS ? ' ' : '\\n');
    }}
    return 0;
}}
"""
