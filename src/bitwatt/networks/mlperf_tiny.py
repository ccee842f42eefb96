"""The four networks of MLPerf Tiny (C. Banbury et al., arXiv 2106.07597), as its reference code builds them.

The reference is Keras (https://github.com/mlcommons/tiny, keras_model.py and vww_model.py of each benchmark).
Its convolutions keep their biases beside the batch normalisations, so these do: the counts of parameters are
then its own. Where its padding "same" is uneven, Keras puts the odd row and column behind the image; here
padding is even on both sides, which torch, the program and the tile have without a further layer. Shapes and
multiplications are the same; weights trained in Keras are not exchangeable. The closing softmax is left out.
"""

from __future__ import annotations

from torch import nn

from bitwatt.networks.building import Layer, Residual, normalised, sequence
from bitwatt.networks.info import Entry, NetworkInfo, Scale

SOURCE = "MLPerf Tiny, arXiv 2106.07597; https://github.com/mlcommons/tiny"
NOTE = "padding is even on both sides where the reference's 'same' puts the odd row and column behind"


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=True, device="meta"
    )


def _resnet8(scale: Scale) -> nn.Sequential:
    channels = (scale(16), scale(32), scale(64))
    layers = normalised("1", _conv(3, channels[0], 3))
    before = channels[0]
    for index, after in enumerate(channels, start=1):
        stride = 1 if index == 1 else 2
        body = sequence(
            [
                *normalised("1", _conv(before, after, 3, stride)),
                *normalised("2", _conv(after, after, 3), relu=False),
            ]
        )
        shortcut = nn.Identity() if index == 1 else _conv(before, after, 1, stride)
        layers.append((f"block{index}", Residual(body, shortcut)))
        before = after
    return sequence([*layers, *_head(nn.AvgPool2d(8), before, 10)])


def _separable(index: int, inputs: int, outputs: int, stride: int = 1) -> list[Layer]:
    """A depthwise 3x3 convolution and a 1x1 one, each with its normalisation and ReLU."""
    return [
        *normalised(f"{index}_depth", _conv(inputs, inputs, 3, stride, groups=inputs)),
        *normalised(f"{index}_point", _conv(inputs, outputs, 1)),
    ]


def _head(pool: nn.Module, channels: int, classes: int) -> list[Layer]:
    """One average over the whole map, and the logits."""
    return [
        ("pool", pool),
        ("flatten", nn.Flatten()),
        ("fc", nn.Linear(channels, classes, device="meta")),
    ]


def _ds_cnn(scale: Scale) -> nn.Sequential:
    filters = scale(64)
    # 49 x 10 -> 25 x 5: of the 9 rows that "same" adds the reference puts 4 above and 5 below.
    first = nn.Conv2d(1, filters, (10, 4), stride=2, padding=(5, 1), device="meta")
    layers = [*normalised("1", first), ("dropout1", nn.Dropout(0.2))]
    for index in range(2, 6):
        layers += _separable(index, filters, filters)
    layers.append(("dropout2", nn.Dropout(0.4)))
    return sequence([*layers, *_head(nn.AvgPool2d((25, 5)), filters, 12)])


def _mobilenet(scale: Scale) -> nn.Sequential:
    before = scale(8)  # a quarter of the 32 of A. Howard et al., arXiv 1704.04861
    layers = normalised("1", _conv(3, before, 3, stride=2))
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    for index, (published, stride) in enumerate(plan, start=2):
        after = scale(published)
        layers += _separable(index, before, after, stride)
        before = after
    return sequence([*layers, *_head(nn.AvgPool2d(3), before, 2)])


def _autoencoder(scale: Scale) -> nn.Sequential:
    layers: list[Layer] = []
    before = 640
    for index, published in enumerate((128, 128, 128, 128, 8, 128, 128, 128, 128), start=1):
        after = scale(published)
        layers += [
            (f"fc{index}", nn.Linear(before, after, device="meta")),
            (f"norm{index}", nn.BatchNorm1d(after, device="meta")),
            (f"relu{index}", nn.ReLU()),
        ]
        before = after
    return sequence([*layers, ("fc10", nn.Linear(before, 640, device="meta"))])


NETWORKS: tuple[Entry, ...] = (
    (NetworkInfo("resnet8", (3, 32, 32), 10, SOURCE, note=NOTE), _resnet8),
    (
        NetworkInfo("ds-cnn", (1, 49, 10), 12, SOURCE, note=f"{NOTE}; the input is 49 frames of 10 MFCCs"),
        _ds_cnn,
    ),
    (NetworkInfo("mobilenetv1-0.25", (3, 96, 96), 2, SOURCE, note=NOTE), _mobilenet),
    (
        NetworkInfo(
            "autoencoder",
            (640,),
            640,
            SOURCE,
            note="its outputs are the input again, not classes: 5 frames of 128 mel bands",
        ),
        _autoencoder,
    ),
)
