"""Look at all that a search asks for before any work starts, and make its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bitwatt.errors import RequestError
from bitwatt.formats import parse_precision
from bitwatt.hardware.workload import LayerWork, workload
from bitwatt.study.digest import digest_of, numerics
from bitwatt.study.search.plan import SearchPlan
from bitwatt.study.search.space import REFERENCE, Design, Shape, network_name, shapes_of
from bitwatt.study.stages import FloatStage, PointStage, Subject
from bitwatt.study.subject import build_network, load_data, network_digest
from bitwatt.study.tile_plan import TilePlan

if TYPE_CHECKING:
    from bitwatt.datasets import Data
    from bitwatt.program import Program

_SHAPES_OF = "fixed8"
"""A program's passes have the same shapes at every precision; those of this one stand for all."""


@dataclass(frozen=True)
class Subjects:
    """The networks of a search and its data, found and in order. data: tested on held-out training images."""

    plan: SearchPlan
    data: Data
    subjects: Mapping[Shape, Subject]
    works: Mapping[Shape, tuple[LayerWork, ...]]

    def float_stage(self, shape: Shape) -> FloatStage:
        """The float training of the network at a width and depth."""
        plan, subject, recipe = self.plan, self.subjects[shape], self.plan.float_recipe()
        digest = digest_of(
            "float", subject.identity(), recipe.decisive(), plan.threads, plan.device, numerics()
        )
        return FloatStage(subject, plan.seed, recipe.to_dict(), plan.threads, plan.device, digest)

    def point_stage(self, design: Design) -> PointStage:
        """The training of a design, from its own float weights, with the reference network as teacher."""
        plan, shape = self.plan, design.shape
        recipe = plan.recipe(parse_precision(design.precision))
        start, teacher = self.float_stage(shape).digest, self.float_stage(REFERENCE.shape).digest
        own = [design.layers] if design.layers else []
        digest = digest_of("search", start, teacher, design.precision, recipe.decisive(), *own)
        return PointStage(
            subject=self.subjects[shape],
            precision=design.precision,
            seed=plan.seed,
            recipe=recipe.to_dict(),
            threads=plan.threads,
            device=plan.device,
            float_digest=start,
            tile=TilePlan(preset=plan.preset),
            presets=(plan.preset,),
            technology=plan.technology,
            training_digest=digest,
            digest=digest,
            layers=dict(design.layers),
        )

    def program(self, design: Design) -> Program:
        """A design's program without any training: its formats and shapes are what they will be."""
        from bitwatt.program import lower
        from bitwatt.quantization import quantize

        example = self.data.train.images[:1]
        network = build_network(self.subjects[design.shape].network, self.plan.seed)
        layers = dict(design.layers)
        return lower(quantize(network, design.precision, calibration=example, layers=layers).eval(), example)


def look_at(plan: SearchPlan, data_dir: Path | None) -> Subjects:
    """Find the network at each width and depth, and the data.

    Raises `RequestError` (of it `UnsupportedError`) for an unknown name, a network that does not fit its data
    or cannot be lowered; `DataError` for damaged data.
    """
    import torch

    from bitwatt.program import lower
    from bitwatt.quantization import quantize

    shapes = dict.fromkeys((REFERENCE.shape, *shapes_of(plan)))
    # Networks first: a misspelt one is said before any data is read or fetched.
    names = {shape: network_name(plan.network, Design(*shape, _SHAPES_OF)) for shape in shapes}
    networks = {shape: build_network(name, plan.seed) for shape, name in names.items()}
    data = load_data(plan.data, data_dir, plan.held_out)
    example = data.train.images[:1]
    where = str(data_dir) if data_dir else None
    subjects, works = {}, {}
    for shape, network in networks.items():
        try:
            with torch.no_grad():
                logits = network.eval()(example)
        except RuntimeError as error:
            raise RequestError(
                f"network '{names[shape]}' does not take the images of '{plan.data}', "
                f"{tuple(example.shape[1:])}: {error}"
            ) from None
        if logits.ndim != 2 or logits.shape[1] < data.classes:
            raise RequestError(
                f"network '{names[shape]}' must give at least {data.classes} logits an image for "
                f"'{plan.data}', got shape {tuple(logits.shape)} for one image"
            )
        digest = network_digest(names[shape], network)
        subjects[shape] = Subject(names[shape], digest, plan.data, data.sha256, plan.held_out, where)
        works[shape] = workload(lower(quantize(network, _SHAPES_OF, calibration=example), example))
    return Subjects(plan, data, subjects, works)
