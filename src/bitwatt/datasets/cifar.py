"""CIFAR-10 from its binary version: records of one label byte and 3 x 32 x 32 pixels, channels first.

Source of the layout: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import numpy as np

from bitwatt.datasets.data import Data, Normalisation, Pixels, from_pixels
from bitwatt.datasets.download import RemoteFile
from bitwatt.datasets.local import check_labels, is_published, present, present_or_fetched, provenance
from bitwatt.errors import DataError

TITLE = "CIFAR-10, A. Krizhevsky, 2009"
FOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{k}.bin" for k in range(1, 6))
TEST_FILES = ("test_batch.bin",)
CLASSES, SHAPE = 10, (3, 32, 32)
IMAGES_IN_A_FILE = 10_000

# Size and digest: tensorflow/datasets, url_checksums/cifar10.txt.
ARCHIVE = RemoteFile(
    "cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    170052171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)

NORMALISATION = Normalisation(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))
"""Mean and standard deviation of all training pixels, channel by channel."""


def load_cifar10(
    data_dir: Path, archive: RemoteFile = ARCHIVE, images_in_a_file: int = IMAGES_IN_A_FILE
) -> Data:
    """CIFAR-10 from the folder `data_dir/cifar-10-batches-bin`, or else from the archive.

    The archive is `data_dir/cifar-10-binary.tar.gz`, downloaded where it is missing. Its digest is published,
    those of the files in it are not: a folder of them is checked for its structure, and `Data.source` says
    that it is unverified.

    Raises:
        DataError: a file is missing and cannot be had, or is truncated or altered.
    """
    folder = data_dir / FOLDER
    if folder.is_dir():
        where, contents = folder, _from_folder(folder)
        source = (
            f"{TITLE} (unpacked copy: no digests of the single files were published, so it is unverified)"
        )
    else:
        where = present_or_fetched(archive, data_dir)
        contents, source = _from_archive(where, archive), provenance(TITLE, is_published(where, archive))
    return from_pixels(
        name="cifar10",
        train=_pixels(where, contents, TRAIN_FILES, images_in_a_file),
        test=_pixels(where, contents, TEST_FILES, images_in_a_file),
        normalisation=NORMALISATION,
        classes=CLASSES,
        source=source,
        licence="free to use with citation of A. Krizhevsky, Learning Multiple Layers of Features, 2009",
        augmentation="shift+flip",
    )


def _from_folder(folder: Path) -> dict[str, bytes]:
    remedy = f"put the files of {ARCHIVE.name} there, or delete the folder to have them downloaded"
    return {name: present(folder / name, remedy).read_bytes() for name in TRAIN_FILES + TEST_FILES}


def _from_archive(path: Path, archive: RemoteFile) -> dict[str, bytes]:
    wanted = {f"{FOLDER}/{name}": name for name in TRAIN_FILES + TEST_FILES}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as opened:
            for member in opened:
                if member.name in wanted and (file := opened.extractfile(member)) is not None:
                    found[wanted[member.name]] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"data file {path} ({path.stat().st_size} bytes, expected {archive.size}) is truncated or "
            f"altered: {error}; put a good copy in its place, or delete it to have it downloaded"
        ) from error
    missing = [name for name in wanted.values() if name not in found]
    if missing:
        raise DataError(f"data file {path} lacks {', '.join(missing)}; delete it to have it downloaded")
    return found


def _pixels(where: Path, contents: dict[str, bytes], names: tuple[str, ...], count: int) -> Pixels:
    record = 1 + int(np.prod(SHAPE))
    images, labels = [], []
    for name in names:
        if len(contents[name]) != count * record:
            raise DataError(
                f"data file {where / name} must have {count * record} bytes ({count} images of {record}), "
                f"found {len(contents[name])}"
            )
        rows = np.frombuffer(contents[name], np.uint8).reshape(count, record)
        check_labels(rows[:, 0], CLASSES, where / name)
        images.append(rows[:, 1:].reshape(count, *SHAPE))
        labels.append(rows[:, 0])
    return Pixels(np.concatenate(images), np.concatenate(labels))
