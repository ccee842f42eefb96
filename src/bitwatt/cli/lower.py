"""`bitwatt lower`: float weights, or an ONNX file, to an exact program at a precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitwatt.cli.arguments import DataDir, Json, example
from bitwatt.cli.onnx_input import Output, calibration_images, is_onnx, quantised
from bitwatt.errors import RequestError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bitwatt.datasets import Data

_EPILOG = example(
    "bitwatt lower lenet.safetensors --network lenet --data mnist-small --precision fixed8 "
    "--out lenet-fixed8.bitwatt",
    "bitwatt lower model.onnx --precision fixed8 --calibration images.npy --out model-fixed8.bitwatt",
)


def add_to(app: typer.Typer) -> None:
    """Add the verb, under both names that people look for."""
    app.command("lower", epilog=_EPILOG)(lower)


def lower(
    weights: Annotated[
        Path,
        typer.Argument(metavar="WEIGHTS", help="Float weights (.safetensors), or a float model (.onnx)."),
    ],
    precision: Annotated[str, typer.Option("--precision", metavar="NAME", help="See 'bitwatt formats'.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the program goes (.bitwatt).")],
    network: Annotated[
        str | None,
        typer.Option("--network", metavar="NAME", help="Of the weights: a name, or module:function."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="NAME", help="A data set to train and calibrate on, as elsewhere."),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            "--calibration",
            metavar="NAME",
            help="Only calibrate: on a data set, or on images in a .npy file.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=0, help="Epochs of training at the precision; 0: calibration only."),
    ] = None,
    post_training: Annotated[
        bool,
        typer.Option("--post-training", help="With --calibration: round each layer's weights together."),
    ] = False,
    output: Output = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of images.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Quantise a trained network, train it at the precision, and write it as an exact program."""
    from bitwatt.cli.output import print_json, print_note, print_result
    from bitwatt.formats import parse_precision
    from bitwatt.program import lower as lower_network
    from bitwatt.quantization.post_training import improve
    from bitwatt.study.run import make_writable
    from bitwatt.training import TrainingState, retraining_recipe, train

    wanted = parse_precision(precision)
    make_writable(out.parent)
    if post_training and calibration is None:
        raise RequestError("--post-training needs --calibration; --data trains at the precision instead")
    images, looked_at = _images(data, calibration, data_dir, epochs)
    module, name = _float_model(weights, network, output, tuple(looked_at.shape[1:]), seed)
    default = retraining_recipe(name, wanted)
    passes = 0 if wanted.is_float or images is None else default.epochs if epochs is None else epochs
    network_at_precision = quantised(module, wanted, looked_at)
    if post_training:
        improve(network_at_precision, looked_at)

    def tell(state: TrainingState) -> None:
        last = state.history[-1]
        learnt = f"loss {last.loss:.4f}, accuracy {last.accuracy:.2%}"
        print_note(f"epoch {state.epoch} of {passes}: {learnt}")

    if images is not None and passes:
        recipe = replace(default, seed=seed, epochs=passes)
        train(network_at_precision, images, recipe, teacher=module, device=device, on_epoch_end=tell)
    program = lower_network(network_at_precision.eval(), example=looked_at[:1], network=name)
    program.save(out)
    if json:
        print_json({"program": str(out), "network": name, "precision": str(wanted), "epochs": passes})
    else:
        print_result(f"program: {out}")


def _images(
    data: str | None, calibration: str | None, data_dir: Path | None, epochs: int | None
) -> tuple[Data | None, Tensor]:
    """The data to train on, None where it is only calibrated, and the images to calibrate on."""
    from bitwatt import datasets

    if (data is None) == (calibration is None):
        raise RequestError(
            "give --data, to train at the precision, or --calibration, to choose exponents only"
        )
    if calibration is not None:
        if epochs:
            raise RequestError(f"--epochs {epochs} needs --data; --calibration trains nothing")
        return None, calibration_images(calibration, data_dir)
    loaded = datasets.load(str(data), data_dir)
    return loaded, loaded.calibration.images


def _float_model(
    path: Path, network: str | None, output: str | None, input_shape: tuple[int, ...], seed: int
) -> tuple[nn.Module, str]:
    """The float network and what it is called."""
    from bitwatt.onnx_import import read_onnx
    from bitwatt.study.subject import build_network, load_weights

    if is_onnx(path):
        if network is not None:
            raise RequestError(f"'{path}' holds its network; leave --network out")
        return read_onnx(path, input_shape=input_shape, output=output).module, path.stem
    if network is None:
        raise RequestError(f"--network must say which network the weights in '{path}' are of")
    module = build_network(network, seed)
    load_weights(module, path)
    return module, network
