"""`bitwatt search`: the best network for a budget."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitwatt.cli.arguments import DataDir, Json, example
from bitwatt.errors import RequestError

if TYPE_CHECKING:
    from rich.console import RenderableType

_EPILOG = example(
    "bitwatt search --network lenet --data mnist-small --budget energy=1uJ --time 10min",
    "bitwatt search search.toml --out runs/search",
)

Text = str | None


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("search", epilog=_EPILOG)(search)


def search(
    file: Annotated[
        Path | None, typer.Argument(metavar="SEARCH.toml", help="A file with a [search] table.")
    ] = None,
    network: Annotated[
        Text,
        typer.Option("--network", metavar="NAME", help="Network: a name, or module:function of your own."),
    ] = None,
    data: Annotated[
        Text, typer.Option("--data", metavar="NAME", help="A data set, FILE.npz, or module:function.")
    ] = None,
    budget: Annotated[
        Text, typer.Option("--budget", metavar="LIMITS", help="As in energy=1uJ,area=0.5mm2,accuracy=98%.")
    ] = None,
    objectives: Annotated[
        Text,
        typer.Option("--objectives", metavar="LIST", help="accuracy and energy, area, memory, time, power."),
    ] = None,
    precisions: Annotated[
        Text, typer.Option("--precisions", metavar="LIST", help="To choose from; by default all there are.")
    ] = None,
    layers: Annotated[
        Text, typer.Option("--layers", metavar="LIST", help="Of single layers, as in fc1=fixed4:fixed8.")
    ] = None,
    layer_precisions: Annotated[
        bool | None,
        typer.Option(
            "--layer-precisions/--no-layer-precisions",
            help="Also narrow networks layer by layer, for memory.",
        ),
    ] = None,
    widths: Annotated[
        Text, typer.Option("--widths", metavar="LIST", help="Factors of the network's width.")
    ] = None,
    depths: Annotated[
        Text,
        typer.Option("--depths", metavar="LIST", help="For a function of your own with such an argument."),
    ] = None,
    neurons: Annotated[Text, typer.Option("--neurons", metavar="LIST", help="Of the tile.")] = None,
    synapses: Annotated[Text, typer.Option("--synapses", metavar="LIST", help="Of a neuron.")] = None,
    rows: Annotated[Text, typer.Option("--rows", metavar="LIST", help="Of each buffer.")] = None,
    buffers: Annotated[Text, typer.Option("--buffers", metavar="LIST", help="sram, flops.")] = None,
    preset: Annotated[Text, typer.Option("--preset", metavar="NAME", help="modern or hashemi2017.")] = None,
    technology: Annotated[
        Text, typer.Option("--technology", metavar="NAME", help="nangate45, or a .json of your own.")
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", help="Networks to look at.")] = None,
    time: Annotated[
        Text, typer.Option("--time", metavar="TIME", help="When this run is to end, as in 10min.")
    ] = None,
    sampler: Annotated[Text, typer.Option("--sampler", metavar="NAME", help="tpe, nsga2 or random.")] = None,
    pruner: Annotated[Text, typer.Option("--pruner", metavar="NAME", help="median or none.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of weights, images and the sampler.")] = None,
    held_out: Annotated[
        float | None, typer.Option("--held-out", help="Share of the training images to choose by.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the results; by default runs/NAME.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; by default one a core.")
    ] = None,
    data_dir: DataDir = None,
    storage: Annotated[
        Text, typer.Option("--storage", metavar="URL", help="SQLAlchemy URL; by default SQLite in DIR.")
    ] = None,
    json: Json = False,
) -> None:
    """Find the best network for a budget: precision, width, depth, and the tile it runs on.

    Leaves search.json, report.html and study.db in DIR. Stopped or killed, the same command goes on.
    """
    changes = {
        "network": network,
        "data": data,
        "budget": budget,
        "objectives": objectives,
        "precisions": precisions,
        "layers": layers,
        "layer_precisions": layer_precisions,
        "widths": widths,
        "depths": depths,
        "neurons": neurons,
        "synapses": synapses,
        "rows": rows,
        "buffers": buffers,
        "preset": preset,
        "technology": technology,
        "trials": trials,
        "time_s": time,
        "sampler": sampler,
        "pruner": pruner,
        "seed": seed,
        "held_out": held_out,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    from bitwatt.study.search import NothingFound, SearchPlan, read_search_file, run_search

    if file is not None:
        plan = read_search_file(file, changes)
    elif network is None or data is None:
        raise RequestError("a search needs --network and --data, or a file (bitwatt search --help)")
    else:
        plan = SearchPlan.of(**changes)
    folder = out or Path("runs") / plan.name.replace("/", "_").replace(":", "_")
    from bitwatt.cli.progress import StudyDisplay

    try:
        with StudyDisplay(plan.name) as display:
            run_search(
                plan,
                folder,
                command=_command(file, changes),
                workers=workers,
                storage=storage,
                data_dir=data_dir,
                listen=display,
            )
    except NothingFound:
        if (folder / "search.json").exists():
            _show(folder, json)
        raise
    _show(folder, json)


_OF_THE_SPACE = (
    "precisions",
    "layers",
    "layer_precisions",
    "widths",
    "depths",
    "neurons",
    "synapses",
    "rows",
    "buffers",
)
_OF_THIS_RUN = ("time_s", "trials", "budget")


def _command(file: Path | None, changes: Mapping[str, Any]) -> str:
    """What every point's own command begins with: this one, but for the space, the budget and the time."""
    words = ["bitwatt", "search", *([str(file)] if file else [])]
    for name, value in changes.items():
        if name not in (*_OF_THE_SPACE, *_OF_THIS_RUN):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _show(folder: Path, as_json: bool) -> None:
    import json

    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.report.search_page import write_search_page

    record = json.loads((folder / "search.json").read_text())
    if as_json:
        print_json(record)
    else:
        print_result(*search_tables(record))
    print_note(f"search: {folder / 'search.json'}")
    print_note(f"report: {write_search_page(record, folder / 'report.html')}")


