"""What is refused, with every reason at once, and what is understood."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.quantization import quantize
from bitwatt.quantization.capture import capture

SUPPORTED = (
    "Supported layers, in one chain: Conv2d, Linear, ReLU, MaxPool2d, AvgPool2d, Flatten, Dropout, Identity"
)


def refusal(model: nn.Module) -> list[str]:
    """The offenders that the message lists; its first and last line are checked."""
    with pytest.raises(UnsupportedError) as caught:
        capture(model)
    first, *offenders, last = str(caught.value).splitlines()
    assert first == f"{type(model).__name__} cannot be quantised exactly:"
    assert last == SUPPORTED
    return [offender.removeprefix("  - ") for offender in offenders]


class Nested(nn.Module):
    """Layers at two depths, and an Identity between."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Identity(), nn.ReLU())
        self.head = nn.Linear(2, 3)
        self.flatten = nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flatten(self.features(x)))


def test_layers_come_in_the_order_they_run_with_their_paths() -> None:
    layers = capture(Nested())
    assert [(layer.path, layer.inputs) for layer in layers] == [
        ("features.0", ("input",)),
        ("features.2", ("features.0",)),
        ("flatten", ("features.2",)),
        ("head", ("flatten",)),
    ]


def test_a_single_layer_is_a_model() -> None:
    assert [layer.path for layer in capture(nn.Linear(2, 3))] == ["0"]


def test_every_offender_is_listed_with_its_path_and_why() -> None:
    poisoned = nn.Linear(4, 3)
    poisoned.weight.data[0, 0] = torch.nan
    poisoned.bias.data[:2] = torch.inf
    block = nn.Sequential(nn.Conv2d(2, 2, 3, padding_mode="reflect"), nn.BatchNorm2d(2))
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        block,
        nn.Conv2d(2, 2, 2, padding="same"),
        nn.GELU(),
        nn.MaxPool2d(2, dilation=2),
        nn.AvgPool2d(2, divisor_override=3),
        nn.Flatten(0),
        poisoned,
    )
    assert refusal(model) == [
        "'1.0' (Conv2d): padding_mode must be 'zeros', got 'reflect'",
        "'1.1' (BatchNorm2d): is not one of the supported layers",
        "'2' (Conv2d): padding='same' with an even kernel pads unevenly; pad by numbers",
        "'3' (GELU): is not one of the supported layers",
        "'4' (MaxPool2d): dilation must be 1, got 2",
        "'5' (AvgPool2d): divisor_override must be None, got 3",
        "'6' (Flatten): must flatten from dimension 1 to -1, got 0 to -1",
        "'7' (Linear): 1 of 12 values of its weight are NaN or infinite",
        "'7' (Linear): 2 of 3 values of its bias are NaN or infinite",
    ]


class Functional(nn.Module):
    """Functions where modules should be, inside a submodule of the user's."""

    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.offset = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return functional.relu(x).mul(self.offset)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.inner = Functional.Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.conv(x)).flatten(1)


def test_functions_methods_and_loose_parameters_are_refused_where_they_are() -> None:
    assert refusal(Functional()) == [
        "in 'inner', function 'relu': is not one of the supported layers; use a module",
        "in 'inner', attribute 'inner.offset': is not one of the supported layers; use a module",
        "in 'inner', method 'mul': is not one of the supported layers; use a module",
        "method 'flatten': is not one of the supported layers; use a module",
    ]


class DataDependent(nn.Module):
    """Control flow that looks at the data."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_control_flow_is_refused_with_the_module_it_is_in_and_the_rest_is_still_read() -> None:
    offenders = refusal(nn.Sequential(DataDependent(), nn.Linear(2, 2), nn.Sigmoid()))
    assert offenders[0] == (
        "'0' (DataDependent): its forward depends on the data's values or shape "
        "(symbolically traced variables cannot be used as inputs to control flow)"
    )
    assert "'2' (Sigmoid): is not one of the supported layers" in offenders
    assert refusal(DataDependent()) == [
        "the model itself: its forward depends on the data's values or shape "
        "(symbolically traced variables cannot be used as inputs to control flow)"
    ]


class Residual(nn.Module):
    """A layer used twice, and one whose value is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(self.one(x))


class Forked(Residual):
    """Two layers read the image; one's value is dropped."""

    def forward(self, x: Tensor) -> Tensor:
        self.one(x)
        return self.two(x)


class Truncated(Residual):
    """The output is not the last value."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.one(x)
        self.two(y)
        return y


def test_anything_but_one_chain_is_refused() -> None:
    assert refusal(Residual()) == ["'one' (Linear): is used more than once"]
    assert refusal(Forked()) == ["'two': reads 'input', not 'one' alone, the layer before it"]
    assert refusal(Truncated()) == ["the output: must be the value of the last layer, 'two'"]


def test_models_that_are_no_float_modules_are_refused() -> None:
    assert refusal(nn.Sequential(nn.Flatten(), nn.ReLU())) == [
        "the model itself: has no Conv2d and no Linear, so there is nothing to quantise"
    ]
    once = quantize(nn.Sequential(nn.Linear(2, 3)), "fixed8", calibration=torch.rand(4, 2))
    assert refusal(once) == ["the model itself: is already quantised; give the float network"]
    assert refusal(nn.Sequential(nn.Sequential(once))) == [
        "the model itself: is already quantised; give the float network"
    ]
    with pytest.raises(RequestError) as caught:
        capture(3)  # type: ignore[arg-type]
    assert str(caught.value) == "the model must be a torch.nn.Module, got int"


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_models_are_refused() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 3)))
    assert refusal(scripted) == ["the model itself: is scripted; give the module that it was made from"]


def test_a_layer_may_not_take_the_images_name() -> None:
    model = nn.Sequential()
    model.add_module("input", nn.Linear(2, 2))
    assert refusal(model) == ["'input' (Linear): bears the name that stands for the images; rename it"]
