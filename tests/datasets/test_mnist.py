"""The reader of MNIST's files, on small ones laid out alike; what is wrong with a file is said by name."""

import gzip
import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest

from bitwatt.datasets import mnist
from bitwatt.datasets.download import RemoteFile
from bitwatt.errors import DataError

TRAIN, TEST = 40, 20


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def contents():
    rng = np.random.default_rng(0)
    return {
        mnist.TRAIN_IMAGES: rng.integers(0, 256, (TRAIN, 28, 28), np.uint8),
        mnist.TRAIN_LABELS: np.arange(TRAIN, dtype=np.uint8) % 10,
        mnist.TEST_IMAGES: rng.integers(0, 256, (TEST, 28, 28), np.uint8),
        mnist.TEST_LABELS: np.arange(TEST, dtype=np.uint8) % 10,
    }


@pytest.fixture
def folder(contents, tmp_path):
    made = tmp_path / "mnist"
    made.mkdir()
    for name, array in contents.items():
        (made / name).write_bytes(gzip.compress(idx(array), mtime=0))
    return made


@pytest.fixture
def about(contents, folder):
    """MNIST as it would be if it had these few images."""
    return replace(
        mnist.MNIST,
        train=TRAIN,
        test=TEST,
        files={
            name: RemoteFile(
                name,
                (),
                (folder / name).stat().st_size,
                hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            )
            for name in contents
        },
        contents={name: hashlib.sha256(idx(array)).hexdigest() for name, array in contents.items()},
    )


def error_of(about, folder) -> str:
    before = sorted(folder.iterdir())
    with pytest.raises(DataError) as error:
        mnist.load_idx_set(about, folder.parent)
    assert sorted(folder.iterdir()) == before
    return str(error.value)


def test_reads(about, contents, folder):
    data = mnist.load_idx_set(about, folder.parent)
    assert data.name == "mnist"
    assert data.train.images.shape == (TRAIN, 1, 28, 28)
    assert data.test.labels.tolist() == contents[mnist.TEST_LABELS].tolist()
    pixel = contents[mnist.TRAIN_IMAGES][3, 5, 7]
    assert data.train.images[3, 0, 5, 7].item() == np.float32((pixel / 255 - 0.1307) / 0.3081)
    assert data.source == mnist.MNIST.title


def test_compressed_anew_is_still_mnist_where_its_contents_are_known(about, contents, folder):
    path = folder / mnist.TRAIN_IMAGES
    path.write_bytes(gzip.compress(idx(contents[mnist.TRAIN_IMAGES]), compresslevel=1, mtime=0))
    assert mnist.load_idx_set(about, folder.parent).source == mnist.MNIST.title


def test_compressed_anew_is_said_where_its_contents_are_not_known(about, contents, folder):
    unknown = replace(about, contents={})
    assert mnist.load_idx_set(unknown, folder.parent).source == mnist.MNIST.title
    path = folder / mnist.TRAIN_IMAGES
    path.write_bytes(gzip.compress(idx(contents[mnist.TRAIN_IMAGES]), compresslevel=1, mtime=0))
    assert mnist.load_idx_set(unknown, folder.parent).source == (
        f"{mnist.MNIST.title} (re-encoded copy: digest differs from the published files)"
    )


def test_truncated(about, folder):
    path = folder / mnist.TEST_IMAGES
    path.write_bytes(path.read_bytes()[:5000])
    message = error_of(about, folder)
    assert message.startswith(f"data file {path} (5000 bytes) is truncated or altered: ")
    assert message.endswith("; put a good copy in its place, or delete it to have it downloaded")


def test_one_bit_flipped(about, folder):
    path = folder / mnist.TRAIN_LABELS
    altered = bytearray(path.read_bytes())
    altered[-6] ^= 1  # in gzip's own checksum
    path.write_bytes(altered)
    assert f"data file {path} ({len(altered)} bytes) is truncated or altered: CRC check failed" in error_of(
        about, folder
    )


def test_not_gzip(about, folder):
    path = folder / mnist.TRAIN_LABELS
    path.write_bytes(b"<html>not found</html>")
    assert f"data file {path} (22 bytes) is truncated or altered: Not a gzipped file" in error_of(
        about, folder
    )


def test_altered_pixel(about, contents, folder):
    images = contents[mnist.TRAIN_IMAGES].copy()
    expected = hashlib.sha256(idx(images)).hexdigest()
    images[0, 0, 0] ^= 1
    found = hashlib.sha256(idx(images)).hexdigest()
    path = folder / mnist.TRAIN_IMAGES
    path.write_bytes(gzip.compress(idx(images)))
    assert error_of(about, folder) == (
        f"data file {path} is not mnist's: its contents have SHA-256 {found}, "
        f"expected {expected}; put a good copy in its place, or delete it to have it downloaded"
    )


def test_wrong_shape(about, contents, folder):
    path = folder / mnist.TRAIN_LABELS
    path.write_bytes(gzip.compress(idx(contents[mnist.TEST_LABELS])))
    assert error_of(replace(about, contents={}), folder) == (
        f"data file {path} is not an IDX file of unsigned bytes of shape (40,): "
        "expected it to begin with 0000080100000028, found 0000080100000014"
    )


def test_too_short_inside(about, contents, folder):
    path = folder / mnist.TRAIN_LABELS
    path.write_bytes(gzip.compress(idx(contents[mnist.TRAIN_LABELS])[:-1]))
    assert error_of(replace(about, contents={}), folder) == (
        f"data file {path} must hold 48 bytes once decompressed, found 47"
    )


def test_label_out_of_range(about, contents, folder):
    labels = contents[mnist.TEST_LABELS].copy()
    labels[4] = 10
    path = folder / mnist.TEST_LABELS
    path.write_bytes(gzip.compress(idx(labels)))
    assert error_of(replace(about, contents={}), folder) == (
        f"data file {path}: label of image 4 must be 0 to 9, found 10"
    )


def test_missing_and_not_served(about, folder):
    (folder / mnist.TEST_LABELS).unlink()
    assert error_of(about, folder).startswith(f"could not download {mnist.TEST_LABELS}")


@pytest.mark.parametrize("about", [mnist.MNIST, mnist.FASHION_MNIST], ids=lambda about: about.name)
def test_published_files_are_named_whole(about):
    assert set(about.files) == {mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS, mnist.TEST_IMAGES, mnist.TEST_LABELS}
    for name, file in about.files.items():
        assert file.name == name
        assert all(url.endswith(name) for url in file.urls)
        assert len(file.sha256) == 64
