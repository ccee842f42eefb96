"""Checkpoints: whole or refused, with what is wrong; going on from one equals never having stopped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bitwatt.errors import DataError
from bitwatt.training import Recipe, TrainingState, load_checkpoint, save_checkpoint, train


class Data:
    """Random images of two classes."""

    class train:
        """The split."""

        images = torch.randn(24, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        labels = torch.arange(24) % 2


RECIPE = Recipe(epochs=2, batch_size=8, optimizer="adam", learning_rate=0.01)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))


def states() -> tuple[list[TrainingState], dict[str, Tensor]]:
    found: list[TrainingState] = []
    model = net()
    train(model, Data, RECIPE, on_epoch_end=found.append)  # type: ignore[arg-type]
    return found, model.state_dict()


def test_going_on_from_the_file_equals_never_having_stopped(tmp_path: Path) -> None:
    found, whole = states()
    save_checkpoint(tmp_path / "a", found[0])
    state = load_checkpoint(tmp_path / "a")
    assert (state.recipe, state.epoch, state.history) == (RECIPE, 1, found[0].history)
    model = net()
    train(model, Data, RECIPE, start=state)  # type: ignore[arg-type]
    assert all(torch.equal(whole[name], value) for name, value in model.state_dict().items())


def test_the_same_state_gives_the_same_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    found, _ = states()
    save_checkpoint(tmp_path / "a", found[0])
    save_checkpoint(tmp_path / "b", found[0])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    save_checkpoint(tmp_path / "a", found[1])
    assert load_checkpoint(tmp_path / "a").epoch == 2
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = states()
    save_checkpoint(tmp_path / "a", found[0])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path / "a", found[1])
    assert os.listdir(tmp_path) == ["a"]
    assert load_checkpoint(tmp_path / "a").epoch == 1


def test_every_kind_of_damage_is_noticed(tmp_path: Path) -> None:
    found, _ = states()
    path = tmp_path / "a"
    save_checkpoint(path, found[0])
    good = path.read_bytes()

    def refusal(content: bytes) -> str:
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_checkpoint(path)
        return str(caught.value)

    start = good.index(b"\n") + 1
    for place in (start, start + 200, len(good) - 1):  # one bit anywhere
        assert f"checkpoint '{path}' is damaged: its digest is " in refusal(
            good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        )
    assert "is damaged" in refusal(good[:-100])
    assert "is damaged" in refusal(good + b"x")
    message = f"'{path}' is not a bitwatt checkpoint; delete it, or go on from an older one"
    assert refusal(b"") == refusal(b"PK\x03\x04 something") == refusal(good[:20]) == message
    assert refusal(good.replace(b"checkpoint 1 ", b"checkpoint 2 ", 1)) == (
        f"checkpoint '{path}' has format 2, this bitwatt reads 1; use the bitwatt that wrote it"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none")
