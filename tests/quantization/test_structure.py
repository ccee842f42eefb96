"""Batch normalisation and zero padding inside the layers beside them: the same function, fewer layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bitwatt.quantization import QuantizedConv2d, quantize
from bitwatt.quantization.capture import capture
from bitwatt.quantization.captured import run

IMAGES = torch.randn(6, 3, 9, 9, generator=torch.Generator().manual_seed(0))


def shaken(model: nn.Module) -> nn.Module:
    """With statistics and weights of normalisations as training leaves them."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return model.eval()


def kinds(model: nn.Module, images: Tensor = IMAGES) -> list[str]:
    """Kinds of what was captured, after it was seen to compute what the model does."""
    layers = capture(model, images).layers
    with torch.no_grad():
        torch.testing.assert_close(run(layers, images), model(images), rtol=1e-4, atol=1e-4)
    return [type(layer.module).__name__ for layer in layers]


@pytest.mark.parametrize("bias", (True, False))
@pytest.mark.parametrize("affine", (True, False))
def test_a_normalisation_goes_into_the_layer_before_it(bias: bool, affine: bool) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, groups=3, bias=bias), nn.BatchNorm2d(6, affine=affine), nn.ReLU(), nn.Flatten(),
        nn.Linear(294, 5, bias=bias), nn.BatchNorm1d(5, affine=affine),
    )  # fmt: skip
    assert kinds(shaken(model)) == ["Conv2d", "ReLU", "Flatten", "Linear"]


def test_a_normalisation_that_stands_elsewhere_is_a_depthwise_convolution() -> None:
    model = shaken(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3)))
    assert kinds(model) == ["Conv2d", "ReLU", "Conv2d"]
    first = capture(model, IMAGES).layers[0]
    assert (first.path, first.module.groups, first.module.kernel_size) == ("0", 3, (1, 1))


class Branches(nn.Module):
    """The sums of a convolution are normalised, and read by another branch too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


def test_sums_that_others_read_are_left_alone() -> None:
    assert kinds(shaken(Branches())) == ["Conv2d", "Conv2d", "Add"]


def test_features_that_no_linear_made_are_refused() -> None:
    with pytest.raises(ValueError, match="'0' \\(BatchNorm1d\\): must follow a Linear whose value nothing"):
        capture(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)).eval(), torch.randn(3, 4))


def test_a_normalisation_without_statistics_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    with pytest.raises(ValueError, match="has no running statistics, so that it depends on the batch"):
        capture(model, IMAGES)


def test_even_padding_goes_into_the_convolutions_behind_it() -> None:
    model = nn.Sequential(nn.ReLU(), nn.ZeroPad2d((1, 1, 2, 2)), nn.Conv2d(3, 4, 3, padding=(0, 1)))
    assert kinds(model) == ["ReLU", "Conv2d"]
    assert capture(model, IMAGES).layers[1].module.padding == (2, 2)
    assert kinds(nn.Sequential(nn.ZeroPad2d((1, 0, 2, 2)), nn.Conv2d(3, 4, 3))) == ["ZeroPad2d", "Conv2d"]
    pooled = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ZeroPad2d(1), nn.MaxPool2d(2))
    assert kinds(pooled) == ["Conv2d", "ZeroPad2d", "MaxPool2d"]


class Shared(nn.Module):
    """One convolution and its normalisation, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Linear(243, 2)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = torch.relu(self.norm(self.conv(x)))
        return self.head(x.flatten(1))


def test_weights_that_are_shared_stay_one_parameter_and_train_as_one() -> None:
    network = quantize(shaken(Shared()), "fixed8", calibration=IMAGES)
    one, two = network.layer("conv"), network.layer("conv#2")
    assert isinstance(one, QuantizedConv2d)
    assert one.weight is two.weight
    assert one.bias is two.bias
    assert len(list(network.parameters())) == 4
    network.train()(IMAGES).square().sum().backward()
    assert one.weight.grad.abs().sum() > 0
