"""What is understood, in whatever form it is written; what is refused, with every reason at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.quantization import quantize
from bitwatt.quantization.capture import NAMES, capture
from bitwatt.quantization.captured import Add, Concat, run
from bitwatt.quantization.functions import FUNCTIONS

MAPS = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
FLAT = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


def refusal(model: nn.Module, example: Tensor = MAPS) -> list[str]:
    """The offenders that the message lists; its first and last line are checked."""
    with pytest.raises(UnsupportedError) as caught:
        capture(model, example)
    first, *offenders, last = str(caught.value).splitlines()
    assert first == f"{type(model).__name__} cannot be quantised exactly:"
    assert last == f"Supported: {NAMES}"
    return [offender.removeprefix("  - ") for offender in offenders]


def seen(model: nn.Module, example: Tensor = MAPS) -> list[tuple[str, str, tuple[str, ...]]]:
    """Path, kind and inputs of what was captured."""
    return [(x.path, type(x.module).__name__, x.inputs) for x in capture(model, example).layers]


class Written(nn.Module):
    """A convolution, and then whatever a test wants."""

    def __init__(self, body, channels: int = 4, **modules: nn.Module) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(4, channels, 3, padding=1)
        for name, module in modules.items():
            self.add_module(name, module)
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self, self.conv(x), x)


class Nested(nn.Module):
    """Layers at two depths, and an Identity between."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(4, 2, 3), nn.Identity(), nn.ReLU())
        self.head = nn.Linear(72, 3)
        self.flatten = nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flatten(self.features(x)))


def test_layers_come_in_the_order_they_run_with_their_paths() -> None:
    assert seen(Nested()) == [
        ("features.0", "Conv2d", ("input",)),
        ("features.2", "ReLU", ("features.0",)),
        ("flatten", "Flatten", ("features.2",)),
        ("head", "Linear", ("flatten",)),
    ]


def test_a_single_layer_is_a_model() -> None:
    assert seen(nn.Linear(4, 3), FLAT) == [("0", "Linear", ("input",))]


