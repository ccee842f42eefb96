"""`bitwatt export`: a program in a form that others read, with the same integers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitwatt.cli.arguments import Json, ProgramFile, example

_EPILOG = example(
    "bitwatt export lenet-fixed8.bitwatt --to onnx-qdq --out lenet-fixed8.onnx",
    "bitwatt export lenet-fixed4.bitwatt --to c --out lenet-c",
)


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("export", epilog=_EPILOG)(export)


def export(
    program: ProgramFile,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORM",
            help="onnx-qdq, qonnx, c, packed, safetensors or memory-images; c and memory-images are folders.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The file, or the new folder.")],
    json: Json = False,
) -> None:
    """Write a program for other tools: the same integers, or a refusal that names what has no exact form."""
    from bitwatt.cli.output import print_json, print_result
    from bitwatt.export import write
    from bitwatt.export.c_program import c_program
    from bitwatt.export.c_size import c_size
    from bitwatt.program import load

    loaded = load(program)
    files = write(loaded, to, out)
    sizes = {str(file): file.stat().st_size for file in files}
    size = c_size(c_program(loaded)) if to == "c" else None
    if json:
        answer: dict[str, object] = {
            "program": str(program),
            "form": to,
            "precision": loaded.precision,
            "files": sizes,
        }
        if size is not None:
            answer["bytes"] = vars(size)
        print_json(answer)
        return
    for file, count in sizes.items():
        print_result(f"{file}: {count:,} bytes")
    if size is not None:
        print_result(f"weights {size.weights:,} bytes, buffers {size.buffers:,} bytes")
        if size.code is not None and size.data is not None:
            print_result(
                f"code with weights {size.code:,} bytes, variables {size.data:,} bytes ({size.compiler})"
            )
