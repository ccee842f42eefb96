"""The reader of CIFAR-10's binary files, on small ones laid out alike."""

import hashlib
import io
import shutil
import tarfile

import numpy as np
import pytest

from bitwatt.datasets import cifar
from bitwatt.datasets.download import RemoteFile
from bitwatt.errors import DataError

COUNT = 20
NAMES = cifar.TRAIN_FILES + cifar.TEST_FILES


def batch(seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).integers(0, 256, (COUNT, 3073), np.uint8)
    rows[:, 0] = np.arange(COUNT) % 10
    return rows


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / cifar.FOLDER
    made.mkdir()
    for seed, name in enumerate(NAMES):
        (made / name).write_bytes(batch(seed).tobytes())
    return made


@pytest.fixture
def archive(folder):
    """The same files packed, and nothing else left."""
    path = folder.parent / cifar.ARCHIVE.name
    with tarfile.open(path, "w:gz") as packed:
        packed.add(folder, folder.name)
    shutil.rmtree(folder)
    return RemoteFile(path.name, (), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def load(data_dir, archive=cifar.ARCHIVE):
    return cifar.load_cifar10(data_dir, archive, COUNT)


def error_of(data_dir, archive=cifar.ARCHIVE) -> str:
    with pytest.raises(DataError) as error:
        load(data_dir, archive)
    return str(error.value)


def test_reads_a_folder(folder):
    data = load(folder.parent)
    assert data.train.images.shape == (5 * COUNT, 3, 32, 32)
    assert data.test.images.shape == (COUNT, 3, 32, 32)
    # Record 2 of the third file, green, row 1, column 4: after the label and the 1,024 red pixels.
    pixel = batch(2)[2, 1 + 1024 + 32 + 4]
    found = data.train.images[2 * COUNT + 2, 1, 1, 4].item()
    assert found == np.float32((pixel / 255 - 0.4822) / 0.2435)
    assert data.train.labels.tolist() == [k % 10 for k in range(COUNT)] * 5
    assert data.source == (
        "CIFAR-10, A. Krizhevsky, 2009 (unpacked copy: no digests of the single files were published, "
        "so it is unverified)"
    )


def test_reads_the_archive(folder, request):
    unpacked = load(folder.parent)
    archive = request.getfixturevalue("archive")
    packed = load(folder.parent, archive)
    assert packed.sha256 == unpacked.sha256
    assert packed.source == "CIFAR-10, A. Krizhevsky, 2009"
    assert load(folder.parent, RemoteFile(archive.name, (), 1, "0" * 64)).source == (
        "CIFAR-10, A. Krizhevsky, 2009 (re-encoded copy: digest differs from the published files)"
    )


def test_missing_file(folder):
    (folder / "data_batch_3.bin").unlink()
    assert error_of(folder.parent) == (
        f"data file {folder / 'data_batch_3.bin'} is missing; put the files of cifar-10-binary.tar.gz there, "
        "or delete the folder to have them downloaded"
    )


def test_truncated_file(folder):
    path = folder / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-1])
    assert error_of(folder.parent) == (
        f"data file {path} must have 61460 bytes (20 images of 3073), found 61459"
    )


def test_label_out_of_range(folder):
    rows = batch(0)
    rows[7, 0] = 255
    (folder / "data_batch_1.bin").write_bytes(rows.tobytes())
    assert error_of(folder.parent) == (
        f"data file {folder / 'data_batch_1.bin'}: label of image 7 must be 0 to 9, found 255"
    )


def test_truncated_archive(archive, tmp_path):
    path = tmp_path / archive.name
    path.write_bytes(path.read_bytes()[:10_000])
    assert error_of(tmp_path, archive).startswith(
        f"data file {path} (10000 bytes, expected {archive.size}) is truncated or altered: "
    )


def test_archive_without_a_file(archive, tmp_path):
    path = tmp_path / archive.name
    with tarfile.open(path, "w:gz") as packed:
        for name in NAMES[1:]:
            member = tarfile.TarInfo(f"{cifar.FOLDER}/{name}")
            packed.addfile(member, io.BytesIO(b""))
    assert error_of(tmp_path, archive) == (
        f"data file {path} lacks data_batch_1.bin; delete it to have it downloaded"
    )


def test_nothing_there_and_not_served(tmp_path):
    nowhere = RemoteFile(cifar.ARCHIVE.name, (), 100, "0" * 64)
    assert error_of(tmp_path, nowhere).startswith("could not download cifar-10-binary.tar.gz")
    assert list(tmp_path.iterdir()) == []
