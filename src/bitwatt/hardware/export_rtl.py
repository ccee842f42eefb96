"""A tile's RTL as a folder: Verilog, a README, and a test bench of a program."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from bitwatt.errors import RequestError
from bitwatt.hardware.rtl.verilog import tile_verilog
from bitwatt.hardware.rtl_readme import readme
from bitwatt.hardware.testbench import testbench_files
from bitwatt.hardware.tile import Tile
from bitwatt.program.program import Program


def export_rtl(
    tile: Tile,
    folder: Path,
    *,
    program: Program | None = None,
    images: torch.Tensor | None = None,
    beside: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write `folder`: rtl/ with a file a module, README.md, and with a program tb/; the files.

    images: what the test bench plays, (count, *program.input_shape). beside: texts of further files, by their
    paths in the folder. The folder appears whole or not at all.

    Raises `RequestError` for a folder that is not empty or cannot be written, a program without images, or
    one that does not fit the tile; `ToolError` where yosys is missing or fails.
    """
    check_new_folder(folder)
    if (program is None) != (images is None):
        raise RequestError("a test bench needs both a program and images that it plays")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-")
    except OSError as error:
        raise RequestError(
            f"cannot write {folder}: {error.strerror}; name a folder that you may write"
        ) from None
    with aside:
        files = {"README.md": readme(tile, program)}
        if program is not None and images is not None:
            files |= {f"tb/{name}": text for name, text in testbench_files(program, tile, images).items()}
        files |= {f"rtl/{name}.v": text for name, text in tile_verilog(tile).items()}
        files |= beside or {}
        made = Path(aside.name) / folder.name
        for name, text in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(text)
        made.replace(folder)  # an empty one is replaced
    return tuple(folder / name for name in files)


def check_new_folder(folder: Path) -> None:
    """Raise `RequestError` unless `folder` is absent or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"{folder} is there and not empty; name a folder that is not, or empty it")
