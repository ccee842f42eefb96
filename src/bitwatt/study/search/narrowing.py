"""Which layers of a trained network to narrow next: the largest first, the first and the last one last.

On one tile all layers cost what the widest asks for; a narrower one saves memory, in proportion to its
weights. So it is the layers with the most weights that are narrowed, one after the other as long as accuracy
holds; and all but the first and the last, which are known to be sensitive (Zhou et al., DoReFa-Net, 2016).
Activations stay as they are: narrower ones would save nothing, and need output stages with bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bitwatt.formats import Format, parse_precision
from bitwatt.hardware.holding import holds
from bitwatt.hardware.workload import LayerWork
from bitwatt.study.search.space import Design

FORMATS_TRIED = 2
"""Narrower formats that are tried for each network: the widest of at most half its weights' bits."""


def narrower(design: Design, works: Sequence[LayerWork], weights: Iterable[Format]) -> Iterator[Design]:
    """The designs to try after `design` was trained.

    works: the passes of the network. weights: the formats that layers may have. A network of one
    precision is narrowed in its largest layer, and in all but the first and the last; one that was
    narrowed in its largest layers, in the next largest too. Never in all, which would be another
    precision of the space.
    """
    weighted = [work for work in works if work.weights]
    largest = [work.name for work in sorted(weighted, key=lambda work: -work.weights)]
    inner = [work.name for work in weighted[1:-1]]
    base = parse_precision(design.precision)
    if not design.layers:
        for format_ in _formats(base.weights, weights):
            own = f"{format_}:{base.activations}"
            groups = [largest[:1], inner] if inner else [largest[:1]]
            for group in groups:
                if 0 < len(group) < len(weighted):
                    yield _with(design, group, own)
        return
    names, (own, *others) = {name for name, _ in design.layers}, {own for _, own in design.layers}
    if not others and names == set(largest[: len(names)]) and len(names) + 1 < len(weighted):
        yield _with(design, largest[: len(names) + 1], own)


def _with(design: Design, names: Sequence[str], precision: str) -> Design:
    return replace(design, layers=tuple((name, precision) for name in sorted(names)))


def _formats(widest: Format, known: Iterable[Format]) -> list[Format]:
    """Formats that the tile's weights hold, of at most half their bits, the widest first."""
    fitting = [one for one in known if 2 * one.bits <= widest.bits and holds(widest, one)]
    return sorted(fitting, key=lambda one: -one.bits)[:FORMATS_TRIED]
