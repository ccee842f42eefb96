"""A data set in memory: three splits of normalised images, and where they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from bitwatt.errors import RequestError

CALIBRATION_IMAGES = 512
"""Images of the calibration split: enough for a stable histogram of activations, few enough for one batch."""

Augmentation = Literal["none", "shift", "shift+flip"]
"""Changes that keep the meaning of an image of this kind: small shifts, and mirroring left to right."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels; `images, labels = split` and `len(split)` work.

    Attributes:
        images: (N, channels, height, width) float32, normalised as the data set says.
        labels: (N,) int64, from 0 to classes - 1.

    Raises:
        RequestError: dtypes or shapes are not those, or there are no images.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.float32 or self.images.ndim != 4:
            raise RequestError(
                "images of a split must be float32 of shape (N, channels, height, width), "
                f"got {self.images.dtype} of shape {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise RequestError(
                f"labels of a split must be int64 of shape ({len(self.images)},), one for each image, "
                f"got {self.labels.dtype} of shape {tuple(self.labels.shape)}"
            )
        if len(self.labels) == 0:
            raise RequestError("a split must have at least one image, got zero")

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter((self.images, self.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """The images at `indices`, in that order."""
        chosen = torch.from_numpy(indices)
        return Split(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Data:
    """A data set.

    Attributes:
        name: what results call it.
        train: for training.
        test: for the reported accuracy alone.
        calibration: a class-balanced slice of `train` (512 images where there are as many), never of `test`.
        sha256: digest of pixels, labels, their order and the normalisation, train and test alike.
        classes: the number of classes.
        input_shape: channels, height and width of one image.
        source: where the images came from, and whether they are the official ones.
        licence: on what terms they may be used.
        augmentation: changes that keep an image's meaning.
    """

    name: str
    train: Split
    test: Split
    calibration: Split
    sha256: str
    classes: int
    input_shape: tuple[int, int, int]
    source: str
    licence: str
    augmentation: Augmentation = "none"


@dataclass(frozen=True)
class Normalisation:
    """Pixels of 0 to 255 become (pixel / 255 - mean) / std, channel by channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        """(N, channels, H, W) uint8 -> float32 of the same shape, each value rounded once from float64."""
        levels = np.arange(256, dtype=np.float64) / 255
        images = np.empty(pixels.shape, np.float32)
        for channel, (mean, std) in enumerate(zip(self.mean, self.std, strict=True)):
            table = ((levels - mean) / std).astype(np.float32)
            images[:, channel] = table[pixels[:, channel]]
        return torch.from_numpy(images)


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images as they are stored: (N, channels, H, W) uint8, and labels (N,) of any integer type."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.integer]

    def normalised(self, by: Normalisation) -> Split:
        """The split that these make."""
        return Split(by(self.images), torch.from_numpy(self.labels.astype(np.int64)))


def digest(arrays: Sequence[npt.NDArray[np.generic]], normalisation: str) -> str:
    """SHA-256 over the dtype, shape and contents of each array in turn, and how they are normalised."""
    whole = hashlib.sha256(normalisation.encode())
    for array in arrays:
        # Little-endian whatever the machine, so that a digest means the same everywhere.
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        whole.update(f"{plain.dtype.str}{plain.shape}".encode())
        whole.update(plain.data)
    return whole.hexdigest()


def balanced(labels: npt.NDArray[np.integer], count: int) -> npt.NDArray[np.int64]:
    """Indices of `count` images, the classes in equal numbers as far as they reach, in ascending order.

    The first image of every class is taken before the second of any, and so on; of the last round, those that
    come first. All images where there are no more than `count`.
    """
    turn = np.empty(len(labels), np.int64)  # the how-many-th of its class each image is
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        turn[of_class] = np.arange(len(of_class))
    return np.sort(np.argsort(turn, kind="stable")[:count]).astype(np.int64)


def hold_out(data: Data, fraction: float = 0.1, seed: int = 0) -> Data:
    """The same data with a validation split of the training images in the place of the test images.

    For choosing a recipe or a format without looking at the test images: none is in the result.

    Args:
        data: the data set to divide.
        fraction: the part of every class that becomes the new test split, at least one image of each class.
        seed: which images those are.

    Returns:
        A data set named `NAME/held-out`, whose `calibration` is a slice of the remaining training images.

    Raises:
        RequestError: the fraction is not between 0 and 1, or leaves a class without training images.
    """
    if not 0 < fraction < 1:
        raise RequestError(f"fraction to hold out must lie between 0 and 1, got {fraction}")
    labels = data.train.labels.numpy()
    order = np.random.default_rng(seed).permutation(len(labels))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        size = max(1, round(fraction * len(of_class)))
        if size == len(of_class):
            raise RequestError(
                f"holding out {fraction} of '{data.name}' leaves no training image of class {label}, "
                f"which has {len(of_class)}; hold out less"
            )
        held[of_class[:size]] = True
    kept, test = np.flatnonzero(~held), np.flatnonzero(held)
    train = data.train.take(kept)
    return replace(
        data,
        name=f"{data.name}/held-out",
        train=train,
        test=data.train.take(test),
        calibration=train.take(balanced(labels[kept], CALIBRATION_IMAGES)),
        sha256=digest([kept, test], normalisation=data.sha256),
        source=f"{data.source}; tested on {len(test)} held-out training images ({fraction} of each class, "
        f"seed {seed})",
    )


def from_pixels(
    *,
    name: str,
    train: Pixels,
    test: Pixels,
    normalisation: Normalisation,
    classes: int,
    source: str,
    licence: str,
    augmentation: Augmentation,
) -> Data:
    """A data set from stored pixels of 0 to 255."""
    whole = train.normalised(normalisation)
    channels, height, width = train.images.shape[1:]
    return Data(
        name=name,
        train=whole,
        test=test.normalised(normalisation),
        calibration=whole.take(balanced(train.labels, CALIBRATION_IMAGES)),
        sha256=digest([train.images, train.labels, test.images, test.labels], repr(normalisation)),
        classes=classes,
        input_shape=(channels, height, width),
        source=source,
        licence=licence,
        augmentation=augmentation,
    )
