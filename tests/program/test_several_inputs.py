"""Networks that read an image and some facts about it: quantised, lowered, executed, saved and costed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bitwatt as bw
from bitwatt.errors import BitwattError, RequestError, UnsupportedError
from bitwatt.program import Program, ops, reference
from bitwatt.program.executor import checked_images
from bitwatt.program.file import from_bytes, to_bytes
from bitwatt.quantization.capture import capture
from bitwatt.quantization.post_training import improve
from bitwatt.testing.drawn_networks import KINDS, draw_network

torch.manual_seed(0)
IMAGES, FACTS = torch.randn(8, 3, 6, 6), 16 * torch.randn(8, 7)
INPUTS = (IMAGES, FACTS)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.facts = nn.Linear(7, 6)
        self.last = nn.Linear(10, 3)

    def forward(self, images: Tensor, facts: Tensor) -> Tensor:
        seen = torch.relu(self.stem(images)).mean((2, 3))
        return self.last(torch.cat([seen, torch.relu(self.facts(facts))], dim=1))


@pytest.fixture(scope="module")
def network() -> bw.quantization.QuantizedNetwork:
    return bw.quantize(Two(), "fixed8", calibration=INPUTS).eval()


@pytest.fixture(scope="module")
def program(network: bw.quantization.QuantizedNetwork) -> Program:
    return bw.lower(network, INPUTS, network="two")


def test_module_program_and_reference_agree(
    network: bw.quantization.QuantizedNetwork, program: Program
) -> None:
    logits = program(*INPUTS)
    assert torch.equal(logits.float(), network(*INPUTS))
    assert np.array_equal(reference.logits(program, IMAGES.numpy(), FACTS.numpy()), logits.numpy())
    assert not torch.equal(logits, program(IMAGES, FACTS.flip(0)))


def test_each_input_has_a_grid_of_its_own(
    network: bw.quantization.QuantizedNetwork, program: Program
) -> None:
    exponents = {name: int(one.exponent) for name, one in network.input_quantizers.items()}
    assert list(exponents) == ["input", "input#2"]
    assert exponents["input#2"] > exponents["input"]
    assert program.input_shapes == {"input": (3, 6, 6), "input#2": (7,)}
    first = program.ops[:2]
    assert [(op.name, op.inputs) for op in first] == [
        ("quantize", ("input",)),
        ("quantize#2", ("input#2",)),
    ]
    other = bw.quantize(Two(), "fixed8", calibration=INPUTS, layers={"input#2": "fixed4"})
    assert [str(one.format) for one in other.input_quantizers.values()] == ["fixed8", "fixed4"]


def test_a_saved_program_comes_back_and_one_of_one_input_is_written_as_ever(program: Program) -> None:
    saved = to_bytes(program)
    again = from_bytes(saved, "x")
    assert to_bytes(again) == saved
    assert b'\\"schema\\": 2' in saved
    assert torch.equal(again(*INPUTS), program(*INPUTS))
    alone = to_bytes(draw_network(4, kinds=KINDS - {"inputs"}, precisions=["fixed8"]).program)
    assert b'\\"schema\\": 1' in alone
    assert b"other_inputs" not in alone


def test_it_is_costed_with_both_inputs_in_memory_from_the_start(program: Program) -> None:
    found = bw.cost(program, bw.Tile(precision="fixed8"))
    assert found.memory_bytes["activations_peak"] == 3 * 36 + 4 + 7  # the stem, pooled, while the facts wait


REFUSALS: dict[str, tuple[Callable[..., object], str]] = {
    "program": (lambda n, p: p(IMAGES), "the program takes images of 2 inputs, got those of 1"),
    "module": (lambda n, p: n(IMAGES), "the network takes images of 2 inputs, got those of 1"),
    "count": (
        lambda n, p: p(IMAGES, FACTS[:3]),
        "the program takes as many images of each input, got [8, 3]",
    ),
    "shape": (
        lambda n, p: p(IMAGES, FACTS[:, :4]),
        "the program takes one or more images of 'input#2', (count, 7); got shape (8, 4)",
    ),
    "lower": (
        lambda n, p: bw.lower(n, IMAGES),
        "the network takes images of 2 inputs, and the example has 1",
    ),
    "calibration": (
        lambda n, p: bw.quantize(Two(), "fixed8", calibration=(IMAGES, FACTS[:3])),
        "calibration needs as many images of each input; got [8, 3]",
    ),
    "kinds": (
        lambda n, p: bw.quantize(Two(), "fixed8", calibration=(IMAGES, 3)),
        "calibration must be images, a tensor for each input; got Tensor, int",
    ),
    "tile": (
        lambda n, p: checked_images(p, IMAGES),
        "'two' takes 2 inputs, and a run of the tile plays one; execute the program, or export it",
    ),
    "post-training": (
        lambda n, p: improve(n, IMAGES),
        "post-training methods take networks of one input; this one has 2",
    ),
    "training": (
        lambda n, p: bw.train(Two(), None, bw.Recipe(epochs=1)),
        "training gives a model one input, the images; Two takes several. Train it yourself, as any PyTorch "
        "module, and quantise it after",
    ),
    "re-training": (
        lambda n, p: bw.train(n, None, bw.Recipe(epochs=1)),
        "training gives a model one input, the images; QuantizedNetwork takes several. Train it yourself, as "
        "any PyTorch module, and quantise it after",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_does_not_fit_is_said(
    what: str, network: bw.quantization.QuantizedNetwork, program: Program
) -> None:
    refused, message = REFUSALS[what]
    with pytest.raises(BitwattError) as error:
        refused(network, program)
    assert str(error.value) == message


def test_an_input_that_decides_nothing_is_refused() -> None:
    class Plain(nn.Sequential):
        def forward(self, images: Tensor, facts: Tensor) -> Tensor:
            return super().forward(images)

    with pytest.raises(UnsupportedError, match="input 2: decides nothing; leave it out of the forward"):
        capture(Plain(nn.Conv2d(3, 2, 1)), INPUTS)


def test_too_many_inputs_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="and images of 3 inputs were given: give a tensor for each"):
        capture(Two(), (*INPUTS, FACTS))


def test_programs_by_hand() -> None:
    grid = bw.formats.parse_format("fixed8")
    first, second = ops.Quantize("a", "input", grid, 0), ops.Quantize("b", "input#2", grid, 0)
    with pytest.raises(RequestError, match="no operation reads 'input#2'"):
        Program("p", "fixed8", (2,), (first,), other_inputs=((2,),))
    with pytest.raises(RequestError, match="operation 'b' reads 'input#2', which no earlier operation makes"):
        Program("p", "fixed8", (2,), (first, second))
    with pytest.raises(RequestError, match="needs lengths of at least 1"):
        Program("p", "fixed8", (2,), (first, second), other_inputs=((0,),))
