"""The loop: learns, is deterministic, resumes to the bit, and refuses what it cannot do."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from bitwatt.errors import BitwattError, RequestError
from bitwatt.quantization import QuantizedNetwork, quantize
from bitwatt.quantization.straight_through import pass_window
from bitwatt.training import Progress, Recipe, TrainingState, train


@dataclass
class Split:
    """Images and labels."""

    images: Tensor
    labels: Tensor


@dataclass
class Data:
    """A data set with nothing but a training split: whoever asks for test images fails."""

    train: Split


def stripes(count: int = 240) -> Data:
    """Noisy 8 x 8 images whose class is the third of the columns that is bright."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(3, (count,), generator=generator)
    images = torch.randn(count, 1, 8, 8, generator=generator) * 0.3
    for column in range(3):
        images[labels == column, :, :, 3 * column : 3 * column + 2] += 1
    return Data(Split(images, labels))


DATA = stripes()


def net(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(54, 3)
    )


RECIPE = Recipe(epochs=3, batch_size=32, learning_rate=0.05, seed=7)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    "precision", ["float32", "fixed8", "fixed4", "pow2", "binary", "ternary:fixed4", "e4m3"]
)
def test_every_precision_learns(precision: str) -> None:
    network = quantize(net(), precision, calibration=DATA.train.images[:64])
    result = train(network, DATA, replace(RECIPE, epochs=12))
    losses = [record.loss for record in result.history]
    assert losses[-1] < 0.6 * losses[0]
    assert result.history[-1].accuracy > 0.9
    assert [record.epoch for record in result.history] == list(range(12))


def test_shadow_weights_stay_float_and_where_gradients_reach_them() -> None:
    network = quantize(net(), "fixed4", calibration=DATA.train.images[:64])
    train(network, DATA, replace(RECIPE, learning_rate=0.5))
    for _, layer in network.weighted_layers():
        low, high = pass_window(layer.weight_format)
        scaled = layer.weight.detach() / 2.0 ** int(layer.weight_exponent)
        assert scaled.min() >= low
        assert scaled.max() <= high
        assert not torch.equal(scaled, scaled.round())


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    def trained(recipe: Recipe) -> dict[str, Tensor]:
        network = quantize(net(dropout=0.2), "fixed8", calibration=DATA.train.images[:64])
        train(network, DATA, recipe)
        return weights(network)

    recipe = replace(RECIPE, augmentation="shift+flip", shift=1)
    torch.manual_seed(1)
    one = trained(recipe)
    torch.manual_seed(2)
    assert same(one, trained(recipe))
    assert not same(one, trained(replace(recipe, seed=8)))


def test_global_random_state_is_left_alone() -> None:
    model = net(dropout=0.2)
    before = torch.get_rng_state()
    train(model, DATA, RECIPE)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("stop_after", [1, 2])
def test_going_on_equals_never_having_stopped(optimizer: str, stop_after: int) -> None:
    recipe = Recipe.from_dict(
        {**RECIPE.to_dict(), "optimizer": optimizer, "learning_rate": 0.01, "augmentation": "shift",
         "shift": 1, "refit_scales": True, "weight_decay": 0.01}
    )  # fmt: skip
    teacher = net()

    def fresh() -> QuantizedNetwork:
        return quantize(net(dropout=0.1), "fixed4", calibration=DATA.train.images[:64])

    whole = fresh()
    states: list[TrainingState] = []
    undisturbed = train(whole, DATA, recipe, teacher=teacher, on_epoch_end=states.append)
    assert [state.epoch for state in states] == [1, 2, 3]
    resumed = fresh()
    result = train(resumed, DATA, recipe, teacher=teacher, start=states[stop_after - 1])
    assert same(weights(whole), weights(resumed))
    assert result == undisturbed


def test_going_on_after_the_last_epoch_only_restores() -> None:
    model, states = net(), []
    train(model, DATA, RECIPE, on_epoch_end=states.append)
    other = net()
    train(other, DATA, RECIPE, start=states[-1])
    assert same(weights(model), weights(other))


