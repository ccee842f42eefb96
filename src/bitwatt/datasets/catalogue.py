"""The data sets by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bitwatt.datasets.cifar import load_cifar10
from bitwatt.datasets.data import Data
from bitwatt.datasets.local import default_data_dir
from bitwatt.datasets.mnist import FASHION_MNIST, MNIST, load_idx_set
from bitwatt.datasets.mnist_small import load_mnist_small
from bitwatt.datasets.own import load_function, load_npz
from bitwatt.datasets.svhn import SVHN, SVHN_STANDIN, load_mat_set
from bitwatt.errors import unknown_name

_DATA_SETS: dict[str, Callable[[Path], Data]] = {
    "mnist-small": lambda _: load_mnist_small(),
    "mnist": lambda data_dir: load_idx_set(MNIST, data_dir),
    "fashion-mnist": lambda data_dir: load_idx_set(FASHION_MNIST, data_dir),
    "cifar10": load_cifar10,
    "svhn": lambda data_dir: load_mat_set(SVHN, data_dir),
    "svhn-standin": lambda data_dir: load_mat_set(SVHN_STANDIN, data_dir),
}


def names() -> tuple[str, ...]:
    """The names that `load` takes, beside a user's own `FILE.npz` and `module:function`."""
    return tuple(_DATA_SETS)


def load(name: str, data_dir: str | Path | None = None) -> Data:
    """The data set `name`, in memory and checked.

    Args:
        name: one of `names()`; or `FILE.npz`; or `module:function` (see `bitwatt.datasets.own`).
        data_dir: the folder of the data files, which are downloaded to it where they are missing. None stands
            for `$BITWATT_DATA`, or `~/.cache/bitwatt` where that is not set. `mnist-small` needs none.

    Raises:
        RequestError: there is no data set of that name, the folder cannot be written, or the user's own data
            is not as it must be.
        DataError: a file is missing and cannot be had, or is truncated or altered.
    """
    if name.endswith(".npz"):
        return load_npz(Path(name))
    if ":" in name:
        return load_function(name)
    if name not in _DATA_SETS:
        raise unknown_name("data set", name, [*names(), "FILE.npz", "module:function"])
    return _DATA_SETS[name](default_data_dir() if data_dir is None else Path(data_dir))
