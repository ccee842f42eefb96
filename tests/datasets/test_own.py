"""The user's own data: taken in every shape that is allowed, refused by name in any other."""

import numpy as np
import pytest
import torch

from bitwatt import datasets
from bitwatt.datasets.own import from_arrays
from bitwatt.errors import DataError, RequestError


def arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (30, 3, 8, 8), np.uint8),
        "train_labels": np.arange(30) % 3,
        "test_images": rng.integers(0, 256, (6, 3, 8, 8), np.uint8),
        "test_labels": np.arange(6) % 3,
    } | changed


def test_npz_of_bytes(tmp_path):
    path = tmp_path / "flowers.npz"
    np.savez(path, **arrays())
    data = datasets.load(str(path))
    assert (data.name, data.classes, data.input_shape) == ("flowers", 3, (3, 8, 8))
    assert len(data.calibration) == 30
    # Normalised by its own training pixels: mean 0 and deviation 1 but for the rounding to float32.
    assert data.train.images.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert data.train.images.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], rel=1e-6)
    assert data.source == (
        "the user's file flowers.npz; normalised by the mean and standard deviation of its training pixels"
    )


def test_floating_point_is_taken_as_it_comes():
    images = np.random.default_rng(1).normal(size=(30, 3, 8, 8))
    data = from_arrays("own", arrays(train_images=images, test_images=images[:6]), "a test")
    assert np.array_equal(data.train.images.numpy(), images.astype(np.float32))
    assert data.source == "a test"
    other = images.copy()
    other[0, 0, 0, 0] += 1
    assert from_arrays("own", arrays(train_images=other, test_images=images[:6]), "").sha256 != data.sha256


def test_grey_images_without_a_channel():
    grey = arrays(train_images=np.zeros((30, 8, 9), np.uint8), test_images=np.zeros((6, 8, 9), np.uint8))
    data = from_arrays("grey", grey, "")
    assert data.input_shape == (1, 8, 9)
    assert not data.train.images.any()  # a constant channel has no deviation to divide by


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_function(kind, tmp_path, monkeypatch):
    (tmp_path / "my_own_data.py").write_text(
        "import numpy as np\nimport torch\nkind = None\n"
        "def load():\n"
        "    images = np.ones((4, 1, 5, 5), np.float32)\n"
        "    labels = np.array([0, 1, 0, 1])\n"
        "    return (kind(images), kind(labels)), (kind(images), kind(labels))\n"
        "def whole():\n"
        "    import bitwatt\n"
        "    return bitwatt.datasets.load('mnist-small')\n"
        "def wrong():\n"
        "    return 3\n"
        "number = 5\n"
    )
    monkeypatch.chdir(tmp_path)
    import importlib
    import sys

    sys.path.insert(0, str(tmp_path))
    module = importlib.import_module("my_own_data")
    sys.path.remove(str(tmp_path))
    module.kind = kind
    data = datasets.load("my_own_data:load")
    assert (data.name, len(data.train), data.classes) == ("my_own_data:load", 4, 2)
    assert datasets.load("my_own_data:whole").name == "mnist-small"
    for function, message in {
        "wrong": "must return a bitwatt.datasets.Data or ((images, labels), (images, labels)), got int",
        "number": "must name a function, got int",
    }.items():
        with pytest.raises(RequestError) as error:
            datasets.load(f"my_own_data:{function}")
        assert str(error.value) == f"data 'my_own_data:{function}' {message}"


def test_module_is_found_in_the_current_folder(tmp_path, monkeypatch):
    import sys

    (tmp_path / "beside_me.py").write_text(
        "import numpy as np\n"
        "def load():\n"
        "    pair = np.ones((2, 1, 5, 5), np.float32), np.array([0, 1])\n"
        "    return pair, pair\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert len(datasets.load("beside_me:load").train) == 2
    assert sys.path == before


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("no_such_module_here:load", "No module named 'no_such_module_here'"),
        ("math:no_such", "module 'math' has no attribute 'no_such'"),
    ],
)
def test_no_such_function(spec, reason):
    module, function = spec.split(":")
    with pytest.raises(RequestError) as error:
        datasets.load(spec)
    assert str(error.value) == (
        f"data '{spec}': cannot find the function '{function}' in the module '{module}' ({reason}); "
        "the module's folder must be the current one or on PYTHONPATH"
    )


