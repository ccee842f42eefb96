"""`bitwatt report`: the table and the page again, from what a study left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitwatt.cli.arguments import Json, example


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("report", epilog=example("bitwatt report runs/demo", "bitwatt report runs/demo --json"))(
        report
    )


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A study's folder, or its results.json.")],
    json: Json = False,
) -> None:
    """Print a study's table, and write its report.html again."""
    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.report import console_table, read_results, summary, write_page

    results = read_results(folder)
    page = write_page(results, (folder if folder.is_dir() else folder.parent) / "report.html")
    if json:
        print_json(summary(results))
    else:
        print_result(console_table(results))
    print_note(f"report: {page}")
