"""`bitwatt lower`: float weights to an exact program at a precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bitwatt.cli.arguments import DataDir, DataName, Json, example

_EPILOG = example(
    "bitwatt lower lenet.safetensors --network lenet --data mnist-small --precision fixed8 "
    "--out lenet-fixed8.bitwatt",
)


def add_to(app: typer.Typer) -> None:
    """Add the verb, under both names that people look for."""
    app.command("lower", epilog=_EPILOG)(lower)


def lower(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="Float weights (.safetensors).")],
    network: Annotated[str, typer.Option("--network", metavar="NAME", help="A name, or module:function.")],
    data: DataName,
    precision: Annotated[str, typer.Option("--precision", metavar="NAME", help="See 'bitwatt formats'.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the program goes (.bitwatt).")],
    epochs: Annotated[
        int | None,
        typer.Option(min=0, help="Epochs of training at the precision; 0: calibration only."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of images.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Quantise a trained network, train it at the precision, and write it as an exact program."""
    from bitwatt import datasets
    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.formats import parse_precision
    from bitwatt.program import lower as lower_network
    from bitwatt.quantization import quantize
    from bitwatt.study.run import make_writable
    from bitwatt.study.subject import build_network, load_weights
    from bitwatt.training import TrainingState, retraining_recipe, train

    wanted = parse_precision(precision)
    make_writable(out.parent)
    module = build_network(network, seed)
    load_weights(module, weights)
    images = datasets.load(data, data_dir)
    default = retraining_recipe(network, wanted)
    passes = 0 if wanted.is_float else default.epochs if epochs is None else epochs
    quantised = quantize(module, wanted, calibration=images.calibration)

    def tell(state: TrainingState) -> None:
        last = state.history[-1]
        learnt = f"loss {last.loss:.4f}, accuracy {last.accuracy:.2%}"
        print_note(f"epoch {state.epoch} of {passes}: {learnt}")

    if passes:
        recipe = replace(default, seed=seed, epochs=passes)
        train(quantised, images, recipe, teacher=module, device=device, on_epoch_end=tell)
    program = lower_network(quantised.eval(), example=images.test.images[:1], network=network)
    program.save(out)
    if json:
        print_json({"program": str(out), "network": network, "precision": str(wanted), "epochs": passes})
    else:
        print_result(f"program: {out}")
