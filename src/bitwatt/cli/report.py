"""`bitwatt report`: the table and the page again, from what studies left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitwatt.cli.arguments import Json, example
from bitwatt.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "report",
        epilog=example(
            "bitwatt report runs/demo",
            "bitwatt report runs/demo --json",
            "bitwatt report results/paper/lenet results/paper/alex --out paper.html",
            "bitwatt report runs/search",
        ),
    )(report)


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            help="Folders of studies, or their results.json; a folder of such folders stands for all in it. "
            "Or the folder of a search.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where the page goes; default: report.html in the study's folder, of several in the first's "
            "parent.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print the tables of studies, and write their page again: one page, however many there are.

    A search has a page of its own.
    """
    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.report import console_table, read_results, summary, write_page

    if any(map(_is_search, folders)):
        _report_search(folders, out, json)
        return
    places = [place for folder in folders for place in _studies(folder)]
    results = [read_results(place) for place in places]
    home = _home(places[0])
    path = out or (home if len(places) == 1 else home.parent) / "report.html"
    page = write_page(results, path, tiles=tiles_beside(results))
    if json:
        print_json(summary(results))
    else:
        print_result(console_table(results))
    print_note(f"report: {page}")


def _report_search(folders: list[Path], out: Path | None, json: bool) -> None:
    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.cli.search import search_tables
    from bitwatt.report.search_page import write_search_page
    from bitwatt.report.search_records import read_search

    if len(folders) > 1:
        names = ", ".join(f"'{folder}'" for folder in filter(_is_search, folders))
        raise RequestError(f"a search has a page of its own; give one folder alone, of {names}")
    record = read_search(folders[0])
    page = write_search_page(record, out or _home(folders[0]) / "report.html")
    if json:
        print_json(record)
    else:
        print_result(*search_tables(record))
    print_note(f"report: {page}")


def _is_search(place: Path) -> bool:
    if place.is_dir():
        return (place / "search.json").exists() and not (place / "results.json").exists()
    return place.name == "search.json"


def tiles_beside(results: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]] | None:
    """Both presets' tiles, for the page, of the first study's shape; None, and said, where there are none."""
    from bitwatt.cli.output import print_note
    from bitwatt.costing.preset_tiles import preset_tiles
    from bitwatt.errors import BitwattError

    first = results[0]
    names = dict.fromkeys(point["precision"] for study in results for point in study["points"])
    try:
        return preset_tiles(names, first["technology"], first["tile"])
    except BitwattError as error:
        print_note(f"the page goes without the tiles by themselves: {error}")
        return None


def _studies(folder: Path) -> list[Path]:
    """`folder` itself, or where it has no results the folders in it that have."""
    if not folder.is_dir() or (folder / "results.json").exists():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/results.json")) or [folder]


def _home(place: Path) -> Path:
    return place if place.is_dir() else place.parent
