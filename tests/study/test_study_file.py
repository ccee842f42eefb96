"""Study files, and the whole text of their errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bitwatt.errors import RequestError
from bitwatt.formats import parse_precision
from bitwatt.study.study_file import read_study_file
from bitwatt.training import pretraining_recipe, retraining_recipe

WHOLE = """\
network = "lenet"
data = "mnist-small"
precisions = ["float32", "fixed4:fixed8", "binary"]
seeds = [0, 1]
other_presets = "hashemi2017"
threads = 2

[tile]
preset = "modern"
rows = 32  # deeper is dearer

[pretraining]
epochs = 5

[retraining]
learning_rate = 0.02

[retraining.binary]
epochs = 12
"""


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str) -> Path:
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return write


def test_a_whole_file(write) -> None:  # type: ignore[no-untyped-def]
    (plan,) = read_study_file(write(WHOLE))
    assert plan.networks == ("lenet",)
    assert plan.precisions == ("float32", "fixed4:fixed8", "binary")
    assert plan.tile.rows == 32
    assert plan.pretraining_recipe("lenet") == replace(pretraining_recipe("lenet"), epochs=5)
    narrow = retraining_recipe("lenet", parse_precision("fixed4:fixed8"))
    assert plan.retraining_recipe("lenet", "fixed4:fixed8") == replace(narrow, learning_rate=0.02)
    binary = retraining_recipe("lenet", parse_precision("binary"))
    assert plan.retraining_recipe("lenet", "binary") == replace(binary, epochs=12, learning_rate=0.02)


def test_several_studies_over_what_they_share(write) -> None:  # type: ignore[no-untyped-def]
    text = """\
precisions = "fixed8,fixed4"
[retraining]
epochs = 2
[[study]]
network = "lenet"
data = "mnist-small"
[[study]]
network = "alex"
data = "cifar10"
precisions = "fixed8"
[study.retraining]
batch_size = 32
"""
    first, second = read_study_file(write(text))
    assert (first.name, second.name) == ("lenet-mnist-small", "alex-cifar10")
    assert (first.precisions, second.precisions) == (("fixed8", "fixed4"), ("fixed8",))
    assert second.retraining == {"epochs": 2, "batch_size": 32}
    assert first.retraining == {"epochs": 2}


def test_methods_change_the_recipe_that_is_there_without_them(write) -> None:  # type: ignore[no-untyped-def]
    text = (
        HEAD
        + """\
