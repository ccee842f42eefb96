"""Loops of C over the elements of values, which are (row, column, channel)."""

from __future__ import annotations

from bitwatt.export.c_steps import value_type
from bitwatt.program import ops
from bitwatt.program.inference import ValueType
from bitwatt.program.program import Program


def signature(name: str, types: list[str], ctype: str) -> str:
    """A function that reads x, and other where there are two types, and makes y."""
    reads = ", ".join(f"const {t} *{what}" for t, what in zip(types, ("x", "other"), strict=False))
    return f"static void {name}({reads}, {ctype} *y)\n"


def indented(text: str, spaces: int) -> str:
    """Every line moved right."""
    return "\n".join(" " * spaces + line if line else line for line in text.split("\n"))


def elementwise(size: int, value: str) -> str:
    """y[n] = value for every n; x[n] and other[n] can be read."""
    return f"{{\n    for (int32_t n = 0; n < {size}; ++n)\n        y[n] = {value};\n}}\n"


def scaled(place: str, stride: int, offset: str = "", padding: int = 0) -> str:
    """place * stride + offset - padding, without what changes nothing."""
    made = place if stride == 1 else f"{place} * {stride}"
    made += f" + {offset}" if offset else ""
    return f"{made} - {padding}" if padding else made


def each_place(made: ValueType, body: str) -> str:
    """`body` for each row, column and channel `o` of a value, whose index is `n`."""
    channels = made.shape[0]
    if len(made.shape) == 1:
        inner = indented(f"const int32_t n = o;\n{body}", 8)
        return f"{{\n    for (int32_t o = 0; o < {channels}; ++o) {{\n{inner}\n    }}\n}}\n"
    _, rows, columns = made.shape
    index = f"const int32_t n = (row * {columns} + column) * {channels} + o;"
    return (
        f"{{\n    for (int32_t row = 0; row < {rows}; ++row)\n"
        f"        for (int32_t column = 0; column < {columns}; ++column)\n"
        f"            for (int32_t o = 0; o < {channels}; ++o) {{\n"
        f"{indented(f'{index}{chr(10)}{body}', 16)}\n            }}\n}}\n"
    )


def quantized(made: ValueType, ctype: str, name: str, rounded: str) -> str:
    """From the image, (channel, row, column); `rounded` is the expression for image[n]."""
    channels, places = made.shape[0], made.size // made.shape[0]
    return (
        f"static void {name}(const float *image, {ctype} *y)\n{{\n"
        f"    for (int32_t c = 0; c < {channels}; ++c)\n"
        f"        for (int32_t p = 0; p < {places}; ++p) {{\n"
        f"            const int32_t n = c * {places} + p;\n"
        f"            y[{scaled('p', channels)} + c] = ({ctype}){rounded};\n        }}\n}}\n"
    )


def convolution(op: ops.Weighted, source: ValueType, ctype: str, take: str) -> str:
    """`take` for each weight w + k and the input place[k] of it that lies in the map."""
    if isinstance(op, ops.Linear):
        inputs = op.weight.shape[1]
        return (
            f"const {ctype} *place = x;\nconst int32_t w = o * {inputs};\n"
            f"for (int32_t k = 0; k < {inputs}; ++k)\n    {take}"
        )
    channels, height, width = source.shape
    outputs, taken, tall, wide = op.weight.shape
    group = f" + o / {outputs // op.groups} * {taken}" if op.groups > 1 else ""
    tests = [f"r < 0 || r >= {height}"] * bool(op.padding[0]) + [f"c < 0 || c >= {width}"] * bool(
        op.padding[1]
    )
    outside = f"        if ({' || '.join(tests)})\n            continue;\n" if tests else ""
    row = scaled("row", op.stride[0], scaled("i", op.dilation[0]), op.padding[0])
    column = scaled("column", op.stride[1], scaled("j", op.dilation[1]), op.padding[1])
    return (
        f"for (int32_t i = 0; i < {tall}; ++i)\n    for (int32_t j = 0; j < {wide}; ++j) {{\n"
        f"        const int32_t r = {row}, c = {column};\n{outside}"
        f"        const {ctype} *place = x + {scaled(f'(r * {width} + c)', channels)}{group};\n"
        f"        const int32_t w = {scaled(f'((o * {tall} + i) * {wide} + j)', taken)};\n"
        f"        for (int32_t k = 0; k < {taken}; ++k)\n            {take}\n    }}"
    )


