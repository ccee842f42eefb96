"""Trained programs by name: loaded from where they are kept, and the errors name what there is."""

import importlib
from pathlib import Path

import pytest
import torch

import bitwatt as bw
from bitwatt.errors import RequestError

MODULE = importlib.import_module("bitwatt.networks.pretrained")
"""As an attribute of `bitwatt.networks` the name is the function's."""


@pytest.fixture(scope="module")
def program():
    images = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    net = bw.networks.create("lenet", seed=0, width=0.2)
    return bw.lower(bw.quantize(net, "binary", calibration=images).eval(), example=images[:1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(MODULE, "FOLDER", tmp_path / "trained")
    return tmp_path / "trained"


def test_a_kept_program_comes_back(program, folder: Path) -> None:
    folder.mkdir()
    for name in ("alex-fixed4_fixed8", "lenet-binary", "alex++-pow2"):
        program.save(folder / f"{name}.bitwatt")
    assert bw.networks.pretrained_names() == (
        ("alex++", "pow2"), ("alex", "fixed4:fixed8"), ("lenet", "binary"),
    )  # fmt: skip
    images = torch.rand(3, 1, 28, 28)
    for name in (("lenet", "binary"), ("alex", "fixed4:fixed8"), ("alex++", "pow2:fixed16")):
        assert torch.equal(bw.networks.pretrained(*name)(images), program(images))


@pytest.mark.parametrize(
    ("network", "precision", "message"),
    [
        ("lente", "binary", "unknown trained network 'lente'; did you mean 'lenet'? Allowed: alex, lenet"),
        ("alex", "binary", "unknown precision of a trained alex 'binary'. Allowed: fixed4"),
    ],
)
def test_errors_name_what_is_kept(folder: Path, network: str, precision: str, message: str) -> None:
    folder.mkdir()
    (folder / "alex-fixed4.bitwatt").touch()
    (folder / "lenet-binary.bitwatt").touch()
    with pytest.raises(RequestError) as refused:
        bw.networks.pretrained(network, precision)
    assert str(refused.value) == message


def test_nothing_is_kept(folder: Path) -> None:
    with pytest.raises(RequestError) as refused:
        bw.networks.pretrained("lenet", "binary")
    assert str(refused.value) == f"no trained programs are kept in '{folder}'; `make results` trains them"


@pytest.mark.parametrize("name", bw.networks.pretrained_names(), ids="-".join)
def test_what_is_kept_loads_and_takes_the_networks_images(name: tuple[str, str]) -> None:
    network, precision = name
    program = bw.networks.pretrained(network, precision)
    assert (program.network, str(program.precision)) == (network, precision)
    shape = bw.networks.info(network).input_shape
    assert program(torch.rand(2, *shape)).shape == (2, bw.networks.info(network).classes)
