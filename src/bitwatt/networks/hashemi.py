"""LeNet, ConvNet, ALEX, ALEX+ and ALEX++: the networks of S. Hashemi et al., DATE 2017 (arXiv 1612.03940)."""

from __future__ import annotations

from torch import nn

from bitwatt.networks.building import conv, full, sequence
from bitwatt.networks.info import Entry, NetworkInfo, Scale

SOURCE = "S. Hashemi et al., DATE 2017, arXiv 1612.03940"


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

NETWORKS: tuple[Entry, ...] = (
    (NetworkInfo("lenet", _DIGIT, 10, SOURCE), _lenet),
    (NetworkInfo("convnet", _COLOUR, 10, SOURCE), _convnet),
    (NetworkInfo("alex", _COLOUR, 10, SOURCE), _alex),
    (NetworkInfo("alex+", _COLOUR, 10, SOURCE), _alex_plus),
    (
        NetworkInfo(
            "alex++",
            _COLOUR,
            10,
            SOURCE,
            note=(
                "bitwatt's reading: the source gives no padding; with a padding of 1 the parameters take "
                "9,663 KiB, near the published 9,400, and without padding 3,519"
            ),
        ),
        _alex_plus_plus,
    ),
)
