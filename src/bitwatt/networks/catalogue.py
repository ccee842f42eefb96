"""LeNet, ConvNet, ALEX, ALEX+ and ALEX++: the networks of S. Hashemi et al., DATE 2017 (arXiv 1612.03940)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from bitwatt.errors import RequestError, unknown_name
from bitwatt.networks.building import conv, full, initialise, sequence

SOURCE = "S. Hashemi et al., DATE 2017, arXiv 1612.03940"

Scale = Callable[[int], int]
"""Channels or hidden neurons of the published network -> those of the one asked for."""


@dataclass(frozen=True)
class NetworkInfo:
    """What is known of a network without building it.

    Attributes:
        name: the name that `create` takes.
        input_shape: channels, height and width of one image.
        classes: the number of outputs.
        source: where the architecture was published.
        note: what bitwatt had to decide itself; empty where the source settles everything.
    """

    name: str
    input_shape: tuple[int, int, int]
    classes: int
    source: str = SOURCE
    note: str = ""


def _lenet(scale: Scale) -> nn.Sequential:
    first, second, hidden = scale(20), scale(50), scale(500)
    return sequence(
        [
            *conv(1, 1, first, kernel=5, padding=0, pool=nn.MaxPool2d(2)),  # 28 -> 24 -> 12
            *conv(2, first, second, kernel=5, padding=0, pool=nn.MaxPool2d(2)),  # 12 -> 8 -> 4
            ("flatten", nn.Flatten()),
            full(1, second * 4 * 4, hidden),
            ("relu3", nn.ReLU()),
            full(2, hidden, 10),
        ]
    )


def _convnet(scale: Scale) -> nn.Sequential:
    first, second, hidden = scale(16), scale(512), scale(20)
    return sequence(
        [
            *conv(1, 3, first, kernel=5, padding=0, pool=nn.MaxPool2d(2)),  # 32 -> 28 -> 14
            *conv(2, first, second, kernel=7, padding=0, pool=nn.MaxPool2d(2)),  # 14 -> 8 -> 4
            ("flatten", nn.Flatten()),
            full(1, second * 4 * 4, hidden),
            ("relu3", nn.ReLU()),
            full(2, hidden, 10),
        ]
    )


def _alex_of(channels: tuple[int, int, int]) -> nn.Sequential:
    """Caffe's CIFAR-10 network.

    Its pooling rounds sizes up (32 -> 16 -> 8 -> 4), so windows at the right and lower edge are cut short; an
    average there is over the pixels that exist, in Caffe as in torch.
    """
    first, second, third = channels
    return sequence(
        [
            *conv(1, 3, first, kernel=5, padding=2, pool=nn.MaxPool2d(3, 2, ceil_mode=True)),
            *conv(2, first, second, kernel=5, padding=2, pool=nn.AvgPool2d(3, 2, ceil_mode=True)),
            *conv(3, second, third, kernel=5, padding=2, pool=nn.AvgPool2d(3, 2, ceil_mode=True)),
            ("flatten", nn.Flatten()),
            full(1, third * 4 * 4, 10),
        ]
    )


def _alex(scale: Scale) -> nn.Sequential:
    return _alex_of((scale(32), scale(32), scale(64)))


def _alex_plus(scale: Scale) -> nn.Sequential:
    return _alex_of((scale(64), scale(64), scale(128)))


def _alex_plus_plus(scale: Scale) -> nn.Sequential:
    first, second, third, hidden = scale(64), scale(128), scale(256), scale(512)
    return sequence(
        [
            *conv(1, 3, first, kernel=3, padding=1, pool=nn.MaxPool2d(2)),  # 32 -> 32 -> 16
            *conv(2, first, second, kernel=3, padding=1, pool=nn.MaxPool2d(2)),  # 16 -> 16 -> 8
            *conv(3, second, third, kernel=3, padding=1, pool=nn.MaxPool2d(2)),  # 8 -> 8 -> 4
            ("flatten", nn.Flatten()),
            full(1, third * 4 * 4, hidden),
            ("relu4", nn.ReLU()),
            full(2, hidden, 10),
        ]
    )


_DIGIT, _COLOUR = (1, 28, 28), (3, 32, 32)

_NETWORKS: dict[str, tuple[NetworkInfo, Callable[[Scale], nn.Sequential]]] = {
    "lenet": (NetworkInfo("lenet", _DIGIT, 10), _lenet),
    "convnet": (NetworkInfo("convnet", _COLOUR, 10), _convnet),
    "alex": (NetworkInfo("alex", _COLOUR, 10), _alex),
    "alex+": (NetworkInfo("alex+", _COLOUR, 10), _alex_plus),
    "alex++": (
        NetworkInfo(
            "alex++",
            _COLOUR,
            10,
            note=(
                "bitwatt's reading: the source gives no padding; with a padding of 1 the parameters take "
                "9,663 KiB, near the published 9,400, and without padding 3,519"
            ),
        ),
        _alex_plus_plus,
    ),
}


def names() -> tuple[str, ...]:
    """The names that `create` takes, the smallest input first."""
    return tuple(_NETWORKS)


def info(name: str) -> NetworkInfo:
    """What is known of the network `name` without building it.

    Raises:
        RequestError: there is no network of that name.
    """
    return _entry(name)[0]


def create(name: str, seed: int | None = None, width: float = 1.0) -> nn.Sequential:
    """The network `name`, freshly initialised, in float32 on the CPU.

    Args:
        name: one of `names()`.
        seed: draws the weights from a generator of its own, and leaves torch's global random state alone.
            None draws from the global state, as torch's own modules do.
        width: multiplies the channels of every convolution and the neurons of every hidden layer, each
            rounded to the nearest whole number, at least 1. Inputs and classes stay.

    Returns:
        A module (N, channels, height, width) -> (N, classes), shapes as in `info(name)`, with named layers
        (`network.conv1`, `network.fc1`).

    Raises:
        RequestError: there is no network of that name, or the width is not a positive number.
    """
    _, build = _entry(name)
    if not (math.isfinite(width) and width > 0):
        raise RequestError(f"width of a network must be a positive number, got {width}")
    network = build(lambda published: max(1, round(published * width)))
    initialise(network, None if seed is None else torch.Generator().manual_seed(seed))
    return network


def _entry(name: str) -> tuple[NetworkInfo, Callable[[Scale], nn.Sequential]]:
    if name not in _NETWORKS:
        raise unknown_name("network", name, names())
    return _NETWORKS[name]
