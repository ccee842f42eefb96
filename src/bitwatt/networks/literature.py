"""VGG-small and ResNet-20: what papers on few-bit and binary networks compare themselves on, CIFAR-10."""

from __future__ import annotations

from torch import nn

from bitwatt.networks.building import Layer, Residual, normalised, sequence
from bitwatt.networks.info import Entry, NetworkInfo, Scale

_COLOUR = (3, 32, 32)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False, device="meta")


def _vgg_small(scale: Scale) -> nn.Sequential:
    layers: list[Layer] = []
    before = 3
    for index, published in enumerate((128, 128, 256, 256, 512, 512), start=1):
        after = scale(published)
        layers += normalised(str(index), _conv(before, after, 3))
        if index % 2 == 0:  # 32 -> 16 -> 8 -> 4
            layers.append((f"pool{index}", nn.MaxPool2d(2)))
        before = after
    layers += [("flatten", nn.Flatten()), ("fc", nn.Linear(before * 4 * 4, 10, device="meta"))]
    return sequence(layers)


def _resnet20(scale: Scale) -> nn.Sequential:
    before = scale(16)
    layers = normalised("1", _conv(3, before, 3))
    for stage, published in enumerate((16, 32, 64), start=1):
        after = scale(published)
        for block in range(1, 4):
            stride = 2 if stage > 1 and block == 1 else 1
            body = sequence(
                [
                    *normalised("1", _conv(before, after, 3, stride)),
                    *normalised("2", _conv(after, after, 3), relu=False),
                ]
            )
            shortcut: nn.Module = nn.Identity()
            if stride == 2:
                shortcut = sequence(normalised("", _conv(before, after, 1, stride), relu=False))
            layers.append((f"block{stage}_{block}", Residual(body, shortcut)))
            before = after
    head: list[Layer] = [
        ("pool", nn.AvgPool2d(8)),
        ("flatten", nn.Flatten()),
        ("fc", nn.Linear(before, 10, device="meta")),
    ]
    return sequence([*layers, *head])


NETWORKS: tuple[Entry, ...] = (
    (
        NetworkInfo(
            "vgg-small",
            _COLOUR,
            10,
            "D. Zhang et al., LQ-Nets, arXiv 1807.10029: six convolutions and one fully connected layer",
            note="ReLU, as its float version has; binary versions put a hard tanh there",
        ),
        _vgg_small,
    ),
    (
        NetworkInfo(
            "resnet20",
            _COLOUR,
            10,
            "K. He et al., arXiv 1512.03385, section 4.2; https://github.com/chenyaofo/pytorch-cifar-models",
            note=(
                "where a block halves the map its shortcut is a normalised 1x1 convolution (option B of the "
                "paper), as in the second source, not a cut and padded copy (option A)"
            ),
        ),
        _resnet20,
    ),
)
