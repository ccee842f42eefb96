"""Every network that bitwatt knows by name."""

from __future__ import annotations

import math

import torch
from torch import nn

from bitwatt.errors import RequestError, unknown_name
from bitwatt.networks import hashemi, literature, mlperf_tiny
from bitwatt.networks.building import initialise
from bitwatt.networks.info import Entry, NetworkInfo

_NETWORKS: dict[str, Entry] = {
    entry[0].name: entry for entry in (*hashemi.NETWORKS, *mlperf_tiny.NETWORKS, *literature.NETWORKS)
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


def _entry(name: str) -> Entry:
    if name not in _NETWORKS:
        raise unknown_name("network", name, names())
    return _NETWORKS[name]
