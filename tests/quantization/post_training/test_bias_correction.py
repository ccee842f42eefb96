"""After correction every channel's mean sum is the float network's, to the bias's own unit."""

import pytest
import torch

from bitwatt.quantization.post_training import correct_biases
from bitwatt.quantization.post_training.bias_correction import mean_sums
from bitwatt.quantization.post_training.observing import float_twin


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_means_meet(quantised, images, granularity):
    """A bias is rounded to the accumulator's unit, so that half of it may be missed; float32 sums of integers
    below 2**24 are exact, and the mean's own error is far below."""
    network = quantised("fixed4", granularity=granularity)
    twin = float_twin(network, images)
    missed = {n: (mean_sums(network, n, images) - mean_sums(twin, n, images)).abs() for n in names(network)}
    correct_biases(network, images)
    for name, layer in network.weighted_layers():
        unit = layer.accumulator_exponent.float().exp2()
        left = (mean_sums(network, name, images) - mean_sums(twin, name, images)).abs()
        assert (left <= unit * 0.51).all()
        assert left.sum() < missed[name].sum()


def names(network):
    return [name for name, _ in network.weighted_layers()]


def test_a_layer_without_a_bias_gets_one(quantised, images):
    network = quantised("fixed4")
    bare = [name for name, layer in network.weighted_layers() if layer.bias is None]
    assert len(bare) == 1
    correct_biases(network, images)
    assert network.layer(bare[0]).bias.shape == (8,)


def test_float_networks_stay(quantised, images):
    network = quantised("float32")
    before = [parameter.clone() for parameter in network.parameters()]
    correct_biases(network, images)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
