"""Environments of their own for the packages that bitwatt is compared with, under its cache."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bitwatt as bw
from bitwatt.cache import cache_folder

HERE = Path(__file__).parent


class LeftOut(Exception):
    """Why a peer is not compared, in a line."""


def environment(name: str, requirements: Sequence[str]) -> Path:
    """The Python of an environment that has these requirements; made where it is not there yet.

    Raises `LeftOut` where pip cannot make it.
    """
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:8]
    folder = cache_folder() / "benchmarks" / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        begun = time.perf_counter()
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            raise LeftOut(f"{name}: left out, pip cannot install it: {_last_line(done.stderr)}")
        (folder / "ready").touch()
        print(f"{name}: set up in {time.perf_counter() - begun:.0f} s", flush=True)
    return python


def ask(name: str, requirements: Sequence[str], script: str, task: dict[str, Any]) -> dict[str, Any]:
    """What the script prints last, as JSON, for a task on its standard input. Raises `LeftOut`."""
    python = environment(name, requirements)
    here = str(Path(bw.__file__).parents[1])  # the peers read its networks, which need torch alone
    run = subprocess.run(
        [python, HERE / script],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": here},
    )
    if run.returncode:
        raise LeftOut(f"{name}: left out, it failed: {_last_line(run.stderr)}")
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["without a word"])[-1]
