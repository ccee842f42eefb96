"""`mnist-small`: 10,000 training and 2,000 test images of MNIST, carried in the package.

Every digit is there as often. The test images come from MNIST's test images, the training images from its
training images, drawn by `scripts/make_mnist_small.py`. The images are under MNIST's licence, CC BY-SA 3.0
(Y. LeCun and C. Cortes).
"""

from __future__ import annotations

import zipfile
import zlib
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bitwatt.datasets.data import Data, Pixels, from_pixels
from bitwatt.datasets.mnist import CLASSES, MNIST, SIDE
from bitwatt.errors import DataError

TRAIN_PER_CLASS, TEST_PER_CLASS = 1000, 200
SEED = 2017
FILE = "mnist_small.npz"
SHA256 = "108fc02cf15bf0ee12d85a95e55fc086379279879bfa011e6b22a71e229485b2"
"""`Data.sha256`, so of the pixels, the labels and the normalisation, however the file is compressed."""


def draw(labels: npt.NDArray[np.integer], per_class: int, seed: int) -> npt.NDArray[np.int64]:
    """Indices of `per_class` images of each class, drawn without replacement, in random order."""
    rng = np.random.default_rng(seed)
    chosen = [
        rng.choice(np.flatnonzero(labels == label), per_class, replace=False) for label in np.unique(labels)
    ]
    return rng.permutation(np.concatenate(chosen))


def load_mnist_small() -> Data:
    """The data set that the package carries.

    Raises:
        DataError: the file in the package is missing, truncated or altered.
    """
    with as_file(files("bitwatt.datasets") / FILE) as path:
        data = contents(path)
        if data.sha256 != SHA256:
            raise DataError(
                f"data file {path} of the package is altered: its contents have SHA-256 {data.sha256}, "
                f"expected {SHA256}; install bitwatt again"
            )
        return data


def contents(path: Path) -> Data:
    """The data set in the file `path`, whatever its digest.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            train = Pixels(arrays["train_images"].reshape(-1, 1, SIDE, SIDE), arrays["train_labels"])
            test = Pixels(arrays["test_images"].reshape(-1, 1, SIDE, SIDE), arrays["test_labels"])
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"data file {path} of the package is missing, truncated or altered: {error}; "
            "install bitwatt again"
        ) from error
    return from_pixels(
        name="mnist-small",
        train=train,
        test=test,
        normalisation=MNIST.normalisation,
        classes=CLASSES,
        source=f"10,000 training and 2,000 test images drawn class-balanced from {MNIST.title}",
        licence=MNIST.licence,
        augmentation=MNIST.augmentation,
    )