def test_a_state_of_another_recipe_or_model_is_refused() -> None:
    states: list[TrainingState] = []
    train(net(), DATA, RECIPE, on_epoch_end=states.append)
    with pytest.raises(RequestError) as caught:
        train(net(), DATA, replace(RECIPE, epochs=4, seed=8), start=states[0])
    assert str(caught.value) == (
        "cannot go on from a state of another recipe: epochs was 3, is 4; seed was 7, is 8"
    )
    with pytest.raises(
        RequestError, match=r"cannot go on from a state of another model: (.|\n)*size mismatch"
    ):
        train(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), DATA, RECIPE, start=states[0])


def test_a_teacher_is_learnt_from_and_left_alone() -> None:
    teacher = net()
    train(teacher, DATA, replace(RECIPE, epochs=6))
    before = weights(teacher)
    # The labels say nothing here; what is learnt comes from the teacher alone.
    blank = Data(Split(DATA.train.images, torch.zeros_like(DATA.train.labels)))
    student = quantize(net(), "fixed8", calibration=DATA.train.images[:64])
    for augmentation in ("none", "shift"):
        recipe = Recipe(epochs=4, batch_size=32, distillation=1.0, augmentation=augmentation, shift=1)  # type: ignore[arg-type]
        train(student, blank, recipe, teacher=teacher)
        with torch.no_grad():
            agreement = (student.eval()(DATA.train.images).argmax(1) == DATA.train.labels).float().mean()
        assert agreement > 0.9
    assert same(before, weights(teacher))
    assert teacher.training


def test_epochs_of_zero_leave_the_network_as_it_is() -> None:
    model = net().eval()
    before = copy.deepcopy(model.state_dict())
    assert train(model, DATA, replace(RECIPE, epochs=0)).history == ()
    assert same(before, model.state_dict())
    assert not model.training


def test_progress_is_told_after_every_step() -> None:
    told: list[Progress] = []
    train(net(), DATA, replace(RECIPE, epochs=2, batch_size=100), progress=told.append)
    where = [(p.step, p.steps, p.epoch) for p in told]
    assert where == [
        (1, 6, 0),
        (2, 6, 0),
        (3, 6, 0),
        (4, 6, 1),
        (5, 6, 1),
        (6, 6, 1),
    ]


def test_divergence_is_said_with_what_to_do() -> None:
    with pytest.raises(BitwattError) as caught:
        train(net(), DATA, replace(RECIPE, learning_rate=1000.0, schedule="constant", epochs=50))
    text = str(caught.value)
    assert text.startswith("training diverged: the loss became ")
    assert text.endswith("at learning rate 1e+03; lower Recipe.learning_rate (it is 1000)")


@pytest.mark.parametrize(
    "split, message",
    [
        (Split(torch.zeros(0, 1, 8, 8), torch.zeros(0, dtype=torch.int64)),
         "training needs at least one image, and a label for each; got 0 images and 0 labels"),
        (Split(torch.zeros(3, 1, 8, 8), torch.zeros(2, dtype=torch.int64)),
         "training needs at least one image, and a label for each; got 3 images and 2 labels"),
        (Split(torch.zeros(2, 1, 8, 8), torch.tensor([0, 3])),
         "labels go from 0 to 3, but for one image the model gives shape (1, 3); it must be (1, classes), "
         "with a class for every label"),
    ],
)  # fmt: skip
def test_bad_data(split: Split, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        train(net(), Data(split), RECIPE)
    assert str(caught.value) == message


def test_bad_device(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError) as caught:
        train(net(), DATA, RECIPE, device="tpu")
    assert str(caught.value) == "device must be one of auto, cpu, cuda; got 'tpu'"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError) as caught:
        train(net(), DATA, RECIPE, device="cuda")
    assert str(caught.value) == "device 'cuda': this PyTorch sees no CUDA device; use 'auto' or 'cpu'"


def test_features_without_a_layout_train_too() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(90, 4, generator=generator)
    data = Data(Split(images, (images[:, 0] > 0).long()))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    assert train(model, data, Recipe(epochs=10, batch_size=8)).history[-1].accuracy > 0.9
    with pytest.raises(RequestError, match="augmentation 'shift' needs images"):
        train(model, data, Recipe(epochs=1, augmentation="shift"))
