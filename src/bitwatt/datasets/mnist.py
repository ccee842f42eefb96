"""MNIST and Fashion-MNIST from their four IDX files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bitwatt.datasets.data import Augmentation, Data, Normalisation, Pixels, from_pixels
from bitwatt.datasets.download import RemoteFile
from bitwatt.datasets.idx import decompress, parse
from bitwatt.datasets.local import check_labels, is_published, present_or_fetched, provenance
from bitwatt.errors import DataError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"

CLASSES, SIDE = 10, 28


@dataclass(frozen=True)
class IdxSet:
    """A data set of 28 x 28 grey images in ten classes, laid out as MNIST is.

    Attributes:
        name: what results call it, and the folder that the files lie in.
        title: what `Data.source` calls it.
        train, test: numbers of images.
        files: the published files, by file name.
        contents: SHA-256 of the decompressed contents by file name, where it is known. Files must have it;
            where it is not, a copy that was compressed anew cannot be told from an altered one, and
            `Data.source` says that the digest differs.
        normalisation: mean and standard deviation of the training pixels.
        licence: on what terms the images may be used.
        augmentation: changes that keep an image's meaning.
    """

    name: str
    title: str
    train: int
    test: int
    files: Mapping[str, RemoteFile]
    contents: Mapping[str, str]
    normalisation: Normalisation
    licence: str
    augmentation: Augmentation


def _files(bases: tuple[str, ...], sizes_and_digests: Mapping[str, tuple[int, str]]) -> dict[str, RemoteFile]:
    return {
        name: RemoteFile(name, tuple(base + name for base in bases), size, sha256)
        for name, (size, sha256) in sizes_and_digests.items()
    }


# Sizes and digests of the .gz files: tensorflow/datasets, url_checksums/mnist.txt and fashion_mnist.txt.
# Normalisation: the mean and standard deviation of all training pixels.
MNIST = IdxSet(
    name="mnist",
    title="MNIST, Y. LeCun, C. Cortes and C. J. C. Burges",
    train=60_000,
    test=10_000,
    files=_files(
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        {
            TRAIN_IMAGES: (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            TRAIN_LABELS: (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            TEST_IMAGES: (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            TEST_LABELS: (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        },
    ),
    contents={
        TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    normalisation=Normalisation(mean=(0.1307,), std=(0.3081,)),
    licence="CC BY-SA 3.0, Y. LeCun and C. Cortes",
    augmentation="shift",
)

FASHION_MNIST = IdxSet(
    name="fashion-mnist",
    title="Fashion-MNIST, H. Xiao, K. Rasul and R. Vollgraf, arXiv 1708.07747",
    train=60_000,
    test=10_000,
    files=_files(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        {
            TRAIN_IMAGES: (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            TRAIN_LABELS: (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            TEST_IMAGES: (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            TEST_LABELS: (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        },
    ),
    contents={},
    normalisation=Normalisation(mean=(0.2860,), std=(0.3530,)),
    licence="MIT, Zalando SE",
    augmentation="shift+flip",
)


def load_idx_set(about: IdxSet, data_dir: Path) -> Data:
    """The data set from its files in `data_dir/NAME`, which are downloaded where they are missing.

    Raises:
        DataError: a file is missing and cannot be had, or is truncated or altered.
    """
    train, test = read_idx_set(about, data_dir)
    folder = data_dir / about.name
    published = all(
        name in about.contents or is_published(folder / name, file) for name, file in about.files.items()
    )
    return from_pixels(
        name=about.name,
        train=train,
        test=test,
        normalisation=about.normalisation,
        classes=CLASSES,
        source=provenance(about.title, published),
        licence=about.licence,
        augmentation=about.augmentation,
    )


def read_idx_set(about: IdxSet, data_dir: Path) -> tuple[Pixels, Pixels]:
    """The training and test images as they are stored. Raises as `load_idx_set` does."""
    folder = data_dir / about.name
    return (
        _pixels(about, folder, TRAIN_IMAGES, TRAIN_LABELS, about.train),
        _pixels(about, folder, TEST_IMAGES, TEST_LABELS, about.test),
    )


def _pixels(about: IdxSet, folder: Path, images: str, labels: str, count: int) -> Pixels:
    pixels = parse(_contents(about, folder, images), folder / images, (count, SIDE, SIDE))
    classes = parse(_contents(about, folder, labels), folder / labels, (count,))
    check_labels(classes, CLASSES, folder / labels)
    return Pixels(pixels[:, None], classes)


def _contents(about: IdxSet, folder: Path, name: str) -> bytes:
    path = present_or_fetched(about.files[name], folder)
    contents = decompress(path)
    expected = about.contents.get(name)
    if expected is not None and (found := hashlib.sha256(contents).hexdigest()) != expected:
        raise DataError(
            f"data file {path} is not {about.name}'s: its contents have SHA-256 {found}, "
            f"expected {expected}; put a good copy in its place, or delete it to have it downloaded"
        )
    return contents
