"""Write the lock files: what pip installs today, from clean environments, for running and for the tests.

`requirements.lock` is what bitwatt runs on; `requirements-dev.lock` adds the extra `dev` and keeps every
version of the first. A version is written without its local part (`2.13.0`, not `2.13.0+cpu`): which
build of it is taken is the business of the machine's own pip configuration.

usage: python scripts/lock.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_LOCKED = {"bitwatt", "pip", "setuptools", "wheel"}


def freeze(requirement: str, constraint: Path | None) -> list[str]:
    """The lines `name==version` of a clean environment in which `requirement` was installed."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check"]
        limits = ["-c", str(constraint)] if constraint else []
        subprocess.run([*pip, "install", "--quiet", *limits, requirement], check=True)
        frozen = subprocess.run([*pip, "list", "--format=freeze"], check=True, capture_output=True, text=True)
    lines = [re.sub(r"\+.*", "", line) for line in frozen.stdout.splitlines()]
    return sorted((line for line in lines if line.split("==")[0].lower() not in NOT_LOCKED), key=str.lower)


def write(path: Path, what: str, lines: list[str]) -> None:
    """Write one lock file, with a line that says how it was made."""
    version = ".".join(map(str, sys.version_info[:2]))
    path.write_text(f"# {what}. Made by `make lock` with Python {version}.\n" + "\n".join(lines) + "\n")
    print(f"{path.name}: {len(lines)} packages")


def main() -> None:
    """Both lock files, the second held to the versions of the first."""
    running, testing = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
    write(running, "What bitwatt runs on", freeze(str(ROOT), None))
    write(testing, "What the tests, linters and benchmarks run on", freeze(f"{ROOT}[dev]", running))


if __name__ == "__main__":
    main()