def pooled(
    op: ops.Pool, source: ValueType, made: ValueType, ctype: str, start: str, take: str, end: str
) -> str:
    """For each window `start`, `take` for each `value` that lies in the map, row by row, and `end`.

    `count` is by what PyTorch divides, if all of the window counts; else the elements in the map.
    """
    channels, _, width = source.shape
    spans, clips = [], []
    for a, (low, high, place) in enumerate((("top", "bottom", "row"), ("left", "right", "column"))):
        size, padding, kernel = source.shape[1 + a], op.padding[a], op.kernel[a]
        start_ = scaled(place, op.stride[a], padding=padding)
        reached = (made.shape[1 + a] - 1) * op.stride[a] + kernel - padding
        spans.append(f"int32_t {low} = {start_}, {high} = {low} + {kernel};")
        if reached > size + padding:
            spans.append(f"if ({high} > {size + padding})\n    {high} = {size + padding};")
        if padding:
            clips.append(f"if ({low} < 0)\n    {low} = 0;")
        if reached > size:
            clips.append(f"if ({high} > {size})\n    {high} = {size};")
    counted = [] if isinstance(op, ops.MaxPool2d) else [_COUNT]
    parts = [*spans, *counted, *clips] if _counts_padding(op) else [*spans, *clips, *counted]
    loops = (
        "for (int32_t r = top; r < bottom; ++r)\n    for (int32_t c = left; c < right; ++c) {\n"
        f"        const {ctype} value = x[(r * {width} + c) * {channels} + o];\n        {take}\n    }}"
    )
    return each_place(made, "\n".join([*parts, start, loops, end]))


_COUNT = "const int32_t count = (bottom - top) * (right - left);"


def _counts_padding(op: ops.Pool) -> bool:
    return isinstance(op, ops.AvgPool2d) and op.count_include_pad


def joined(program: Program, op: ops.Concat, name: str) -> str:
    """Each place's channels of one value after those of the one before."""
    made, ctype = program.types[op.name], value_type(program, op.name)
    places, total, start, lines = made.size // made.shape[0], made.shape[0], 0, []
    for index, read in enumerate(op.inputs):
        channels = program.types[read].shape[0]
        lines.append(
            f"    for (int32_t p = 0; p < {places}; ++p)\n"
            f"        for (int32_t c = 0; c < {channels}; ++c)\n"
            f"            y[p * {total} + {start} + c] = x{index}[p * {channels} + c];\n"
        )
        start += channels
    reads = ", ".join(f"const {ctype} *x{index}" for index in range(len(op.inputs)))
    return f"static void {name}({reads}, {ctype} *y)\n{{\n{''.join(lines)}}}\n"


def surrounded(program: Program, op: ops.Pad, name: str) -> str:
    """Zeros around each map."""
    (channels, height, width), made = program.types[op.input].shape, program.types[op.name]
    ctype = value_type(program, op.name)
    left, _, top, _ = op.padding
    row = width * channels
    return signature(name, [ctype], ctype) + (
        f"{{\n    for (int32_t n = 0; n < {made.size}; ++n)\n        y[n] = 0;\n"
        f"    for (int32_t r = 0; r < {height}; ++r)\n        for (int32_t n = 0; n < {row}; ++n)\n"
        f"            y[((r + {top}) * {made.shape[2]} + {left}) * {channels} + n] = x[r * {row} + n];\n}}\n"
    )
