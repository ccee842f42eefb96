"""The figures of the study that bitwatt reproduces, as it printed them. Never results of bitwatt.

S. Hashemi, N. Anthony, H. Tann, R. I. Bahar, S. Reda, "Understanding the Impact of Precision Quantization
on the Accuracy and Energy of Neural Networks", DATE 2017, arXiv 1612.03940. Area and power from its table of
design metrics (16 x 16 tile, 65 nm, 250 MHz); accuracy and energy from its tables of LeNet, ConvNet and ALEX.
"""

from __future__ import annotations

from dataclasses import dataclass

CITATION = (
    "S. Hashemi, N. Anthony, H. Tann, R. I. Bahar, S. Reda, “Understanding the Impact of Precision "
    "Quantization on the Accuracy and Energy of Neural Networks”, DATE 2017"
)
ARXIV = "https://arxiv.org/abs/1612.03940"
TECHNOLOGY = "65 nm"
CLOCK_HZ = 250e6


@dataclass(frozen=True)
class Published:
    """A published point. accuracy (a share) and energy_j (an image): None where training did not converge."""

    network: str
    data: str
    test_images: int
    precision: str
    accuracy: float | None
    energy_j: float | None
    power_w: float
    area_mm2: float


_DATA = {
    "lenet": ("MNIST", 10_000),
    "convnet": ("SVHN", 26_032),
    "alex": ("CIFAR-10", 10_000),
    "alex+": ("CIFAR-10", 10_000),
    "alex++": ("CIFAR-10", 10_000),
}
"""Data set of each network, with the images in its standard test set."""

# precision: (area mm2, power mW, area saving %, power saving %)
_DESIGN = {
    "float32": (16.74, 1379.60, 0.0, 0.0),
    "fixed32": (14.13, 1213.40, 15.56, 12.05),
    "fixed16": (6.88, 574.75, 58.92, 58.34),
    "fixed8": (3.36, 219.87, 79.94, 84.06),
    "fixed4": (1.66, 111.17, 90.07, 91.94),
    "pow2": (3.05, 209.91, 81.78, 84.78),
    "binary": (1.21, 95.36, 92.73, 93.08),
}

# network: {precision: (accuracy %, energy uJ)}; None: did not converge
_RUNS: dict[str, dict[str, tuple[float, float] | None]] = {
    "lenet": {
        "float32": (99.20, 60.74),
        "fixed32": (99.22, 52.93),
        "fixed16": (99.21, 24.60),
        "fixed8": (99.22, 8.86),
        "fixed4": (95.76, 4.31),
        "pow2": (99.14, 8.42),
        "binary": (99.40, 3.56),
    },
    "convnet": {
        "float32": (86.77, 754.18),
        "fixed32": (86.78, 663.01),
        "fixed16": (86.77, 314.05),
        "fixed8": (84.03, 120.14),
        "fixed4": None,
        "pow2": (84.85, 114.70),
        "binary": (19.57, 52.11),
    },
    "alex": {
        "float32": (81.22, 335.68),
        "fixed32": (79.71, 293.90),
        "fixed16": (79.77, 136.61),
        "fixed8": (77.99, 49.22),
        "fixed4": None,
        "pow2": (77.03, 46.77),
        "binary": (74.84, 19.79),
    },
    "alex+": {
        "fixed16": (81.86, 491.32),
        "fixed8": (75.71, 177.02),
        "pow2": (77.34, 168.21),
        "binary": (77.91, 71.18),
    },
    "alex++": {
        "fixed16": (82.26, 628.17),
        "fixed8": (75.03, 226.32),
        "pow2": (81.26, 215.05),
        "binary": (80.52, 91.00),
    },
}


def _points() -> tuple[Published, ...]:
    found = []
    for network, runs in _RUNS.items():
        data, images = _DATA[network]
        for precision, run in runs.items():
            area, power, _, _ = _DESIGN[precision]
            accuracy, energy = (run[0] / 100, run[1] / 1e6) if run else (None, None)
            found.append(Published(network, data, images, precision, accuracy, energy, power / 1e3, area))
    return tuple(found)


PUBLISHED: tuple[Published, ...] = _points()
"""Every published point, in the order of the tables."""


@dataclass(frozen=True)
class DesignMetrics:
    """A row of the table of design metrics: the 16 x 16 tile at 65 nm and 250 MHz; savings are shares."""

    area_mm2: float
    power_w: float
    area_saving: float
    power_saving: float


def design_metrics(precision: str) -> DesignMetrics | None:
    """The published tile of that precision, or None."""
    if precision not in _DESIGN:
        return None
    area, power, area_saving, power_saving = _DESIGN[precision]
    return DesignMetrics(area, power / 1e3, area_saving / 100, power_saving / 100)


PRINTED_SAVINGS: dict[str, tuple[float, float]] = {
    precision: (area / 100, power / 100) for precision, (_, _, area, power) in _DESIGN.items()
}
"""Savings of area and power against float32 as printed, shares by precision."""


def published(network: str, precision: str) -> Published | None:
    """The published point of that network and precision, in whatever case, or None."""
    wanted = network.lower()
    return next((p for p in PUBLISHED if (p.network, p.precision) == (wanted, precision)), None)


def same_data(point: Published, data: str) -> bool:
    """Whether `data` is the published data set or a part or stand-in of it (`mnist-small` for MNIST).

    Accuracies on anything else (LeNet on Fashion-MNIST) do not belong beside the published one.
    """
    return data.lower().replace("-", "").startswith(point.data.lower().replace("-", ""))
