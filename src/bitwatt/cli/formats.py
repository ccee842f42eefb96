"""`bitwatt formats`: the number formats there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bitwatt.cli.arguments import Json, example

if TYPE_CHECKING:
    from bitwatt.formats import Format


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("formats", epilog=example("bitwatt formats", "bitwatt formats --json"))(formats)


def formats(json: Json = False) -> None:
    """List number formats and the precisions of the published study.

    A precision is a format's name, or WEIGHTS:ACTIVATIONS, as in fixed4:fixed8.
    """
    from bitwatt.cli.output import print_json, print_result, table
    from bitwatt.formats import FORMATS, PAPER

    if json:
        paper = [
            {"name": str(p), "weights": str(p.weights), "activations": str(p.activations)} for p in PAPER
        ]
        print_json({"formats": [_record(format_) for format_ in FORMATS], "paper": paper})
        return
    listed = table("format", "family", ">bits", ">smallest", ">largest", ">finest step")
    for record in map(_record, FORMATS):
        listed.add_row(
            record["name"],
            record["family"],
            str(record["bits"]),
            f"{record['smallest']:.6g}",
            f"{record['largest']:.6g}",
            f"2^{record['unit_exponent']}",
        )
    print_result(listed, "", f"paper: {', '.join(str(precision) for precision in PAPER)}")


def _record(format_: Format) -> dict[str, Any]:
    return {
        "name": str(format_),
        "family": format_.family,
        "bits": format_.bits,
        "smallest": format_.smallest,
        "largest": format_.largest,
        "unit_exponent": format_.unit_exponent,
    }
