"""Every method: it learns, goes on to the bit where it stopped, and leaves the network as it should."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError
from bitwatt.quantization.straight_through import quantize_operand, requantize
from bitwatt.training import TrainingState, train
from bitwatt.training.checkpoint import decode_checkpoint, encode_checkpoint

METHODS: dict[str, dict[str, object]] = {
    "plain": {},
    "scratch": {"start": "scratch", "refit_activations": True},
    "refitted": {"refit_activations": True},
    "narrowed": {"narrowing": "fixed16, fixed8", "narrowing_share": 0.75},
    "piecewise-affine": {"weight_map": "piecewise-affine"},
    "stochastic": {"rounding": "stochastic"},
    "learnt scales": {"learn_scales": True, "scale_rate": 0.1},
    "8-bit gradients": {"gradient_bits": 8},
    "8-bit gradients, to nearest": {"gradient_bits": 8, "gradient_rounding": "nearest"},
    "averaged": {"averaging": 0.9},
    "matched outputs": {"match_outputs": True},
    "many at once": {
        "start": "scratch", "narrowing": "fixed8", "weight_map": "piecewise-affine", "averaging": 0.9,
        "gradient_bits": 6, "optimizer": "adam", "learning_rate": 0.01,
    },
}  # fmt: skip

EPOCHS = 12

OTHERS = [name for name in METHODS if name not in ("plain", "matched outputs")]
"""At four bits layers deliver what they did, and there is nothing to match."""


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def plain(task) -> dict[str, Tensor]:  # type: ignore[no-untyped-def]
    """What the straight-through estimator alone comes to."""
    network = task.quantised("fixed4")
    train(network, task, replace(task.recipe, epochs=EPOCHS))
    return weights(network)


@pytest.mark.parametrize("name", OTHERS)
def test_it_learns_and_differs_from_the_plain_way(task, plain, name: str) -> None:  # type: ignore[no-untyped-def]
    network = task.quantised("fixed4")
    recipe = replace(task.recipe, epochs=EPOCHS, **METHODS[name])
    train(network, task, recipe)
    found = network.eval()(task.train.images).argmax(dim=1)
    assert (found == task.train.labels).float().mean() > 0.9
    assert not same(plain, weights(network))


@pytest.mark.parametrize("name", METHODS)
def test_going_on_from_a_checkpoint_equals_never_having_stopped(task, name: str) -> None:  # type: ignore[no-untyped-def]
    recipe = replace(task.recipe, **METHODS[name])
    whole, states = task.quantised("binary"), list[TrainingState]()
    undisturbed = train(whole, task, recipe, on_epoch_end=states.append)
    for state in states:
        resumed = task.quantised("binary")
        read = decode_checkpoint(encode_checkpoint(state), "a state")
        assert train(resumed, task, recipe, start=read) == undisturbed
        assert same(weights(whole), weights(resumed))


@pytest.mark.parametrize("name", METHODS)
def test_roundings_and_formats_are_put_back_even_after_an_interrupt(task, name: str) -> None:  # type: ignore[no-untyped-def]
    network = task.quantised("binary")
    precision = network.precision

    def stop(state: TrainingState) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(network, task, replace(task.recipe, **METHODS[name]), on_epoch_end=stop)
    assert network.precision == precision
    for _, layer in network.weighted_layers():
        assert (layer.round_weight, layer.round_output) == (quantize_operand, requantize)
        assert layer.weight_format == precision.weights
        assert layer.output_format in (precision.activations, None)


@pytest.mark.parametrize("name", ["stochastic", "piecewise-affine"])
def test_evaluation_in_the_middle_of_training_rounds_to_nearest(task, name: str) -> None:  # type: ignore[no-untyped-def]
    network = task.quantised("fixed4")
    images = task.train.images[:32]

    def compare(state: TrainingState) -> None:
        plain = task.quantised("fixed4")
        plain.load_state_dict(state.model)
        with torch.no_grad():
            assert torch.equal(network.eval()(images), plain.eval()(images))

    train(network, task, replace(task.recipe, epochs=2, **METHODS[name]), on_epoch_end=compare)


def test_a_float_network_is_refused_all_but_averaging(task) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RequestError) as refused:
        train(task.network(), task, replace(task.recipe, rounding="stochastic"))
    assert str(refused.value) == (
        "Recipe.rounding is a method for quantised networks, and this network is not one; "
        "quantize it first, or leave the field out"
    )
    train(task.network(), task, replace(task.recipe, epochs=1, averaging=0.9))
