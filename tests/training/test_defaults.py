"""Default recipes: longer where bits are fewer, and good enough in seconds."""

from __future__ import annotations

import torch

import bitwatt as bw
from bitwatt.datasets.data import Data, hold_out
from bitwatt.formats import PAPER, parse_precision
from bitwatt.networks import names
from bitwatt.training import pretraining_recipe, retraining_recipe, train


def test_fewer_bits_get_no_fewer_epochs_and_no_smaller_steps() -> None:
    for network in (*names(), "my-own"):
        recipes = [retraining_recipe(network, precision) for precision in PAPER[1:]]
        epochs = [recipe.epochs for recipe in recipes]
        rates = [recipe.learning_rate for recipe in recipes]
        assert epochs == sorted(epochs)
        assert rates == sorted(rates)
        assert epochs[-1] <= pretraining_recipe(network).epochs
        assert min(epochs) >= 1
        mixed = retraining_recipe(network, parse_precision("fixed8:fixed2"))
        assert mixed == retraining_recipe(network, parse_precision("binary"))


def test_a_network_of_another_width_is_trained_as_its_own_kind() -> None:
    assert pretraining_recipe("alex*0.5") == pretraining_recipe("alex") != pretraining_recipe("my-own")


def accuracy(model: torch.nn.Module, data: Data) -> float:
    model.eval()
    with torch.no_grad():
        return float((model(data.test.images).argmax(1) == data.test.labels).float().mean())


def test_lenet_at_four_bits_and_binary_stays_near_float_on_held_out_digits() -> None:
    data = hold_out(bw.datasets.load("mnist-small"), 0.1)
    small = hold_out(data, 0.75)  # 2,250 images to train on, for speed
    net = bw.networks.create("lenet", seed=0)
    train(net, small, pretraining_recipe("lenet"))
    reached = accuracy(net, data)
    assert reached > 0.95
    for name in ("fixed4", "binary"):
        quantised = bw.quantize(net, name, calibration=small.calibration)
        train(quantised, small, retraining_recipe("lenet", parse_precision(name)), teacher=net)
        assert accuracy(quantised, data) > reached - 0.02, name
