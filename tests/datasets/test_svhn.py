"""The reader of SVHN's MATLAB files, on small ones laid out alike."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from bitwatt.datasets import svhn
from bitwatt.errors import DataError

TRAIN, TEST = 30, 20


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (32, 32, 3, count), np.uint8)


def digits(count: int) -> np.ndarray:
    return (np.arange(count, dtype=np.uint8)[:, None] % 10) + 1  # 1 to 10, as in SVHN


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "svhn-standin"
    made.mkdir()
    for name, count in ((svhn.TRAIN, TRAIN), (svhn.TEST, TEST)):
        savemat(made / name, {"X": images(count), "y": digits(count)}, do_compression=True)
    return made


ABOUT = replace(svhn.SVHN_STANDIN, train=TRAIN, test=TEST)


def error_of(folder, about=ABOUT) -> str:
    with pytest.raises(DataError) as error:
        svhn.load_mat_set(about, folder.parent)
    return str(error.value)


def test_reads(folder):
    data = svhn.load_mat_set(ABOUT, folder.parent)
    assert data.name == "svhn-standin"
    assert data.train.images.shape == (TRAIN, 3, 32, 32)
    assert data.train.labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    pixel = images(TRAIN)[5, 6, 2, 8]
    assert data.train.images[8, 2, 5, 6].item() == np.float32((pixel / 255 - 0.4565) / 0.2607)
    assert data.source.startswith("stand-in, not SVHN:")


def test_a_copy_of_svhn_with_another_digest_is_said(folder):
    folder = folder.rename(folder.with_name("svhn"))
    data = svhn.load_mat_set(replace(svhn.SVHN, train=TRAIN, test=TEST), folder.parent)
    assert data.source == (
        "SVHN, Y. Netzer et al., NIPS workshop 2011 "
        "(re-encoded copy: digest differs from the published files)"
    )


def test_another_number_of_images_is_not_svhn(folder):
    folder = folder.rename(folder.with_name("svhn"))
    assert error_of(folder, svhn.SVHN) == (
        f"data file {folder / svhn.TRAIN}: X must be uint8 (32, 32, 3, 73257), found uint8 (32, 32, 3, 30)"
    )


def test_the_standin_is_not_downloaded(folder):
    (folder / svhn.TEST).unlink()
    assert error_of(folder) == (
        f"data file {folder / svhn.TEST} is missing; svhn-standin is published nowhere: "
        "lay it out there yourself"
    )


@pytest.mark.parametrize("kept", [0, 100, 5000, 80_000])
def test_truncated(folder, kept):
    path = folder / svhn.TRAIN
    path.write_bytes(path.read_bytes()[:kept])
    assert error_of(folder).startswith(f"data file {path} ({kept} bytes) is truncated or altered: ")


def test_altered(folder):
    path = folder / svhn.TRAIN
    altered = bytearray(path.read_bytes())
    altered[50_000] ^= 0xFF
    path.write_bytes(altered)
    assert error_of(folder).startswith(f"data file {path} ({len(altered)} bytes) is truncated or altered: ")


def test_array_missing(folder):
    savemat(folder / svhn.TRAIN, {"X": images(TRAIN)})
    assert error_of(folder) == f"data file {folder / svhn.TRAIN}: y must be uint8 (30, 1), found none"


def test_label_out_of_range(folder):
    labels = digits(TRAIN)
    labels[2] = 11
    savemat(folder / svhn.TRAIN, {"X": images(TRAIN), "y": labels})
    assert error_of(folder) == f"data file {folder / svhn.TRAIN}: label of image 2 must be 0 to 9, found 11"