def search_tables(record: Mapping[str, Any]) -> list[RenderableType]:
    """What a search found, as tables for the terminal."""
    from bitwatt.cli.output import table
    from bitwatt.report.quantities import percent, si
    from bitwatt.report.search_facts import precision_text

    shown = table("", "network", "precision", ">neurons", ">held out", ">test", ">energy", ">mm²", ">kB")
    for place, one in enumerate([record["reference"], *record["points"]]):
        shown.add_row(
            str(place) if place else "",
            one["network"],
            one["precision"] + (f" +{len(one['layers'])}" if "layers" in one else ""),
            str(one["tile"]["neurons"]),
            percent(one["validation"]["accuracy"]),
            percent(one["test"]["accuracy"]),
            si(one["energy_j"], "J"),
            f"{one['area_mm2']:.3g}",
            f"{sum(one['memory_bytes'].values()) / 1e3:.4g}",
        )
    own = [
        f"{place}: {precision_text(one)}, on the tile of {one['tile_precision']}"
        for place, one in enumerate(record["points"], start=1)
        if "layers" in one
    ]
    looked = ", ".join(f"{count} {status}" for status, count in record["looked_at"].items())
    return [
        f"{record['search']}: {looked}. Chosen on {record['data']['validation']} held-out training images.",
        "",
        shown,
        *own,
        "",
        *_choices(record),
        "Saved: against float32 on a tile of the same shape.",
    ]


def _choices(record: Mapping[str, Any]) -> list[str]:
    """What is chosen, by its place in the table, and what it saves."""
    from bitwatt.report.quantities import percent

    chosen = {"Best within the budget" if record["plan"]["budget"] else "Most accurate": record["best"]}
    for name, place in record["as_accurate_as_float"].items():
        chosen[f"Least {name} at float's accuracy or better"] = place
    lines = []
    for what, place in chosen.items():
        if place is None:
            lines.append(f"{what}: none")
            continue
        saving = record["points"][place]["saving"]
        saved = ", ".join(f"{percent(saving[name])} {name}" for name in ("energy", "area", "memory"))
        lines.append(f"{what}: {place + 1}; saved: {saved}")
    return lines
