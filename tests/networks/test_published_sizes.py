"""MLPerf Tiny's networks, VGG-small and ResNet-20 have the published sizes, counted on what really ran."""

import pytest
import torch
from torch import nn

from bitwatt import networks

# Parameters of MLPerf Tiny's reference code (https://github.com/mlcommons/tiny: resnet_v1_eembc, ds_cnn,
# mobilenet_v1 and the auto-encoder's get_model(640)) as Keras counts them: the running means and variances of
# batch normalisation too. Keras prints DS-CNN's 24,908 in the summary that users of the benchmark quote; the
# others follow from that code layer by layer, below.
WITH_STATISTICS = {"resnet8": 78_666, "ds-cnn": 24_908, "mobilenetv1-0.25": 221_794, "autoencoder": 269_992}

# The same by hand: kernel area x inputs a group x outputs, + outputs for biases, + 4 a normalised channel.
BY_HAND = {
    "resnet8": (27 * 16 + 16 + 64) + 2 * (144 * 16 + 16 + 64)
    + (144 * 32 + 32 + 128) + (288 * 32 + 32 + 128) + (16 * 32 + 32)
    + (288 * 64 + 64 + 256) + (576 * 64 + 64 + 256) + (32 * 64 + 64) + (64 * 10 + 10),
    "ds-cnn": (40 * 64 + 64 + 256) + 4 * ((9 * 64 + 64 + 256) + (64 * 64 + 64 + 256)) + (64 * 12 + 12),
    "mobilenetv1-0.25": (27 * 8 + 8 + 32) + sum(
        (9 * a + a + 4 * a) + (a * b + b + 4 * b)
        for a, b in [(8, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 128), *[(128, 128)] * 5,
                     (128, 256), (256, 256)]
    ) + (256 * 2 + 2),
    "autoencoder": (640 * 128 + 128 + 512) + 6 * (128 * 128 + 128 + 512) + (128 * 8 + 8 + 32)
    + (8 * 128 + 128 + 512) + (128 * 640 + 640),
}  # fmt: skip

# Multiplications of one image. Output positions x kernel area x inputs a group x outputs.
MULTIPLICATIONS = {
    "resnet8": 32**2 * 9 * (3 * 16 + 2 * 16 * 16) + 16**2 * (9 * (16 * 32 + 32 * 32) + 16 * 32)
    + 8**2 * (9 * (32 * 64 + 64 * 64) + 32 * 64) + 64 * 10,
    "ds-cnn": 25 * 5 * (40 * 64 + 4 * (9 * 64 + 64 * 64)) + 64 * 12,
    "mobilenetv1-0.25": 48**2 * (27 * 8 + 9 * 8 + 8 * 16) + 24**2 * (9 * 16 + 16 * 32 + 9 * 32 + 32 * 32)
    + 12**2 * (9 * 32 + 32 * 64 + 9 * 64 + 64 * 64) + 6**2 * (9 * 64 + 64 * 128 + 5 * (9 * 128 + 128 * 128))
    + 3**2 * (9 * 128 + 128 * 256 + 9 * 256 + 256 * 256) + 256 * 2,
    "autoencoder": 640 * 128 * 2 + 6 * 128 * 128 + 2 * 128 * 8,
    "vgg-small": 32**2 * 9 * (3 * 128 + 128 * 128) + 16**2 * 9 * (128 * 256 + 256 * 256)
    + 8**2 * 9 * (256 * 512 + 512 * 512) + 512 * 16 * 10,
    "resnet20": 32**2 * 9 * (3 * 16 + 6 * 16 * 16) + 16**2 * (9 * (16 * 32 + 5 * 32 * 32) + 16 * 32)
    + 8**2 * (9 * (32 * 64 + 5 * 64 * 64) + 32 * 64) + 64 * 10,
}  # fmt: skip


def count(name: str) -> tuple[int, int, int]:
    """Trained numbers, those and the running statistics, and multiplications of one image as it ran."""
    network, about = networks.create(name, seed=0).eval(), networks.info(name)
    multiplications = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(
                lambda layer, _, out: multiplications.append(out[0].numel() * layer.weight[0].numel())
            )
    with torch.no_grad():
        assert network(torch.zeros(1, *about.input_shape)).shape == (1, about.classes)
    trained = sum(p.numel() for p in network.parameters())
    statistics = sum(b.numel() for b in network.buffers() if b.is_floating_point())
    return trained, trained + statistics, sum(multiplications)


@pytest.mark.parametrize("name", WITH_STATISTICS)
def test_mlperf_tiny_parameters(name):
    assert count(name)[1] == WITH_STATISTICS[name] == BY_HAND[name]


@pytest.mark.parametrize("name", MULTIPLICATIONS)
def test_multiplications(name):
    assert count(name)[2] == MULTIPLICATIONS[name]


def test_resnet20_is_the_one_in_the_tables():
    """0.27 M parameters and 40.81 M multiplications: K. He et al., table 6, and the README of
    https://github.com/chenyaofo/pytorch-cifar-models. Both in millions, two digits behind the point."""
    trained, _, multiplications = count("resnet20")
    assert round(trained / 1e6, 2) == 0.27
    assert round(multiplications / 1e6, 2) == 40.81


def test_vgg_small_by_hand():
    weights = 9 * (3 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512) + 512 * 16 * 10 + 10
    assert count("vgg-small")[0] == weights + 2 * 2 * (128 + 256 + 512)


def test_a_block_adds_its_shortcut():
    network = networks.create("resnet8", seed=0).eval()
    x = torch.rand(1, 16, 32, 32)
    with torch.no_grad():
        block = network.block1
        assert torch.equal(block(x), torch.relu(block.body(x) + x))
        halved = network.block2
        assert torch.equal(halved(x), torch.relu(halved.body(x) + halved.shortcut(x)))
        assert halved(x).shape == (1, 32, 16, 16)


def test_normalisations_start_as_identities():
    for layer in networks.create("resnet20", seed=0).modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert bool((layer.weight == 1).all())
            assert bool((layer.bias == 0).all())
            assert bool((layer.running_mean == 0).all())
            assert bool((layer.running_var == 1).all())


def test_width_scales_every_channel_but_inputs_and_outputs():
    narrow = networks.create("resnet8", seed=0, width=0.5)
    assert narrow.block3.body.conv2.weight.shape == (32, 32, 3, 3)
    assert narrow(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert networks.create("autoencoder", seed=0, width=0.25)(torch.zeros(2, 640)).shape == (2, 640)
