"""The data set in the package: its size, its balance, its digest, and how it was drawn."""

from pathlib import Path

import numpy as np
import pytest

from bitwatt import datasets
from bitwatt.datasets import mnist_small
from bitwatt.errors import DataError


def test_contents():
    data = datasets.load("mnist-small")
    assert (data.name, data.classes, data.input_shape) == ("mnist-small", 10, (1, 28, 28))
    assert data.train.images.shape == (10_000, 1, 28, 28)
    assert data.test.images.shape == (2_000, 1, 28, 28)
    assert data.train.labels.bincount().tolist() == [1000] * 10
    assert data.test.labels.bincount().tolist() == [200] * 10
    assert sorted(data.calibration.labels.bincount().tolist()) == [51] * 8 + [52] * 2
    assert data.sha256 == mnist_small.SHA256
    # MNIST's own mean and deviation normalise a seventh of it nearly as well.
    assert data.train.images.mean().item() == pytest.approx(0, abs=0.02)
    assert data.train.images.std().item() == pytest.approx(1, abs=0.02)


def test_no_image_is_there_twice():
    data = datasets.load("mnist-small")
    images = [image.numpy().tobytes() for split in (data.train, data.test) for image in split.images]
    assert len(set(images)) == 12_000


def test_altered(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist_small, "SHA256", "0" * 64)
    with pytest.raises(DataError) as error:
        mnist_small.load_mnist_small()
    assert str(error.value).endswith(
        "mnist_small.npz of the package is altered: its contents have SHA-256 "
        "108fc02cf15bf0ee12d85a95e55fc086379279879bfa011e6b22a71e229485b2, "
        f"expected {'0' * 64}; install bitwatt again"
    )


@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
def test_damaged_file(damage, tmp_path):
    path = tmp_path / "mnist_small.npz"
    whole = bytearray(Path(mnist_small.__file__).with_name(mnist_small.FILE).read_bytes())
    if damage == "truncated":
        path.write_bytes(whole[:100_000])
    if damage == "altered":
        whole[100_000] ^= 0xFF
        path.write_bytes(whole)
    with pytest.raises(DataError) as error:
        mnist_small.contents(path)
    assert str(error.value).startswith(f"data file {path} of the package is missing, truncated or altered: ")
    assert str(error.value).endswith("; install bitwatt again")


def test_draw():
    labels = np.random.default_rng(0).integers(0, 10, 500)
    chosen = mnist_small.draw(labels, per_class=20, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [20] * 10
    assert len(set(chosen.tolist())) == 200
    assert not np.array_equal(labels[chosen], np.sort(labels[chosen]))
    assert np.array_equal(chosen, mnist_small.draw(labels, per_class=20, seed=1))
    assert not np.array_equal(chosen, mnist_small.draw(labels, per_class=20, seed=2))