def nan(images: np.ndarray, value: float) -> np.ndarray:
    images = images.astype(np.float64)
    images[4, 1, 2, 3] = value
    return images


REFUSED = {
    "no images": (
        {"train_images": np.zeros((0, 3, 8, 8), np.uint8), "train_labels": np.zeros(0, int)},
        "train_images must hold at least one image, got the shape (0, 3, 8, 8)",
    ),
    "flat images": (
        {"train_images": np.zeros((30, 64), np.uint8)},
        "train_images must have the shape (N, channels, height, width) or (N, height, width), got (30, 64)",
    ),
    "whole numbers as images": (
        {"train_images": np.zeros((30, 3, 8, 8), np.int64)},
        "train_images must be uint8 or floating point, got int64",
    ),
    "NaN": (
        {"train_images": nan(arrays()["train_images"], np.nan)},
        "train_images must be finite in float32; image 4 holds NaN or infinity",
    ),
    "infinite in float32": (
        {"train_images": nan(arrays()["train_images"], 1e300)},
        "train_images must be finite in float32; image 4 holds NaN or infinity",
    ),
    "other shape in test": (
        {"test_images": np.zeros((6, 3, 8, 9), np.uint8)},
        "test_images must be uint8 of shape (N, 3, 8, 8) as train_images are, "
        "got uint8 of shape (6, 3, 8, 9)",
    ),
    "other type in test": (
        {"test_images": np.zeros((6, 3, 8, 8), np.float32)},
        "test_images must be uint8 of shape (N, 3, 8, 8) as train_images are, "
        "got float32 of shape (6, 3, 8, 8)",
    ),
    "too few labels": (
        {"train_labels": np.zeros(29, int)},
        "train_labels must have the shape (30,), one for each image, got (29,)",
    ),
    "one-hot labels": (
        {"test_labels": np.eye(6, 3)},
        "test_labels must have the shape (6,), one for each image, got (6, 3)",
    ),
    "real labels": (
        {"train_labels": np.zeros(30)},
        "train_labels must be whole numbers, got float64",
    ),
    "negative label": (
        {"train_labels": np.array([0, 1, -1] * 10)},
        "train_labels must be 0 or more, got -1 for image 2",
    ),
    "label that no training image has": (
        {"test_labels": np.array([0, 1, 2, 3, 0, 0])},
        "test_labels must be 0 to 2, as train_labels are, got 3 for image 3",
    ),
}


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(changed, message):
    with pytest.raises(RequestError) as error:
        from_arrays("own", arrays(**changed), "")
    assert str(error.value) == f"data 'own': {message}"


def test_npz_without_an_array(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, train_images=np.zeros(1), x=np.zeros(1))
    with pytest.raises(RequestError) as error:
        datasets.load(str(path))
    assert str(error.value) == (
        f"data file {path} lacks train_labels, test_images, test_labels; it must hold train_images, "
        "train_labels, test_images, test_labels, got train_images, x"
    )


def test_npz_missing(tmp_path):
    with pytest.raises(DataError) as error:
        datasets.load(str(tmp_path / "none.npz"))
    assert str(error.value) == f"data file {tmp_path / 'none.npz'} is missing"


def damaged(how: str, whole: bytes) -> bytes:
    return {"text": b"hello", "empty": b"", "cut": whole[: len(whole) // 2]}[how]


@pytest.mark.parametrize("how", ["text", "empty", "cut"])
def test_npz_damaged(how, tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays())
    path.write_bytes(damaged(how, path.read_bytes()))
    with pytest.raises(DataError) as error:
        datasets.load(str(path))
    assert str(error.value).startswith(
        f"data file {path} ({path.stat().st_size} bytes) is no .npz file, or is truncated or altered: "
    )


def test_npz_never_unpickles(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays(train_labels=np.array([{}] * 30, dtype=object)))
    with pytest.raises(DataError, match="allow_pickle"):
        datasets.load(str(path))


def test_npy_is_not_npz(tmp_path):
    path = tmp_path / "own.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="it holds a single array"):
        datasets.load(str(path))
