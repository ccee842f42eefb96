"""Writes the generated tables of README.md anew, each between its markers.

    python scripts/update_readme.py

To add a table: `<!-- NAME:begin -->` and `<!-- NAME:end -->` in the README, and a line in `TABLES`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from bitwatt.formats.table import markdown_table

README = Path(__file__).parents[1] / "README.md"
TABLES: dict[str, Callable[[], str]] = {"formats": markdown_table}


def updated(text: str) -> str:
    """The text with every table of `TABLES` between its markers as it is now."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            sys.exit(f"README.md must hold '{begin.strip()}' and '{end.strip()}' once each")
        before, rest = text.split(begin)
        text = before + begin + table() + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
