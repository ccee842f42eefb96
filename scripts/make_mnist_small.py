"""Draw `mnist-small` from MNIST, and write it into the package.

The pixels and labels are a function of MNIST's own and of the seed in `bitwatt.datasets.mnist_small`: the
same files give the same `mnist_small.npz`.

usage: python scripts/make_mnist_small.py DIR     (DIR/mnist holds the four .gz files, or they are downloaded)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bitwatt.datasets import mnist_small
from bitwatt.datasets.mnist import MNIST, read_idx_set


def main(data_dir: Path) -> None:
    """Write the file, and print its size and the digest that the package must name."""
    train, test = read_idx_set(MNIST, data_dir)
    arrays = {}
    for part, pixels, per_class in (
        ("train", train, mnist_small.TRAIN_PER_CLASS),
        ("test", test, mnist_small.TEST_PER_CLASS),
    ):
        chosen = mnist_small.draw(pixels.labels, per_class, mnist_small.SEED)
        arrays[f"{part}_images"] = pixels.images[chosen, 0]
        arrays[f"{part}_labels"] = pixels.labels[chosen]
    path = Path(mnist_small.__file__).with_name(mnist_small.FILE)
    np.savez_compressed(path, **arrays)
    print(f"{path}: {path.stat().st_size} bytes")
    print(f"SHA256 = {mnist_small.contents(path).sha256}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