SAME = {
    "relu": [
        nn.ReLU(), nn.ReLU(inplace=True), functional.relu, torch.relu, lambda y: y.relu(),
        lambda y: y.clamp(min=0), lambda y: functional.relu(y, inplace=True), lambda y: y.relu_(),
    ],
    "relu6": [nn.ReLU6(), functional.relu6, lambda y: y.clamp(0, 6), lambda y: functional.hardtanh(y, 0, 6)],
    "leaky relu": [nn.LeakyReLU(0.25), lambda y: functional.leaky_relu(y, 0.25)],
    "hardswish": [nn.Hardswish(), functional.hardswish],
    "max pooling": [
        nn.MaxPool2d(2), lambda y: functional.max_pool2d(y, 2), lambda y: torch.max_pool2d(y, (2, 2)),
        nn.AdaptiveMaxPool2d(4), lambda y: functional.adaptive_max_pool2d(y, (4, 4)),
    ],
    "average pooling": [
        nn.AvgPool2d(2), lambda y: functional.avg_pool2d(y, 2, 2), nn.AdaptiveAvgPool2d((4, None)) ,
    ],
    "mean": [
        nn.AdaptiveAvgPool2d(1), lambda y: y.mean((2, 3), keepdim=True), lambda y: y.mean([-1, -2], True),
        lambda y: functional.avg_pool2d(y, y.shape[2:]), lambda y: torch.mean(y, dim=(2, 3), keepdim=True),
    ],
    "flatten": [
        nn.Flatten(), lambda y: y.flatten(1), lambda y: torch.flatten(y, start_dim=1),
        lambda y: y.view(y.size(0), -1), lambda y: y.reshape(y.shape[0], -1), lambda y: y.view(-1, 4 * 8 * 8),
        lambda y: y.reshape(len(y), int(y.numel() / len(y))),
    ],
    "zero padding": [
        nn.ZeroPad2d((1, 0, 2, 1)), nn.ConstantPad2d((1, 0, 2, 1), 0),
        lambda y: functional.pad(y, (1, 0, 2, 1)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_modules_functions_and_methods_are_one(kind: str) -> None:
    """What was captured computes what the model does, and is the same layer in every form."""
    found = set()
    for form in SAME[kind]:
        module = {"act": form} if isinstance(form, nn.Module) else {}
        model = Written(lambda m, y, x, form=form: (m.act if hasattr(m, "act") else form)(y), **module)
        layers = capture(model, MAPS).layers
        with torch.no_grad():
            torch.testing.assert_close(run(layers, MAPS), model(MAPS))
        assert layers[0].path == "conv"
        if kind != "average pooling":  # one of them keeps the width
            found.add(str(layers[1].module))
    assert len(found) <= 1


def test_a_mean_is_pooled_and_flattened() -> None:
    assert seen(Written(lambda m, y, x: y.mean((2, 3)))) == [
        ("conv", "Conv2d", ("input",)),
        ("mean", "AvgPool2d", ("conv",)),
        ("mean_flatten", "Flatten", ("mean",)),
    ]


def test_values_that_meet() -> None:
    assert seen(Written(lambda m, y, x: torch.cat([y + x, x, x.add(y)], dim=1))) == [
        ("conv", "Conv2d", ("input",)),
        ("add", "Add", ("conv", "input")),
        ("add_2", "Add", ("input", "conv")),
        ("cat", "Concat", ("add", "input", "add_2")),
    ]
    assert Add()(torch.ones(1), torch.ones(1)) == 2
    assert Concat()(torch.ones(1, 1), torch.ones(1, 2)).shape == (1, 3)


def test_control_flow_on_shapes_is_followed() -> None:
    def body(m, y, x):  # type: ignore[no-untyped-def]
        for _ in range(y.shape[1] // 2):
            y = functional.relu(y) if y.dim() == 4 and y.size(-1) > 3 else y
        return y.flatten(1)

    assert [path for path, *_ in seen(Written(body))] == ["conv", "relu", "relu_2", "flatten"]


def test_a_module_that_is_used_twice_has_two_layers_of_one_weight() -> None:
    layers = capture(Written(lambda m, y, x: m.conv(y).relu() + m.conv(x)), MAPS).layers
    convolutions = [layer for layer in layers if isinstance(layer.module, nn.Conv2d)]
    assert [layer.path for layer in convolutions] == ["conv", "conv#2", "conv#3"]
    assert len({id(layer.module.weight) for layer in convolutions}) == 1


def test_loose_parameters_as_weights() -> None:
    class Loose(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 4, 3, 3))
            self.head = nn.Parameter(torch.randn(5, 3))

        def forward(self, x: Tensor) -> Tensor:
            y = functional.conv2d(x, self.weight, stride=2, padding=1).mean((2, 3))
            return functional.linear(y, self.head)

    model = Loose()
    layers = capture(model, MAPS).layers
    assert [layer.path for layer in layers] == ["conv2d", "mean", "mean_flatten", "linear"]
    with torch.no_grad():
        torch.testing.assert_close(run(layers, MAPS), model(MAPS))


def test_sequences_are_maps_of_height_one() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(4, 6, 3, 2, 1), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True),
        nn.ZeroPad1d((1, 0)), nn.Conv1d(6, 6, 2, groups=6, padding="valid"), nn.AvgPool1d(2, 1),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip
    model[1].running_mean.normal_()
    model.eval()
    example = torch.randn(2, 4, 17)
    layers = capture(model, example).layers
    assert layers[0].module.kernel_size == (1, 3)
    assert layers[0].module.padding == (0, 1)
    with torch.no_grad():
        torch.testing.assert_close(run(layers, example), model(example))


def test_what_changes_in_place_is_read_changed() -> None:
    """As PyTorch does it: who reads the value afterwards reads what became of it."""
    model = Written(lambda m, y, x: y.relu_() + y)
    assert seen(model)[1:] == [("relu", "ReLU", ("conv",)), ("add", "Add", ("relu", "relu"))]

    def through_a_view(m, y, x):  # type: ignore[no-untyped-def]
        flat = y.flatten(1)
        y.relu_()
        return flat

    assert refusal(Written(through_a_view)) == [
        "method 'relu_': changes in place what 'flatten' is a view of"
    ]


def test_a_softmax_at_the_end_is_dropped_and_said() -> None:
    for softmax in (nn.Softmax(1), nn.LogSoftmax(-1)):
        captured = capture(nn.Sequential(nn.Linear(4, 3), softmax), FLAT)
        assert [layer.path for layer in captured.layers] == ["0"]
        kind = "softmax" if isinstance(softmax, nn.Softmax) else "log-softmax"
        assert captured.notes == (
            f"the {kind} at the end ('1') is left out: it changes no decision, and the outputs are the "
            "logits before it",
        )
    with pytest.warns(UserWarning, match="the softmax at the end"):
        network = quantize(nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), "fixed8", calibration=FLAT)
    assert len(network.notes) == 1
    assert refusal(nn.Sequential(nn.Softmax(1), nn.Linear(4, 3)), FLAT) == [
        "'0' (Softmax): is not exact on integers; only at the end, where it is dropped"
    ]


def test_every_offender_is_listed_with_its_path_and_why() -> None:
    poisoned = nn.Linear(4, 3)
    poisoned.weight.data[0, 0] = torch.nan
    poisoned.bias.data[:2] = torch.inf
    block = nn.Sequential(nn.Conv2d(2, 2, 3, padding_mode="reflect"), nn.LayerNorm(6))
    model = nn.Sequential(
        nn.Conv2d(4, 2, 3, padding=1),
        block,
        nn.Conv2d(2, 2, 2, padding="same"),
        nn.GELU(),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(2, dilation=2),
        nn.AvgPool2d(2, divisor_override=3),
        nn.ConvTranspose2d(2, 2, 2),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(0),
        poisoned,
    )
    with torch.no_grad():
        example = torch.randn(2, 4, 6, 6)
    assert refusal(model, example) == [
        "'1.0' (Conv2d): padding_mode must be 'zeros', got 'reflect'",
        "'1.1' (LayerNorm): divides by a statistic of each image, which no power of two does; use BatchNorm, "
        "which is folded",
    ]
    model[1] = nn.Conv2d(2, 2, 3, padding_mode="reflect", padding=1)
    assert refusal(model, example) == [
        "'1' (Conv2d): padding_mode must be 'zeros', got 'reflect'",
        "'2' (Conv2d): padding='same' with an even kernel pads unevenly; pad by numbers",
        "'3' (GELU): is not exact on integers; use ReLU, ReLU6, LeakyReLU, Hardsigmoid or Hardswish",
        "'4' (LeakyReLU): negative_slope must be a power of two up to 1, as 0.125 is, got 0.1",
        "'5' (MaxPool2d): dilation must be 1, got 2",
        "'6' (AvgPool2d): divisor_override must be None, got 3",
        "'7' (ConvTranspose2d): transposed convolutions are not supported; upsample before the network, or "
        "use a plain convolution",
        "'8' (AdaptiveAvgPool2d): would take windows of several sizes, from (2, 2) to (3, 3)",
        "'9' (Flatten): must flatten from dimension 1 to -1, got 0 to -1",
        "'10' (Linear): 1 of 12 values of its weight are NaN or infinite",
        "'10' (Linear): 2 of 3 values of its bias are NaN or infinite",
    ]


REFUSED = {
    "a product": (lambda m, y, x: y * x, ["function 'mul': is not one of the supported layers"]),
    "a constant": (
        lambda m, y, x: y + 1,
        ["function 'add': must add two values of the network; put a constant into a bias"],
    ),
    "a broadcast": (
        lambda m, y, x: y + y.mean((2, 3), keepdim=True),
        ["function 'add': must add values of one shape, got (2, 4, 8, 8) and (2, 4, 1, 1)"],
    ),
    "a transpose": (
        lambda m, y, x: y.transpose(1, 2), ["method 'transpose': is not one of the supported layers"]
    ),
    "a reshape": (
        lambda m, y, x: y.view(2, 8, 4, 8),
        [
            "method 'view': turns shape (2, 4, 8, 8) into (2, 8, 4, 8); "
            "only flattening to (count, features) is exact"
        ],
    ),
    "images joined": (
        lambda m, y, x: torch.cat([y, x], dim=2),
        ["function 'cat': must join along the channels (dim=1), got dim=2"],
    ),
    "uneven windows": (
        lambda m, y, x: functional.adaptive_avg_pool2d(y, 3),
        ["function 'adaptive_avg_pool2d': would take windows of several sizes, from (8, 8) to (3, 3)"],
    ),
    "a mean of channels": (
        lambda m, y, x: y.mean(1),
        ["method 'mean': must be over the axes behind the channels, got dim=1 of (2, 4, 8, 8)"],
    ),
    "several outputs": (
        lambda m, y, x: (y, x), ["the output: must be one tensor that depends on the images"]
    ),
    "weights of its own": (
        lambda m, y, x: functional.conv2d(y, m.conv.weight * 2),
        ["function 'conv2d': reads weights that are computed in the forward; use plain parameters"],
    ),
    "padding that is not zero": (
        lambda m, y, x: functional.pad(y, (1, 1), value=1.0),
        ["function 'pad': must pad with zeros, got mode 'constant' and value 1.0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_functions_that_are_refused(what: str) -> None:
    body, offenders = REFUSED[what]
    assert refusal(Written(body)) == offenders


def test_functions_inside_a_module_say_in_which() -> None:
    inner = Written(lambda m, y, x: (y * 2).sigmoid())
    assert refusal(nn.Sequential(inner)) == [
        "in '0', function 'mul': is not one of the supported layers",
        "in '0', method 'sigmoid': is not one of the supported layers",
    ]


class DataDependent(nn.Module):
    """Control flow that looks at the data."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_control_flow_is_refused_with_the_module_it_is_in_and_the_rest_is_still_read() -> None:
    why = (
        "its forward depends on the data's values or shape "
        "(symbolically traced variables cannot be used as inputs to control flow)"
    )
    nested = nn.Sequential(nn.Sequential(DataDependent(), nn.Linear(4, 2)), nn.Sigmoid())
    assert refusal(nested, FLAT) == [
        f"'0.0' (DataDependent): {why}",
        "'1' (Sigmoid): is not exact on integers; use ReLU, ReLU6, LeakyReLU, Hardsigmoid or Hardswish",
    ]
    assert refusal(DataDependent()) == [f"the model itself: {why}"]


def test_what_the_output_does_not_depend_on_is_left_out() -> None:
    def body(m, y, x):  # type: ignore[no-untyped-def]
        (x * 2).sigmoid()
        return y

    assert [path for path, *_ in seen(Written(body))] == ["conv"]


def test_a_second_input_that_is_not_given_is_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return x + mask

    (offender,) = refusal(Two())
    assert offender.startswith(
        "the model itself: takes another number of inputs, and one tensor of images was given: give a tensor "
        "for each ("
    )


def test_hooks_are_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].register_forward_hook(lambda module, given, made: made * 2)
    (offender,) = refusal(model, FLAT)
    assert offender == (
        "'0' (Linear): has hooks, as pruning and weight normalisation put there; remove them first"
    )


def test_what_was_captured_must_compute_what_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a trace does not see, or a rule gets wrong."""
    monkeypatch.setitem(FUNCTIONS, functional.relu, lambda input, inplace: nn.Hardswish())
    (offender,) = refusal(Written(lambda m, y, x: functional.relu(y)))
    assert offender.startswith("the model itself: what was captured gives other numbers than the model does")


def test_the_model_and_the_example_are_left_alone() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before, example, generator = MAPS.clone(), MAPS.clone(), torch.random.get_rng_state()
    model[2].eval()
    capture(model, example)
    assert torch.equal(example, before)
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [True, True, False, True]


def test_models_that_are_no_float_modules_are_refused() -> None:
    assert refusal(nn.Sequential(nn.Flatten(), nn.ReLU())) == [
        "the model itself: has no Conv and no Linear, so there is nothing to quantise"
    ]
    once = quantize(nn.Sequential(nn.Linear(4, 3)), "fixed8", calibration=FLAT)
    assert refusal(once) == ["the model itself: is already quantised; give the float network"]
    with pytest.raises(RequestError) as caught:
        capture(3, FLAT)  # type: ignore[arg-type]
    assert str(caught.value) == "the model must be a torch.nn.Module, got int"


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning")
def test_models_that_pytorch_quantised_are_refused() -> None:
    from torch.ao.nn.qat import Linear

    qconfig = torch.ao.quantization.default_qat_qconfig
    model = nn.Sequential(nn.ReLU(), Linear(4, 3, qconfig=qconfig))
    assert refusal(model, FLAT) == [
        "the model itself: is already quantised ('1' is Linear); give the float network"
    ]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_models_are_refused() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 3)))
    assert refusal(scripted) == ["the model itself: is scripted; give the module that it was made from"]


def test_a_layer_may_not_take_the_images_name() -> None:
    model = nn.Sequential()
    model.add_module("input", nn.Linear(4, 2))
    assert refusal(model, FLAT) == ["'input' (Linear): bears the name that stands for the images; rename it"]
