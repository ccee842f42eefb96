"""What the study was to reach at each precision, and whether it did. Imported by `findings.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bitwatt.report import interval
from bitwatt.report.rows import Row

SLACK = 1e-9
"""0.9957 - 0.001 is not 0.9947 in binary; an image is 0.0001 or more."""


@dataclass(frozen=True)
class Target:
    """At most `margin` below float32 and at least `floor`, both shares; None where nothing is asked."""

    network: str
    precision: str
    margin: float | None = None
    floor: float | None = None

    def text(self) -> str:
        """What is asked, in words."""
        asked = []
        if self.margin is not None:
            asked.append(f"within {100 * self.margin:g} of float32" if self.margin else "not below float32")
        if self.floor is not None:
            asked.append(f"{100 * self.floor:.2f} or more".replace(".00 ", " "))
        return ", and ".join(asked)

    def is_met(self, row: Row, reference: Row) -> bool:
        """Whether `row` is accurate enough, against float32 of the same seeds."""
        above = self.floor is None or row.accuracy.mean >= self.floor - SLACK
        return above and (self.margin is None or difference(row, reference)[0] >= -self.margin - SLACK)


_WIDE = ("fixed32", "fixed16", "fixed8")


def _targets() -> Iterator[Target]:
    for network, floor, wide, four, shifts, binary in (
        ("lenet", 0.994, 0.001, 0.001, 0.001, 0.002),
        ("convnet", None, 0.003, 0.01, 0.005, 0.02),
        ("alex", 0.812, 0.0, 0.005, 0.002, 0.03),
    ):
        if floor is not None:  # ConvNet's float32 was to be its own best
            yield Target(network, "float32", floor=floor)
        for precision in _WIDE:
            yield Target(network, precision, wide)
        yield Target(network, "fixed4", four)
        yield Target(network, "pow2", shifts)
        yield Target(network, "binary", binary, floor=0.994 if network == "lenet" else None)


TARGETS = tuple(_targets())


def difference(row: Row, reference: Row) -> tuple[float, float, float]:
    """Accuracy gained over float32, a share, and its limits at 95 %.

    Over the seeds that both have: a study in progress has float32 of a seed before the others.
    """
    theirs = dict(zip(reference.seeds, reference.accuracy.by_seed, strict=True))
    pairs = [
        (mine, theirs[seed])
        for seed, mine in zip(row.seeds, row.accuracy.by_seed, strict=True)
        if seed in theirs
    ]
    if not pairs:
        raise ValueError(f"{row.network} {row.precision} shares no seed with float32")
    mine, base = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    low, high = interval.difference(mine, row.accuracy.count, base, reference.accuracy.count)
    return mine - base, low, high
