"""Names, folders, and the real data sets where they are at hand."""

from pathlib import Path

import pytest

from bitwatt import datasets
from bitwatt.datasets.local import default_data_dir
from bitwatt.errors import RequestError


def test_names():
    assert datasets.names() == ("mnist-small", "mnist", "fashion-mnist", "cifar10", "svhn", "svhn-standin")


def test_unknown_name():
    with pytest.raises(RequestError) as error:
        datasets.load("mnist-smal")
    assert str(error.value) == (
        "unknown data set 'mnist-smal'; did you mean 'mnist-small'? Allowed: mnist-small, mnist, "
        "fashion-mnist, cifar10, svhn, svhn-standin, FILE.npz, module:function"
    )


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("BITWATT_DATA", str(tmp_path))
    assert default_data_dir() == tmp_path
    monkeypatch.delenv("BITWATT_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".cache" / "bitwatt"


REAL = {
    # name: (folder or file that must be there, training images, test images, shape)
    "mnist": ("mnist", 60_000, 10_000, (1, 28, 28)),
    "fashion-mnist": ("fashion-mnist", 60_000, 10_000, (1, 28, 28)),
    "cifar10": ("cifar-10-batches-bin", 50_000, 10_000, (3, 32, 32)),
    "svhn": ("svhn", 73_257, 26_032, (3, 32, 32)),
    "svhn-standin": ("svhn-standin", 60_000, 10_000, (3, 32, 32)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_files(name):
    folder, train, test, shape = REAL[name]
    if not (default_data_dir() / folder).is_dir():
        pytest.skip(f"{default_data_dir() / folder} is missing: set BITWATT_DATA to the folder it is in")
    data = datasets.load(name)
    assert (len(data.train), len(data.test), len(data.calibration)) == (train, test, 512)
    assert data.input_shape == shape
    assert data.train.images.shape[1:] == shape
    # The documented mean and deviation are the training pixels' own, to the four digits given.
    for channel in range(shape[0]):
        pixels = data.train.images[:, channel]
        assert pixels.mean(dtype=None).item() == pytest.approx(0, abs=0.002)
        assert pixels.std().item() == pytest.approx(1, abs=0.002 if name == "mnist" else 0.03)


@pytest.mark.slow
def test_mnist_small_is_drawn_from_mnist(tmp_path, monkeypatch):
    """The kept script makes the packaged file again, to the digest."""
    if not (default_data_dir() / "mnist").is_dir():
        pytest.skip(f"{default_data_dir() / 'mnist'} is missing: set BITWATT_DATA to the folder it is in")
    import runpy

    from bitwatt.datasets import mnist_small

    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "make_mnist_small.py"))
    monkeypatch.setattr(mnist_small, "__file__", str(tmp_path / "mnist_small.py"))
    script["main"](default_data_dir())
    assert mnist_small.contents(tmp_path / mnist_small.FILE).sha256 == mnist_small.SHA256
