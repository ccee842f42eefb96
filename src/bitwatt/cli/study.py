"""`bitwatt study`: the main job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitwatt.cli.arguments import DataDir, Json, Preset, ProgressMode, Technology, example
from bitwatt.errors import RequestError

if TYPE_CHECKING:
    from bitwatt.study import Results, StudyPlan

_PAGE = "report.html"

_EPILOG = example(
    "bitwatt study --network lenet --data mnist-small --precisions paper --out runs/demo",
    "bitwatt study study.toml",
)


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("study", epilog=_EPILOG)(study)


def study(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="STUDY.toml", help="A study file, in place of --network and --data."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option("--network", metavar="NAME", help="Network: a name, or module:function of your own."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="NAME", help="A data set, FILE.npz, or module:function of your own."),
    ] = None,
    precisions: Annotated[
        str,
        typer.Option("--precisions", metavar="LIST", help="With commas; 'paper' stands for seven."),
    ] = "paper",
    seeds: Annotated[str, typer.Option("--seeds", metavar="LIST", help="Seeds, with commas.")] = "0",
    technology: Technology = "nangate45",
    preset: Preset = "modern",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder of the results; by default runs/NAME."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes; by default one a core."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Work on a Ray cluster: HOST:PORT, 'auto', or 'local' for one of this machine's own.",
        ),
    ] = None,
    data_dir: DataDir = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="URL", help="SQLAlchemy URL; by default SQLite in DIR."),
    ] = None,
    progress: Annotated[
        ProgressMode,
        typer.Option("--progress", help="On stderr; auto: bars on a terminal, else lines. json: JSON lines."),
    ] = ProgressMode.AUTO,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is left to do, and how long it will take.")
    ] = False,
    json: Json = False,
) -> None:
    """Train a network at every precision, run each as an exact program, cost each on the tile.

    Leaves results.json, report.html and study.db in DIR; report.html shows the points as they end.

    Stopped or killed, the same command goes on from the last epoch; nothing finished is done twice.
    """
    if file is not None:
        if network is not None or data is not None:
            raise RequestError("give a study file, or --network and --data, not both")
        from bitwatt.study import read_study_file

        plans = read_study_file(file)
    else:
        if network is None or data is None:
            raise RequestError("a study needs --network and --data, or a study file (bitwatt study --help)")
        from bitwatt.study import StudyPlan

        plans = (
            StudyPlan.of(
                networks=network,
                data=data,
                precisions=precisions,
                seeds=_numbers(seeds),
                technology=technology,
                tile={"preset": preset},
            ),
        )
    if dry_run:
        from bitwatt.cli.study_left import show_left

        folders = [(plan, _folder(plan, out, len(plans))) for plan in plans]
        show_left(folders, workers, storage, data_dir, json)
        return
    from bitwatt.study import run_study

    runs = partial(run_study, workers=workers, ray=ray, storage=storage, data_dir=data_dir)
    found = [_run(plan, _folder(plan, out, len(plans)), runs, progress, quiet=json) for plan in plans]
    if json:
        from bitwatt.cli.output import print_json

        print_json(found[0] if len(found) == 1 else found)


def _folder(plan: StudyPlan, out: Path | None, plans: int) -> Path:
    if out is None:
        return Path("runs") / plan.name.replace("/", "_").replace(":", "_")
    return out if plans == 1 else out / plan.name


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"--seeds must be whole numbers with commas between them, got '{text}'") from None


def _run(
    plan: StudyPlan, folder: Path, runs: Callable[..., Results], progress: ProgressMode, quiet: bool
) -> dict[str, Any]:
    from bitwatt.cli.live_page import LivePage
    from bitwatt.cli.progress import display
    from bitwatt.study import PointsFailed

    page = LivePage(folder / _PAGE)
    is_for_people = progress not in (ProgressMode.JSON, ProgressMode.NONE)
    try:
        with display(progress, plan.name) as shown:

            def show(results: Results) -> None:
                shown.show(results)
                page(results)

            results = runs(plan, folder, listen=shown, show=show)
    except PointsFailed:
        # What did succeed is worth its report, before the failure is told.
        if (folder / "results.json").exists():
            _show(folder, quiet, is_for_people)
        raise
    _show(folder, quiet, is_for_people)
    return results.as_json()


def _show(folder: Path, quiet: bool, says_where: bool) -> None:
    from bitwatt.cli.output import print_note, print_result
    from bitwatt.cli.report import tiles_beside
    from bitwatt.report import console_table, read_results, write_page

    results = read_results(folder)
    if results["points"]:
        page = write_page(results, folder / _PAGE, tiles=tiles_beside([results]))
        if not quiet:
            print_result(console_table(results))
        if says_where:
            print_note(f"report: {page}")
