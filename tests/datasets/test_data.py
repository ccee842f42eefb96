"""Splits, normalisation, the balanced slice, the digest, and held-out data."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitwatt.datasets import Split, hold_out
from bitwatt.datasets.data import Normalisation, Pixels, balanced, digest, from_pixels
from bitwatt.errors import RequestError


def pixels(count: int, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    return Pixels(rng.integers(0, 256, (count, 3, 4, 5), np.uint8), (np.arange(count) % 10).astype(np.uint8))


def small(train: Pixels | None = None, test: Pixels | None = None, mean: float = 0.5):
    return from_pixels(
        name="small",
        train=train or pixels(1000),
        test=test or pixels(20, seed=1),
        normalisation=Normalisation((mean, 0.4, 0.3), (0.25, 0.2, 0.1)),
        classes=10,
        source="drawn at random",
        licence="none",
        augmentation="none",
    )


def test_split_is_a_pair_with_a_length():
    split = Split(torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 2]))
    images, labels = split
    assert images is split.images
    assert labels is split.labels
    assert len(split) == 3


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            torch.zeros(2, 4, 4),
            torch.zeros(2, dtype=torch.int64),
            "images of a split must be float32 of shape (N, channels, height, width), "
            "got torch.float32 of shape (2, 4, 4)",
        ),
        (
            torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
            torch.zeros(2, dtype=torch.int64),
            "images of a split must be float32 of shape (N, channels, height, width), "
            "got torch.uint8 of shape (2, 1, 4, 4)",
        ),
        (
            torch.zeros(2, 1, 4, 4),
            torch.zeros(3, dtype=torch.int64),
            "labels of a split must be int64 of shape (2,), one for each image, "
            "got torch.int64 of shape (3,)",
        ),
        (
            torch.zeros(0, 1, 4, 4),
            torch.zeros(0, dtype=torch.int64),
            "a split must have at least one image, got zero",
        ),
    ],
)
def test_split_refuses(images, labels, message):
    with pytest.raises(RequestError) as error:
        Split(images, labels)
    assert str(error.value) == message


def test_normalisation_is_the_formula():
    """Within one rounding to float32 of the formula in float64; and channels are not mixed up."""
    stored = pixels(50)
    found = small(train=stored).train.images.numpy()
    mean = np.array([0.5, 0.4, 0.3])[:, None, None]
    std = np.array([0.25, 0.2, 0.1])[:, None, None]
    assert np.array_equal(found, ((stored.images / 255 - mean) / std).astype(np.float32))


def test_from_pixels():
    data = small()
    assert data.input_shape == (3, 4, 5)
    assert data.train.labels.tolist() == [k % 10 for k in range(1000)]
    assert len(data.calibration) == 512
    # Calibration is taken of train: every one of its images is found there.
    train = {image.numpy().tobytes() for image in data.train.images}
    assert all(image.numpy().tobytes() in train for image in data.calibration.images)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 70))
def test_balanced(labels, count):
    indices = balanced(np.array(labels), count)
    assert len(indices) == min(count, len(labels))
    assert np.array_equal(indices, np.unique(indices))  # ascending, none twice
    taken = np.bincount(np.array(labels)[indices], minlength=5)
    there = np.bincount(labels, minlength=5)
    # A class has fewer than another only if it has no more, give or take the one of the last round.
    most = taken.max()
    assert all(t in (most, most - 1) or t == n for t, n in zip(taken, there, strict=True))


def test_digest_covers_everything():
    data = small()
    train, test = pixels(1000), pixels(20, seed=1)
    assert small().sha256 == data.sha256

    one_pixel = train.images.copy()
    one_pixel[7, 0, 0, 0] ^= 1
    one_label = test.labels.copy()
    one_label[3] = 9
    order = np.arange(1000)[::-1]
    others = [
        small(train=Pixels(one_pixel, train.labels)),
        small(test=Pixels(test.images, one_label)),
        small(train=Pixels(train.images[order], train.labels[order])),
        small(mean=0.6),
    ]
    assert len({data.sha256, *(other.sha256 for other in others)}) == 5


def test_digest_does_not_run_arrays_together():
    a, b = np.arange(4, dtype=np.uint8), np.arange(4, 6, dtype=np.uint8)
    assert digest([a, b], "") != digest([np.arange(6, dtype=np.uint8)], "")
    assert digest([a], "") != digest([a.reshape(2, 2)], "")
    assert digest([a.astype(">i4")], "") == digest([a.astype("<i4")], "")


def test_hold_out():
    data = small()
    held = hold_out(data, fraction=0.2, seed=1)
    assert held.name == "small/held-out"
    assert (len(held.train), len(held.test), len(held.calibration)) == (800, 200, 512)
    assert held.test.labels.bincount().tolist() == [20] * 10

    def images(split: Split) -> set[bytes]:
        return {image.numpy().tobytes() for image in split.images}

    assert images(held.train) | images(held.test) == images(data.train)
    assert not images(held.train) & images(held.test)
    assert images(held.calibration) <= images(held.train)
    assert not (images(held.train) | images(held.test)) & images(data.test)
    assert held.source == (
        "drawn at random; tested on 200 held-out training images (0.2 of each class, seed 1)"
    )


def test_hold_out_follows_the_seed():
    data = small()
    one, same, other = (hold_out(data, 0.2, seed) for seed in (1, 1, 2))
    assert torch.equal(one.test.images, same.test.images)
    assert one.sha256 == same.sha256
    assert not torch.equal(one.test.images, other.test.images)
    assert len({data.sha256, one.sha256, other.sha256}) == 3


@pytest.mark.parametrize(
    ("count", "fraction", "message"),
    [
        (1000, 0.0, "fraction to hold out must lie between 0 and 1, got 0.0"),
        (1000, 1.0, "fraction to hold out must lie between 0 and 1, got 1.0"),
        (1000, float("nan"), "fraction to hold out must lie between 0 and 1, got nan"),
        (
            20,
            0.9,
            "holding out 0.9 of 'small' leaves no training image of class 0, which has 2; hold out less",
        ),
    ],
)
def test_hold_out_refuses(count, fraction, message):
    with pytest.raises(RequestError) as error:
        hold_out(small(train=pixels(count)), fraction)
    assert str(error.value) == message
