"""Sizes of a C program's code and data, as the compiler of this machine makes them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bitwatt.errors import ToolError
from bitwatt.export.c_program import CProgram

FLAGS = ("-std=c99", "-Os", "-c")


@dataclass(frozen=True)
class CSize:
    """Bytes. code: instructions and all that is constant, weights too; data: variables.

    weights: the constants of layers alone, and buffers: the planned ones; both known without a compiler.
    """

    weights: int
    buffers: int
    code: int | None
    data: int | None
    compiler: str | None


def c_size(made: CProgram) -> CSize:
    """Sizes; those that need a compiler and `size` are None where either is missing.

    Raises `ToolError` where they are there and fail.
    """
    compiler, size = shutil.which("cc") or shutil.which("gcc"), shutil.which("size")
    if compiler is None or size is None:
        return CSize(made.constant_bytes, made.buffer_bytes, None, None, None)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in made.files.items():
            (Path(folder) / name).write_bytes(content)
        source = next(name for name in made.files if name.endswith(".c") and name != "main.c")
        _run([compiler, *FLAGS, source, "-o", "program.o"], folder)
        text, data, bss, *_ = _run([size, "program.o"], folder).splitlines()[1].split()
        version = _run([compiler, "--version"], folder).splitlines()[0]
    return CSize(made.constant_bytes, made.buffer_bytes, int(text), int(data) + int(bss), version)


def _run(command: list[str], folder: str) -> str:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        last = "\n".join(ran.stderr.splitlines()[-5:])
        raise ToolError(f"{Path(command[0]).name} failed with status {ran.returncode}:\n{last}")
    return ran.stdout
