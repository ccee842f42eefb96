"""Weights rounded together lie on the grid, and miss the float network's sums by less than each by itself."""

import itertools

import pytest
import torch

from bitwatt.formats import parse_format
from bitwatt.quantization import round_to_grid
from bitwatt.quantization.post_training import round_together
from bitwatt.quantization.post_training.observing import bare, float_twin, groups, patches, reads
from bitwatt.quantization.post_training.rounding import compensated

FIXED3 = parse_format("fixed3")


def drawn(inputs, seed):
    """Weights (1, 4, inputs) and second moments of strongly dependent operands."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(inputs, inputs, generator=generator, dtype=torch.float64)
    weight = torch.randn(1, 4, inputs, generator=generator, dtype=torch.float64) * 1.5
    return weight, (mixing @ mixing.T + 0.05 * torch.eye(inputs, dtype=torch.float64))[None]


def losses(weight, found, moments):
    error = found - weight
    return ((error @ moments) * error).sum(dim=2)[0]


def test_independent_operands_round_to_nearest():
    weight, _ = drawn(6, 0)
    diagonal = torch.diag(torch.tensor([3.0, 1.0, 7.0, 2.0, 5.0, 4.0], dtype=torch.float64))[None]
    step = torch.full((1, 4, 1), 0.5, dtype=torch.float64)
    assert torch.equal(compensated(weight, diagonal, step, FIXED3), round_to_grid(weight / 0.5, FIXED3) * 0.5)


def test_two_dependent_operands_by_hand():
    """Moments [[1, r], [r, 1]]: the first of equals is rounded by e, the second then moves by r * e."""
    weight = torch.tensor([[[0.4, 0.3]]], dtype=torch.float64)
    moments = torch.tensor([[[1.0, 0.9], [0.9, 1.0]]], dtype=torch.float64)
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    # 0.4 -> 0, and the other one is then 0.3 + 0.9 * 0.4 = 0.66 -> 1; by themselves both would be 0.
    assert compensated(weight, moments, one, FIXED3).tolist() == [[[0.0, 1.0]]]


def test_near_the_best_of_all_roundings():
    """Every combination of 5 weights on a grid of 8 values tried: 32,768 a row."""
    grid = torch.tensor(sorted(FIXED3.integers(FIXED3.codes()).tolist()), dtype=torch.float64)
    every = torch.cartesian_prod(*[grid] * 5)
    step = torch.ones(1, 4, 1, dtype=torch.float64)
    together, best = 0.0, 0.0
    for seed in range(10):
        weight, moments = drawn(5, seed)
        loss = losses(weight, compensated(weight, moments, step, FIXED3), moments).sum()
        assert loss < losses(weight, round_to_grid(weight, FIXED3), moments).sum()
        together += loss
        for row in weight[0]:
            error = every - row
            best += ((error @ moments[0]) * error).sum(dim=1).min()
    assert best <= together < 1.5 * best


def miss(layer, aimed, x):
    """Variance of what rounding a layer's weights does to its sums, for operands x as they come."""
    change = layer.integer_weight() * layer.weight_exponent.double().exp2().view(
        -1, *[1] * (layer.weight.dim() - 1)
    )
    change = (change - aimed.weight.double()).reshape(groups(layer), -1, layer.weight[0].numel())
    sums = change @ patches(layer, x).double().transpose(1, 2)
    return float(sums.detach().var(dim=2).sum())


@pytest.mark.parametrize("precision", ["fixed4", "fixed3:fixed8", "pow2", "ternary:fixed8", "binary", "e4m3"])
def test_sums_are_met_better_than_by_rounding_each(precision, quantised, images):
    nearest, together = quantised(precision), quantised(precision)
    twin = float_twin(nearest, images)
    round_together(together, images, twin)
    found, before = [], []
    for name, layer in together.weighted_layers():
        x = reads(together, name, images)
        found.append(miss(layer, twin.layer(name), x))
        before.append(miss(nearest.layer(name), twin.layer(name), x))
    # A layer of few operands may find nothing better than the nearest values; damping counts for 1 %.
    assert all(now <= 1.01 * then for now, then in zip(found, before, strict=True))
    assert found[-1] < before[-1]  # 108 operands


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_weights_lie_on_the_grid(granularity, quantised, images):
    network = quantised("fixed4", granularity=granularity)
    round_together(network, images)
    for _, layer in network.weighted_layers():
        unit = layer.weight_exponent.double().exp2().view(-1, *[1] * (layer.weight.dim() - 1))
        assert torch.equal(layer.integer_weight() * unit, layer.weight.double())


def test_patches_are_what_sums_are_made_of(quantised, images):
    """Convolutions, grouped and not, and a fully connected layer: patches times weights are the sums."""
    network = quantised("fixed8")
    for name, layer in network.weighted_layers():
        x = reads(network, name, images[:5])
        with torch.no_grad(), bare(layer):
            sums = layer(x)
        unit = 2.0 ** float(layer.input_exponent)
        weight = layer.integer_weight().double() * layer.weight_exponent.double().exp2()
        by_group = weight.reshape(groups(layer), -1, weight[0].numel())
        found = (by_group @ patches(layer, x).double().transpose(1, 2) * unit).reshape(len(weight), -1)
        bias = 0 if layer.bias is None else layer.integer_bias() * layer.accumulator_exponent.double().exp2()
        expected = sums.transpose(0, 1).flatten(1).double()
        assert torch.equal(found, expected - (bias[:, None] if torch.is_tensor(bias) else 0))


def test_the_same_every_time(quantised, images):
    one, other = quantised("fixed4"), quantised("fixed4")
    round_together(one, images)
    round_together(other, images)
    for (key, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), key
    assert len(list(itertools.chain(one.parameters()))) == 8  # the layer without a bias got one
