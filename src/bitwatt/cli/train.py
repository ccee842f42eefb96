"""`bitwatt train`: float weights for a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bitwatt.cli.arguments import DataDir, DataName, Json, example

_EPILOG = example("bitwatt train --network lenet --data mnist-small --out lenet.safetensors")


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("train", epilog=_EPILOG)(train)


def train(
    network: Annotated[str, typer.Option("--network", metavar="NAME", help="A name, or module:function.")],
    data: DataName,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the weights go (.safetensors).")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of first weights and order of images.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Train a network in floating point, and keep its weights."""
    from safetensors.torch import save

    from bitwatt import datasets
    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.report.atomic import write_atomic
    from bitwatt.study.run import make_writable
    from bitwatt.study.subject import build_network
    from bitwatt.training import TrainingState, pretraining_recipe
    from bitwatt.training import train as train_network

    make_writable(out.parent)
    default = pretraining_recipe(network)
    recipe = replace(default, seed=seed, epochs=epochs or default.epochs)
    module = build_network(network, seed)

    def tell(state: TrainingState) -> None:
        last = state.history[-1]
        learnt = f"loss {last.loss:.4f}, accuracy {last.accuracy:.2%}"
        print_note(f"epoch {state.epoch} of {recipe.epochs}: {learnt}")

    found = train_network(module, datasets.load(data, data_dir), recipe, device=device, on_epoch_end=tell)
    write_atomic(out, save({name: tensor.contiguous() for name, tensor in module.state_dict().items()}))
    if json:
        history = [record.to_dict() for record in found.history]
        print_json({"weights": str(out), "recipe": recipe.to_dict(), "history": history})
    else:
        print_result(f"weights: {out}")
