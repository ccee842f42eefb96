"""SVHN's cropped digits from their MATLAB files: X is 32 x 32 x 3 x N, y is N x 1 with 10 for the digit 0.

Source of the layout: http://ufldl.stanford.edu/housenumbers, "Format 2". `svhn-standin` has the same layout
and other images, for work without SVHN; it is never called SVHN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bitwatt.datasets.data import Data, Normalisation, Pixels, from_pixels
from bitwatt.datasets.download import RemoteFile
from bitwatt.datasets.local import check_labels, is_published, present, present_or_fetched, provenance
from bitwatt.errors import DataError

TRAIN, TEST = "train_32x32.mat", "test_32x32.mat"
CLASSES = 10


@dataclass(frozen=True)
class MatSet:
    """A data set of 32 x 32 colour digits in SVHN's layout.

    Attributes:
        name: what results call it, and the folder that the files lie in.
        title: what `Data.source` calls it.
        train, test: numbers of images.
        files: the published files by file name; empty where the set is not published.
        normalisation: mean and standard deviation of the training pixels, channel by channel.
        licence: on what terms the images may be used.
    """

    name: str
    title: str
    train: int
    test: int
    files: Mapping[str, RemoteFile]
    normalisation: Normalisation
    licence: str


_BASE = "http://ufldl.stanford.edu/housenumbers/"

# Sizes and digests: tensorflow/datasets, url_checksums/svhn_cropped.txt.
SVHN = MatSet(
    name="svhn",
    title="SVHN, Y. Netzer et al., NIPS workshop 2011",
    train=73_257,
    test=26_032,
    files={
        TRAIN: RemoteFile(
            TRAIN,
            (_BASE + TRAIN,),
            182040794,
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        ),
        TEST: RemoteFile(
            TEST,
            (_BASE + TEST,),
            64275384,
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        ),
    },
    normalisation=Normalisation(mean=(0.4377, 0.4438, 0.4728), std=(0.1980, 0.2010, 0.1970)),
    licence="non-commercial use only",
)

SVHN_STANDIN = MatSet(
    name="svhn-standin",
    title="stand-in, not SVHN: MNIST digits in random colours over CIFAR-10 patches, in SVHN's layout",
    train=60_000,
    test=10_000,
    files={},
    normalisation=Normalisation(mean=(0.4941, 0.4876, 0.4565), std=(0.2467, 0.2446, 0.2607)),
    licence="that of MNIST (CC BY-SA 3.0) and of CIFAR-10",
)


def load_mat_set(about: MatSet, data_dir: Path) -> Data:
    """The data set from its two files in `data_dir/NAME`, which are downloaded where they are missing.

    Raises:
        DataError: a file is missing and cannot be had, or is truncated or altered.
    """
    folder = data_dir / about.name
    train = _pixels(_path(about, folder, TRAIN), about.train)
    test = _pixels(_path(about, folder, TEST), about.test)
    published = all(is_published(folder / name, file) for name, file in about.files.items())
    return from_pixels(
        name=about.name,
        train=train,
        test=test,
        normalisation=about.normalisation,
        classes=CLASSES,
        source=provenance(about.title, published),
        licence=about.licence,
        augmentation="shift",
    )


def _path(about: MatSet, folder: Path, name: str) -> Path:
    if name in about.files:
        return present_or_fetched(about.files[name], folder)
    return present(folder / name, f"{about.name} is published nowhere: lay it out there yourself")


def _pixels(path: Path, count: int) -> Pixels:
    arrays = _read(path)
    images = _array(arrays, "X", (32, 32, 3, count), path)
    labels = _array(arrays, "y", (count, 1), path)[:, 0]
    digits = np.where(labels == 10, 0, labels)
    check_labels(digits, CLASSES, path)
    return Pixels(np.ascontiguousarray(images.transpose(3, 2, 0, 1)), digits)


def _array(arrays: dict[str, Any], name: str, shape: tuple[int, ...], path: Path) -> npt.NDArray[np.uint8]:
    array = arrays.get(name)
    if isinstance(array, np.ndarray) and array.shape == shape and array.dtype == np.uint8:
        return array
    found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "none"
    raise DataError(f"data file {path}: {name} must be uint8 {shape}, found {found}")


def _read(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        return dict(loadmat(path, variable_names=["X", "y"]))
    except Exception as error:  # what scipy raises on a damaged file depends on where it is damaged
        raise DataError(
            f"data file {path} ({path.stat().st_size} bytes) is truncated or altered: {error}; "
            "put a good copy in its place, or delete it to have it downloaded"
        ) from error
