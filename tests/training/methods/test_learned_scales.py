"""The scales' gradient against PyTorch's own learnable fake quantisation, and where learning leads."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from bitwatt.formats import parse_format
from bitwatt.quantization import least_squares_exponent
from bitwatt.training import train
from bitwatt.training.methods.learned_scales import _Output, _Weight


def theirs(x: torch.Tensor, sent: torch.Tensor, exponent: int, bits: int) -> tuple[torch.Tensor, float]:
    """PyTorch's gradients for x, and for the scale times scale * ln 2: that for its logarithm."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    x = x.clone().requires_grad_()
    scale = torch.tensor([2.0**exponent], requires_grad=True)
    made = torch._fake_quantize_learnable_per_tensor_affine(x, scale, torch.zeros(1), low, high, 1.0)
    made.backward(sent)
    assert x.grad is not None
    assert scale.grad is not None
    return x.grad, float(scale.grad) * 2.0**exponent * math.log(2)


@pytest.mark.parametrize("exponent", [-3, 0, 2])
def test_gradients_are_those_of_pytorch(exponent: int) -> None:
    format, generator = parse_format("fixed4"), torch.Generator().manual_seed(1)
    x = torch.randn(2000, generator=generator) * 6 * 2.0**exponent
    sent = torch.randn(2000, generator=generator)
    for_x, for_logarithm = theirs(x, sent, exponent, bits=4)

    weight, logarithm = x.clone().requires_grad_(), torch.tensor([float(exponent)], requires_grad=True)
    scale = torch.tensor(2.0**exponent)
    _Weight.apply(weight, logarithm, format, 1 / scale, scale).backward(sent)
    torch.testing.assert_close(weight.grad, for_x)
    assert float(logarithm.grad) == pytest.approx(for_logarithm, rel=1e-4)

    # An output leaves as integers: the reader multiplies by the scale, and sends that much more back.
    z, logarithm = (x / scale).requires_grad_(), torch.tensor(float(exponent), requires_grad=True)
    _Output.apply(z, logarithm, format).backward(sent * scale)
    torch.testing.assert_close(z.grad, for_x * scale)
    assert float(logarithm.grad) == pytest.approx(for_logarithm, rel=1e-4)


def test_a_binary_scale_has_the_exact_gradient() -> None:
    weight = torch.tensor([[-3.0, 0.2], [0.5, 0.1]])
    logarithm = torch.tensor([1.0, -1.0], requires_grad=True)
    inward, outward = torch.tensor([[0.5], [2.0]]), torch.tensor([[2.0], [0.5]])
    sent = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    made = _Weight.apply(weight.requires_grad_(), logarithm, parse_format("binary"), inward, outward)
    assert made.tolist() == [[-2, 2], [0.5, 0.5]]
    made.backward(sent)
    # d(2**p * sign) / dp = ln 2 * 2**p * sign
    expected = torch.tensor([(-1 + 2) * 2.0, (3 + 5) * 0.5]) * math.log(2)
    torch.testing.assert_close(logarithm.grad, expected)


@pytest.mark.parametrize("name", ["fixed4", "binary", "pow2"])
@pytest.mark.parametrize("wrong_by", [-4, 4])
def test_down_its_gradient_a_scale_comes_to_the_least_squares(name: str, wrong_by: int) -> None:
    format, x = parse_format(name), torch.randn(4000, generator=torch.Generator().manual_seed(2))
    best = int(least_squares_exponent(x[None], format))
    logarithm = torch.tensor([float(best + wrong_by)], requires_grad=True)
    adam = torch.optim.Adam([logarithm], lr=0.1)
    for _ in range(120):
        adam.zero_grad()
        scale = torch.exp2(torch.round(logarithm.detach()))
        made = _Weight.apply(x, logarithm, format, 1 / scale, scale)
        (made - x).square().mean().backward()
        adam.step()
    assert abs(int(torch.round(logarithm.detach())) - best) <= 1


def test_in_a_network_every_layer_reads_with_the_scale_that_the_one_before_wrote_with(task) -> None:  # type: ignore[no-untyped-def]
    network = task.quantised("fixed4")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items() if "exponent" in name}
    train(network, task, replace(task.recipe, epochs=6, learn_scales=True, scale_rate=0.1))
    after = {name: tensor for name, tensor in network.state_dict().items() if "exponent" in name}
    assert any(not torch.equal(before[name], after[name]) for name in before)
    layers = [layer for _, layer in network.weighted_layers()]
    assert layers[0].input_exponent == network.input_quantizer.exponent == before["input_quantizer.exponent"]
    assert [int(a.output_exponent) for a in layers[:-1]] == [int(b.input_exponent) for b in layers[1:]]
    assert int(layers[-1].output_exponent) == int(network.output_exponent) == 0
