"""The user's own data: a function that returns it, or an `.npz` file.

Images are (N, channels, H, W) or (N, H, W), uint8 or floating point. Bytes are normalised by the mean and
standard deviation of the training pixels, channel by channel; floating point is taken as it comes. Labels are
whole numbers from 0; the largest training label says how many classes there are.
"""

from __future__ import annotations

import importlib
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.npyio import NpzFile

from bitwatt.datasets.data import (
    CALIBRATION_IMAGES,
    Data,
    Normalisation,
    Pixels,
    Split,
    balanced,
    digest,
    from_pixels,
)
from bitwatt.errors import DataError, RequestError

KEYS = ("train_images", "train_labels", "test_images", "test_labels")
LICENCE = "the user's own"


def load_npz(path: Path) -> Data:
    """The data in an `.npz` file with the four arrays named in `KEYS`.

    Raises:
        DataError: the file is missing, truncated or altered.
        RequestError: an array is missing or is not as described above.
    """
    try:
        with path.open("rb") as file, _npz(file) as opened:
            missing = [key for key in KEYS if key not in opened]
            arrays = {key: opened[key] for key in KEYS if key in opened}
            held = ", ".join(opened.files) or "nothing"
    except FileNotFoundError as error:
        raise DataError(f"data file {path} is missing") from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"data file {path} ({path.stat().st_size} bytes) is no .npz file, or is truncated or "
            f"altered: {error}"
        ) from error
    if missing:
        raise RequestError(
            f"data file {path} lacks {', '.join(missing)}; it must hold {', '.join(KEYS)}, got {held}"
        )
    return from_arrays(path.stem, arrays, source=f"the user's file {path.name}")


def _npz(file: BinaryIO) -> NpzFile:
    opened = np.load(file, allow_pickle=False)
    if not isinstance(opened, NpzFile):
        raise ValueError("it holds a single array")
    return opened


def load_function(spec: str) -> Data:
    """What the function named `module:function` returns: a `Data`, or ((images, labels), (images, labels)).

    The pairs are the training and the test images, as numpy arrays or torch tensors. The module is looked for
    in the current folder too.

    Raises:
        RequestError: there is no such module or function, or it returned something else.
    """
    module_name, _, function_name = spec.partition(":")
    try:
        function = getattr(_import(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise RequestError(
            f"data '{spec}': cannot find the function '{function_name}' in the module '{module_name}' "
            f"({error}); the module's folder must be the current one or on PYTHONPATH"
        ) from error
    if not callable(function):
        raise RequestError(f"data '{spec}' must name a function, got {type(function).__name__}")
    made = function()
    if isinstance(made, Data):
        return made
    try:
        (train_images, train_labels), (test_images, test_labels) = made
    except (TypeError, ValueError) as error:
        raise RequestError(
            f"data '{spec}' must return a bitwatt.datasets.Data or ((images, labels), (images, labels)), "
            f"got {type(made).__name__}"
        ) from error
    values = (train_images, train_labels, test_images, test_labels)
    arrays = {key: np.asarray(value) for key, value in zip(KEYS, values, strict=True)}
    return from_arrays(spec, arrays, source=f"the user's function {spec}")


def _import(name: str) -> Any:
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def from_arrays(name: str, arrays: dict[str, npt.NDArray[Any]], source: str) -> Data:
    """A data set from four arrays under the names in `KEYS`, each checked.

    Raises:
        RequestError: an array is not as the head of this file says; the message names it.
    """
    train, test = _images(name, "train_images", arrays), _images(name, "test_images", arrays)
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        shape = ", ".join(map(str, train.shape[1:]))
        raise RequestError(
            f"data '{name}': test_images must be {train.dtype} of shape (N, {shape}) "
            f"as train_images are, got {test.dtype} of shape {test.shape}"
        )
    train_labels = _labels(name, "train_labels", arrays, len(train), None)
    classes = int(train_labels.max()) + 1
    test_labels = _labels(name, "test_labels", arrays, len(test), classes)
    if train.dtype == np.uint8:
        return from_pixels(
            name=name,
            train=Pixels(train, train_labels),
            test=Pixels(test, test_labels),
            normalisation=_measured(train),
            classes=classes,
            source=f"{source}; normalised by the mean and standard deviation of its training pixels",
            licence=LICENCE,
            augmentation="none",
        )
    whole = Split(torch.from_numpy(train), torch.from_numpy(train_labels))
    return Data(
        name=name,
        train=whole,
        test=Split(torch.from_numpy(test), torch.from_numpy(test_labels)),
        calibration=whole.take(balanced(train_labels, CALIBRATION_IMAGES)),
        sha256=digest([train, train_labels, test, test_labels], "none"),
        classes=classes,
        input_shape=(train.shape[1], train.shape[2], train.shape[3]),
        source=source,
        licence=LICENCE,
    )


def _images(name: str, key: str, arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """(N, channels, H, W), uint8 or float32, with at least one image and every value finite."""
    images = arrays[key]
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4:
        raise RequestError(
            f"data '{name}': {key} must have the shape (N, channels, height, width) or (N, height, width), "
            f"got {arrays[key].shape}"
        )
    if images.size == 0:
        raise RequestError(
            f"data '{name}': {key} must hold at least one image, got the shape {arrays[key].shape}"
        )
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    if not np.issubdtype(images.dtype, np.floating):
        raise RequestError(f"data '{name}': {key} must be uint8 or floating point, got {images.dtype}")
    with np.errstate(over="ignore"):
        images = np.ascontiguousarray(images, np.float32)
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        where = int(np.argmin(finite))
        raise RequestError(
            f"data '{name}': {key} must be finite in float32; image {where} holds NaN or infinity"
        )
    return images


def _labels(
    name: str, key: str, arrays: dict[str, npt.NDArray[Any]], count: int, classes: int | None
) -> npt.NDArray[np.int64]:
    """(N,) int64, one for each image, from 0 to classes - 1 where `classes` is given."""
    labels = arrays[key]
    if labels.shape != (count,):
        raise RequestError(
            f"data '{name}': {key} must have the shape ({count},), one for each image, got {labels.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise RequestError(f"data '{name}': {key} must be whole numbers, got {labels.dtype}")
    wrong = (labels < 0) if classes is None else (labels < 0) | (labels >= classes)
    if wrong.any():
        where = int(np.argmax(wrong))
        allowed = "0 or more" if classes is None else f"0 to {classes - 1}, as train_labels are"
        raise RequestError(f"data '{name}': {key} must be {allowed}, got {labels[where]} for image {where}")
    return labels.astype(np.int64)


def _measured(pixels: npt.NDArray[np.uint8]) -> Normalisation:
    """Mean and standard deviation of each channel, from exact counts; a constant channel is only centred."""
    mean, std = [], []
    for channel in range(pixels.shape[1]):
        counts = np.bincount(pixels[:, channel].ravel(), minlength=256) / pixels[:, channel].size
        levels = np.arange(256) / 255
        centre = float(counts @ levels)
        mean.append(centre)
        std.append(float(np.sqrt(counts @ (levels - centre) ** 2)) or 1.0)
    return Normalisation(tuple(mean), tuple(std))
