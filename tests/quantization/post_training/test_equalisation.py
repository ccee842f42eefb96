"""Scales move between layers, and the float network does not change by a bit."""

import itertools

import pytest
import torch
from torch import nn

from bitwatt import networks
from bitwatt.quantization import quantize
from bitwatt.quantization.post_training import equalise
from bitwatt.quantization.post_training.equalisation import pairs


def ranges(layer, inputs=False):
    """Largest magnitude of each output channel, or of each input channel of an ungrouped convolution."""
    return (layer.weight.transpose(0, 1) if inputs else layer.weight).detach().flatten(1).abs().amax(dim=1)


def test_the_float_network_stays_the_same_to_the_bit(network, images, quantised):
    """A power of two changes no mantissa: float32 sums scale with it, whatever their order."""
    twin = quantised("float32")
    with torch.no_grad():
        before = twin(images)
        assert equalise(twin) > 0
        assert torch.equal(twin(images), before)


def test_ranges_meet(quantised):
    twin = quantised("float32")
    names = [name for name, _ in twin.weighted_layers()]
    first, depth, point = (twin.layer(name) for name in names[:3])
    before = ranges(first).max() / ranges(first).min()
    equalise(twin)
    assert ranges(first).max() / ranges(first).min() < before / 8
    # Settled: no channel's ranges differ by a factor of two or more on both sides of a pair.
    for one, other in ((ranges(first), ranges(depth)), (ranges(depth), ranges(point, inputs=True))):
        assert (one / other).log2().abs().max() <= 1.0
    assert equalise(twin) == 0


def test_features_of_a_flattened_map_move_with_their_channel(quantised):
    """12 channels of 3 x 3: each scales nine columns of the fully connected layer."""
    twin = quantised("float32")
    (*_, (_, point), (_, full)) = twin.weighted_layers()
    before, weight = full.weight.detach().clone(), point.weight.detach().clone()
    equalise(twin)
    factors = (full.weight / before).detach().view(10, 12, 9)
    assert torch.equal(factors, factors[:1, :, :1].expand(10, 12, 9))
    assert len(factors.unique()) > 1
    moved = ranges(point).log2() - weight.flatten(1).abs().amax(dim=1).log2()
    assert torch.isfinite(moved).all()


def test_dead_channels_are_left_alone(network, images):
    with torch.no_grad():
        network[0].weight[2] = 0
        network[0].bias[2] = 0
    twin = quantize(network, "float32", calibration=images)
    equalise(twin)
    for parameter in twin.parameters():
        assert torch.isfinite(parameter).all()
    first = next(iter(twin.weighted_layers()))[1]
    assert not first.weight[2].any()


def test_what_is_no_pair():
    """Average pooling and flattening let scales through; nothing follows the last layer."""
    alex = quantize(networks.create("alex", seed=0), "float32", calibration=torch.zeros(1, 3, 32, 32))
    layers = [layer for _, layer in alex.weighted_layers()]
    assert pairs(alex) == list(itertools.pairwise(layers))


@pytest.mark.parametrize("between", [nn.ReLU, nn.Identity])
def test_without_a_bias(between, images):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), between(), nn.Conv2d(4, 2, 10), nn.Flatten())
    with torch.no_grad():
        net[0].weight[1] *= 64
        twin = quantize(net, "float32", calibration=images)
        before = twin(images)
        assert equalise(twin) > 0
        assert torch.equal(twin(images), before)


def test_residual_blocks():
    """Only within a block may scales move: what is added to the shortcut must stay as it is."""
    torch.manual_seed(0)
    network = networks.create("resnet8", seed=0, width=0.25).eval()
    with torch.no_grad():
        for block in (network.block1, network.block2, network.block3):
            block.body.norm1.weight.copy_(torch.logspace(-1, 2, len(block.body.norm1.weight)))
    images = torch.randn(4, 3, 32, 32)
    twin = quantize(network, "float32", calibration=images)
    named = {id(layer): name for name, layer in twin.weighted_layers()}
    found = [(named[id(first)], named[id(second)]) for first, second in pairs(twin)]
    assert found == [(f"block{n}.body.conv1", f"block{n}.body.conv2") for n in (1, 2, 3)]
    with torch.no_grad():
        before = twin(images)
        assert equalise(twin) > 0
        assert torch.equal(twin(images), before)


def test_what_clips_lets_no_scale_through():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(), nn.Conv2d(4, 2, 3), nn.Flatten())
    assert pairs(quantize(net, "float32", calibration=torch.randn(2, 3, 5, 5))) == []
