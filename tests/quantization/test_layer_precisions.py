"""Precisions of single layers: patterns, what they match, and the grids that come of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.formats import Fixed, parse_precision
from bitwatt.quantization import QuantizedAdd, QuantizedTable, quantize
from bitwatt.quantization.layer_precisions import layer_precisions

IMAGES = torch.randn(6, 3, 6, 6, generator=torch.Generator().manual_seed(0))
EIGHT, FOUR = parse_precision("fixed8"), parse_precision("fixed4")


def test_the_last_pattern_that_matches_counts() -> None:
    paths = ["input", "stem", "block.0", "block.1"]
    found = layer_precisions(paths, EIGHT, {"block.*": "fixed4", "*.1": EIGHT, "input": "fixed16"})
    assert found == {"input": parse_precision("fixed16"), "stem": EIGHT, "block.0": FOUR, "block.1": EIGHT}


def test_a_pattern_that_matches_nothing_names_the_nearest_layer() -> None:
    with pytest.raises(RequestError) as error:
        layer_precisions(["input", "stem", "block.0"], EIGHT, {"blok.0": "fixed4"})
    assert str(error.value) == (
        "layers: pattern 'blok.0' matches no layer; the nearest is 'block.0'. Layers: input, stem, block.0"
    )


def test_floating_point_is_all_or_nothing() -> None:
    with pytest.raises(RequestError) as error:
        layer_precisions(["stem"], EIGHT, {"stem": "float32"})
    assert str(error.value) == "layers: 'stem' is float32 and the network fixed8; float32 is all or nothing"


class Joined(nn.Module):
    """Two branches, added."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.act = nn.LeakyReLU(0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.a(x)) + torch.relu(self.b(x))
        return self.c(self.act(y))


def test_weights_activations_images_additions_and_functions() -> None:
    layers = {"a": "ternary:fixed6", "add": "fixed6", "input": "fixed10", "act": "fixed4"}
    network = quantize(Joined(), "fixed8", calibration=IMAGES, layers=layers)
    assert network.input_quantizer.format == Fixed(10)
    assert (str(network.layer("a").weight_format), network.layer("a").output_format) == ("ternary", Fixed(6))
    assert network.layer("a").weight_exponent.shape == (3,)  # a scale a channel, as ternary has by itself
    assert network.layer("b").weight_exponent.shape == (1,)
    add, act = network.layer("add"), network.layer("act")
    assert isinstance(add, QuantizedAdd)
    assert isinstance(act, QuantizedTable)
    assert (add.output_format, act.input_format, act.output_format) == (Fixed(6), Fixed(6), Fixed(4))
    assert network.layer_precisions == {path: parse_precision(name) for path, name in layers.items()}
    assert str(network.precision) == "fixed8"


class Concatenated(nn.Module):
    """Values of two layers and the image in one."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1), nn.Conv2d(7, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.cat([torch.relu(self.a(x)), self.b(x), x], dim=1))


def test_concatenated_values_have_one_exponent_that_serves_them_all() -> None:
    torch.manual_seed(0)
    model = Concatenated()
    with torch.no_grad():
        model.b.weight.mul_(50)
    network = quantize(model, "fixed8", calibration=IMAGES)
    exponents = {int(network.input_quantizer.exponent)}
    exponents |= {int(network.layer(name).output_exponent) for name in ("a", "b")}
    (exponent,) = exponents
    assert int(network.layer("c").input_exponent) == exponent
    alone = nn.Sequential(model.b, nn.ReLU())
    alone_exponent = int(quantize(alone, "fixed8", calibration=IMAGES).layer("0").output_exponent)
    assert abs(exponent - alone_exponent) <= 2  # of the largest of them, not of the image's
    assert exponent > int(quantize(alone, "fixed8", calibration=IMAGES).input_quantizer.exponent)


def test_concatenated_values_must_have_one_format() -> None:
    with pytest.raises(UnsupportedError) as error:
        quantize(Concatenated(), "fixed8", calibration=IMAGES, layers={"b": "fixed4"})
    assert str(error.value) == (
        "the network cannot be quantised exactly at fixed8:\n"
        "  - function 'cat': joins values of one format; 'relu' is fixed8, 'b' is fixed4, 'input' is fixed8. "
        "Give their layers one precision"
    )


def test_functions_by_tables_need_narrow_activations() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Hardswish(), nn.Conv2d(2, 2, 1), nn.LeakyReLU(0.5))
    with pytest.raises(UnsupportedError) as error:
        quantize(model, "fixed32", calibration=IMAGES)
    assert str(error.value) == (
        "the network cannot be quantised exactly at fixed32:\n"
        "  - '1' (Hardswish): is computed by a table, for activations of 16 bits or fewer; they are fixed32\n"
        "  - '3' (LeakyReLU): is computed by a table, for activations of 16 bits or fewer; they are fixed32"
    )