precisions = "fixed4,binary"
[retraining]
epochs = 4
[retraining.binary]
learning_rate = 0.01
[methods.plain]
[methods.narrowed]
distillation = 0.0
[methods.narrowed.binary]
epochs = 6
narrowing = "fixed16,fixed4:fixed16"
"""
    )
    (plan,) = read_study_file(write(text))
    assert plan.method_names == ("plain", "narrowed")
    for precision in ("fixed4", "binary"):
        without = plan.retraining_recipe("lenet", precision)
        assert plan.retraining_recipe("lenet", precision, "plain") == without
        special = {"epochs": 6, "narrowing": "fixed16,fixed4:fixed16"} if precision == "binary" else {}
        changed = replace(without, distillation=0.0, **special)
        assert plan.retraining_recipe("lenet", precision, "narrowed") == changed


HEAD = 'network = "lenet"\ndata = "mnist-small"\n'
PLAN_KEYS = (
    "network, name, networks, data, precisions, seeds, pretraining, retraining, methods, tile, "
    "other_presets, technology, threads, device, held_out"
)
RECIPE_KEYS = (
    "epochs, batch_size, learning_rate, optimizer, momentum, weight_decay, schedule, warmup, "
    "label_smoothing, augmentation, shift, distillation, temperature, refit_scales, start, "
    "refit_activations, narrowing, narrowing_share, weight_map, anneal_share, steepness, rounding, "
    "learn_scales, scale_rate, gradient_bits, gradient_rounding, averaging, match_outputs"
)
NO_ROW = (
    "unknown key of [tile] 'row'; did you mean 'rows'? "
    "Allowed: preset, neurons, synapses, rows, clock_hz, buffers, clock_gating"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + '\n# all of them\nprecison = "paper"\n',
            f"line 5: unknown key 'precison'; did you mean 'precisions'? Allowed: {PLAN_KEYS}",
        ),
        (
            HEAD + "[pretraining]\nbatch_size = 32\nepoch = 3\n",
            f"line 5: unknown key of [pretraining] 'epoch'; did you mean 'epochs'? Allowed: {RECIPE_KEYS}",
        ),
        (
            HEAD + "[retraining.binary]\nlerning_rate = 3\n",
            "line 4: unknown key of [retraining.binary] 'lerning_rate'; did you mean 'learning_rate'? "
            f"Allowed: {RECIPE_KEYS}",
        ),
        (
            HEAD + "[retraining]\nseed = 3\n",
            "line 4: a recipe in a study has no seed; write 'seeds = [...]' for the study",
        ),
        (
            HEAD + "[tile]\nrow = 3\n",
            f"line 4: {NO_ROW}",
        ),
        (
            HEAD + "tile = { row = 3 }\n",
            f"line 3: {NO_ROW}",
        ),
        (
            HEAD + "tile.row = 3\n",
            f"line 3: {NO_ROW}",
        ),
        (
            HEAD + '[tile]\npreset = "modern"\nrows = "3"\n',
            "line 5: rows: input should be a valid integer, got '3'",
        ),
        (HEAD + "seeds = [0, -1]\n", "line 3: seeds: input should be greater than or equal to 0, got -1"),
        (HEAD + "[pretraining]\nepochs = 2.5\n", "line 4: epochs: input should be a valid integer, got 2.5"),
        (
            HEAD + "[pretraining]\n\nepochs = -1\n",
            "line 3: Recipe.epochs must be a whole number from 0 to 100000, got -1",
        ),
        (
            HEAD + "[tile]\nrows = 1\n",
            "line 4: tile: rows must be a whole number from 2 to 65536, got 1",
        ),
        (
            HEAD + "[pretraining.binary]\nepochs = 3\n",
            "line 3: the float training has one recipe; [retraining.PRECISION] may differ",
        ),
        (
            HEAD + 'precisions = "binary"\n[methods.slow]\nepochs = 3\n[methods.slow.bianry]\nepochs = 9\n',
            "line 6: unknown format 'bianry'; did you mean 'binary'? Allowed: float32, fixed2 to fixed32, "
            "ufixed2 to ufixed32, pow2 (6 bits), pow2-2 to pow2-8, binary, ternary, "
            "e4m3 (exponent e2 to e5, mantissa m1 to m10)",
        ),
        (
            HEAD + "[methods.slow]\nepoch = 3\n",
            f"line 4: unknown key of [methods.slow] 'epoch'; did you mean 'epochs'? Allowed: {RECIPE_KEYS}",
        ),
        (
            HEAD + "[methods]\nepochs = 3\n",
            "line 3: 'methods' must be tables, each begun by [methods.NAME]",
        ),
        ('network = "lenet"\n', "'data' is missing; a study needs 'network' and 'data'"),
        (
            'data = "mnist-small"\n[[study]]\nnetwork = "lenet"\n[[study]]\nnetwork = "alex"\nsede = 1\n',
            f"line 6: unknown key 'sede'; did you mean 'seeds'? Allowed: {PLAN_KEYS}",
        ),
    ],
)
def test_errors_name_line_key_and_nearest_key(write, text: str, message: str) -> None:  # type: ignore[no-untyped-def]
    path = write(text)
    with pytest.raises(RequestError) as refused:
        read_study_file(path)
    joint = ", " if message.startswith("line") else ": "
    assert str(refused.value) == f"{path}{joint}{message}"


def test_what_is_not_toml_is_said_with_its_line(write) -> None:  # type: ignore[no-untyped-def]
    path = write('network = "lenet"\ndata = mnist\n')
    with pytest.raises(RequestError) as refused:
        read_study_file(path)
    assert str(refused.value) == f"{path} is not TOML: Invalid value (at line 2, column 8)"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as refused:
        read_study_file(tmp_path / "nowhere.toml")
    assert str(refused.value).startswith(f"cannot read the study file '{tmp_path / 'nowhere.toml'}': ")


def test_two_studies_of_one_name(write) -> None:  # type: ignore[no-untyped-def]
    path = write(HEAD + "[[study]]\nseeds = 0\n[[study]]\nseeds = 1\n")
    with pytest.raises(RequestError) as refused:
        read_study_file(path)
    assert (
        str(refused.value)
        == f"{path}: two studies are named 'lenet-mnist-small'; give each a 'name' of its own"
    )
