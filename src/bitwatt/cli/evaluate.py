"""`bitwatt evaluate`: the accuracy of a program, bit for bit as the hardware computes it."""

from __future__ import annotations

import typer

from bitwatt.cli.arguments import DataDir, DataName, Json, ProgramFile, example


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate", epilog=example("bitwatt evaluate lenet-fixed8.bitwatt --data mnist-small"))(
        evaluate
    )


def evaluate(
    program: ProgramFile,
    data: DataName,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Run a program over the test images of a data set, and count the right answers."""
    from bitwatt import datasets
    from bitwatt.cli.output import print_json, print_result
    from bitwatt.program import evaluate as evaluate_program
    from bitwatt.program import load

    loaded = load(program)
    images = datasets.load(data, data_dir)
    found = evaluate_program(loaded, images.test)
    if json:
        print_json(
            {
                "program": str(program),
                "network": loaded.network,
                "precision": loaded.precision,
                "data": {"name": images.name, "sha256": images.sha256, "source": images.source},
                "accuracy": found.accuracy,
                "correct": found.correct,
                "count": found.count,
            }
        )
        return
    print_result(
        f"{loaded.network} {loaded.precision}: {found.accuracy:.2%}, "
        f"{found.correct} of {found.count} test images of {images.name} right"
    )
