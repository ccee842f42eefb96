"""What a form cannot hold: all of it in one error, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

from bitwatt.errors import UnsupportedError
from bitwatt.program.ops import Op


def objection(op: Op, why: str) -> str:
    """One line of the refusal."""
    return f"'{op.name}' ({type(op).__name__}): {why}"


def refuse(form: str, reasons: Sequence[str]) -> None:
    """Raise `UnsupportedError` with every reason, where there is one."""
    if reasons:
        lines = "\n".join(f"  - {reason}" for reason in reasons)
        raise UnsupportedError(f"the program has no exact {form}:\n{lines}")
