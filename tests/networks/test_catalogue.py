"""The networks have the published shapes and sizes, and a seed gives the same weights."""

import math

import pytest
import torch
from torch import nn

from bitwatt import networks
from bitwatt.errors import RequestError

# Weights and biases of each layer, worked out by hand: kernel area x input channels x outputs + outputs.
PARAMETERS = {
    "lenet": (25 * 1 * 20 + 20) + (25 * 20 * 50 + 50) + (50 * 4 * 4 * 500 + 500) + (500 * 10 + 10),
    "convnet": (25 * 3 * 16 + 16) + (49 * 16 * 512 + 512) + (512 * 4 * 4 * 20 + 20) + (20 * 10 + 10),
    "alex": (25 * 3 * 32 + 32) + (25 * 32 * 32 + 32) + (25 * 32 * 64 + 64) + (64 * 4 * 4 * 10 + 10),
    "alex+": (25 * 3 * 64 + 64) + (25 * 64 * 64 + 64) + (25 * 64 * 128 + 128) + (128 * 4 * 4 * 10 + 10),
    "alex++": (9 * 3 * 64 + 64) + (9 * 64 * 128 + 128) + (9 * 128 * 256 + 256)
    + (256 * 4 * 4 * 512 + 512) + (512 * 10 + 10),
}  # fmt: skip

# Multiplications of one image: output positions x kernel area x input channels x outputs.
MULTIPLICATIONS = {
    "lenet": 24**2 * 25 * 1 * 20 + 8**2 * 25 * 20 * 50 + 800 * 500 + 500 * 10,
    "convnet": 28**2 * 25 * 3 * 16 + 8**2 * 49 * 16 * 512 + 8192 * 20 + 20 * 10,
    "alex": 32**2 * 25 * 3 * 32 + 16**2 * 25 * 32 * 32 + 8**2 * 25 * 32 * 64 + 1024 * 10,
    "alex+": 32**2 * 25 * 3 * 64 + 16**2 * 25 * 64 * 64 + 8**2 * 25 * 64 * 128 + 2048 * 10,
    "alex++": 32**2 * 9 * 3 * 64 + 16**2 * 9 * 64 * 128 + 8**2 * 9 * 128 * 256 + 4096 * 512 + 512 * 10,
}

PUBLISHED_KIB = {"lenet": 1650, "convnet": 2150, "alex": 350, "alex+": 1250, "alex++": 9400}


def multiplications(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Counted from what each layer really produced."""
    counts = []

    def count(layer: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        counts.append(output[0].numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    network(torch.zeros(1, *shape))
    return sum(counts)


STUDY = ("lenet", "convnet", "alex", "alex+", "alex++")


def test_names():
    assert networks.names() == (
        *STUDY, "resnet8", "ds-cnn", "mobilenetv1-0.25", "autoencoder", "vgg-small", "resnet20",
    )  # fmt: skip


@pytest.mark.parametrize("name", STUDY)
def test_sizes(name):
    network, about = networks.create(name, seed=0), networks.info(name)
    assert about.name == name
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]
    assert multiplications(network, about.input_shape) == MULTIPLICATIONS[name]
    assert network(torch.zeros(2, *about.input_shape)).shape == (2, about.classes)


@pytest.mark.parametrize("name", STUDY)
def test_published_memory(name):
    """The study prints memory in round fifties of "KB": up to 50 below, and 2 to 4 % below in all but ALEX,
    which is met exactly. Five per cent tells these networks from any neighbouring one."""
    assert PARAMETERS[name] * 4 / 1024 == pytest.approx(PUBLISHED_KIB[name], rel=0.05)


def test_layer_names_and_order():
    assert [name for name, _ in networks.create("lenet").named_children()] == [
        "conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flatten", "fc1", "relu3", "fc2",
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in networks.create("alex")] == [
        "Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "AvgPool2d", "Conv2d", "ReLU", "AvgPool2d",
        "Flatten", "Linear",
    ]  # fmt: skip


def test_alex_pooling_rounds_up_as_caffe_does():
    network = networks.create("alex", seed=0)
    x, sides = torch.zeros(1, 3, 32, 32), []
    for name, layer in network.named_children():
        x = layer(x)
        if name.startswith("pool"):
            sides.append(x.shape[-1])
    assert sides == [16, 8, 4]
    # A window cut short by the edge averages over the pixels that exist: 2 x 2 in the lower right corner.
    corner = network.pool2(torch.ones(1, 1, 16, 16))[0, 0, -1, -1]
    assert corner.item() == 1.0


def test_seed():
    state = torch.get_rng_state()
    one, same, other = (networks.create("lenet", seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


def test_no_seed_draws_from_the_global_state():
    torch.manual_seed(3)
    one = networks.create("lenet").conv1.weight
    torch.manual_seed(3)
    assert torch.equal(networks.create("lenet").conv1.weight, one)
    assert not torch.equal(networks.create("lenet").conv1.weight, one)


def test_initial_spread():
    """Standard deviation sqrt(2 / fan-in) before a ReLU, sqrt(1 / fan-in) in the last layer. The estimate
    from n weights is off by about 1 / sqrt(2 n): below 3 % for 5,000 weights at four standard errors."""
    network = networks.create("lenet", seed=0)
    assert network.conv2.weight.std().item() == pytest.approx(math.sqrt(2 / 500), rel=0.04)
    assert network.fc1.weight.std().item() == pytest.approx(math.sqrt(2 / 800), rel=0.04)
    assert network.fc2.weight.std().item() == pytest.approx(math.sqrt(1 / 500), rel=0.04)
    assert all(not layer.bias.any() for layer in network if hasattr(layer, "bias"))


def test_width():
    narrow = networks.create("alex+", seed=0, width=0.5)
    assert sum(p.numel() for p in narrow.parameters()) == PARAMETERS["alex"]
    least = networks.create("lenet", width=1e-6)
    assert least.conv1.weight.shape == (1, 1, 5, 5)
    assert least(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


@pytest.mark.parametrize("width", [0, -1.0, math.nan, math.inf])
def test_width_refused(width):
    with pytest.raises(RequestError) as error:
        networks.create("lenet", width=width)
    assert str(error.value) == f"width of a network must be a positive number, got {width}"


def test_unknown_name():
    for ask in (networks.create, networks.info):
        with pytest.raises(RequestError) as error:
            ask("lenett")
        assert str(error.value) == (
            "unknown network 'lenett'; did you mean 'lenet'? Allowed: lenet, convnet, alex, alex+, alex++, "
            "resnet8, ds-cnn, mobilenetv1-0.25, autoencoder, vgg-small, resnet20"
        )
