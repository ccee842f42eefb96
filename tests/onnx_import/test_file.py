"""Nothing in a file is trusted: not that it is ONNX, nor its sizes, nor where it says its weights lie."""

import json

import numpy as np
import onnx
import pytest
import torch

from bitwatt.errors import DataError, RequestError
from bitwatt.onnx_import import file as onnx_file
from bitwatt.onnx_import import read_onnx

WEIGHT = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
BYTES = WEIGHT.tobytes()


@pytest.fixture
def external(saved):
    """A model whose weight lies in weights.bin beside it."""

    def save(location="weights.bin", written=BYTES, **place):
        path = saved([("MatMul", ["x", "w"], ["y"], {})], (8,), {"w": WEIGHT})
        model = onnx.load(path)
        (tensor,) = model.graph.initializer
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": location, **place}.items():
            tensor.external_data.add(key=key, value=str(value))
        path.write_bytes(model.SerializeToString())
        if written is not None:
            (path.parent / "weights.bin").write_bytes(written)
        return path

    return save


def test_external_data(external, assert_same):
    path = external()
    read = read_onnx(path)
    assert read.drawn == ()
    assert torch.equal(next(read.module.parameters()), torch.from_numpy(WEIGHT.T))
    assert_same(read, path)
    shifted = external(written=b"head" + WEIGHT.tobytes(), offset=4, length=WEIGHT.nbytes)
    assert torch.equal(next(read_onnx(shifted).module.parameters()), torch.from_numpy(WEIGHT.T))


def test_shapes_suffice_where_weights_are_absent(external):
    path = external(written=None)
    read = read_onnx(path, weights=False)
    assert read.drawn == ("matmul_0",)
    assert read.module(torch.zeros(2, 8)).shape == (2, 3)
    same = read_onnx(path, weights=False)
    assert torch.equal(next(read.module.parameters()), next(same.module.parameters()))
    with pytest.raises(RequestError) as error:
        read_onnx(path)
    assert str(error.value) == f"'{path}': the files of external data are missing for w"


def test_external_data_is_not_opened_where_shapes_suffice(external):
    assert read_onnx(external(written=b"too short"), weights=False).drawn == ("matmul_0",)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "a/../../secret.bin", ""])
def test_files_outside_the_folder_are_refused(external, location):
    path = external(location)
    (path.parent.parent / "secret.bin").write_bytes(WEIGHT.tobytes())
    for weights in (True, False):
        with pytest.raises(RequestError) as error:
            read_onnx(path, weights=weights)
        assert str(error.value) == (
            f"weights must lie in files inside the model's folder '{path.parent}'; "
            f"refused: 'w' in '{location}'"
        )


def test_links_out_of_the_folder_are_refused(external, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.bin"
    elsewhere.write_bytes(WEIGHT.tobytes())
    path = external("link.bin")
    (path.parent / "link.bin").symlink_to(elsewhere)
    with pytest.raises(RequestError, match=r"refused: 'w' in 'link\.bin'$"):
        read_onnx(path)


@pytest.mark.parametrize(
    "place", [{"offset": 4}, {"length": 95}, {"offset": -4}, {"offset": 0, "length": 200}]
)
def test_external_data_of_another_size(external, place):
    path = external(**place)
    with pytest.raises(DataError, match=r"^tensor 'w' needs 96 bytes; the model says -?\d+ at -?\d+ of "):
        read_onnx(path)


def test_external_data_at_no_number(external):
    with pytest.raises(DataError) as error:
        read_onnx(external(offset="here"))
    assert str(error.value) == "tensor 'w': the place of its external data is damaged"


@pytest.mark.parametrize("content", [b"", b"not an ONNX file", b"\x00" * 100, json.dumps({"a": 1}).encode()])
def test_what_is_no_onnx_file(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_onnx(path)
    assert str(error.value).startswith(
        f"'{path}' ({len(content)} bytes) is not an ONNX file, or is damaged: "
    )


def test_cut_short_anywhere(saved):
    """Never anything but an error of ours; a cut that leaves a whole model behind is none."""
    path = saved([("MatMul", ["x", "w"], ["y"], {})], (8,), {"w": WEIGHT})
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            read_onnx(path)
        except (DataError, RequestError):
            refused += 1
    assert refused == len(range(0, len(whole), 7))


def test_no_such_file(tmp_path):
    with pytest.raises(RequestError) as error:
        read_onnx(tmp_path / "none.onnx")
    assert str(error.value) == f"there is no ONNX file '{tmp_path / 'none.onnx'}'"


def test_too_large_a_file(saved, monkeypatch):
    path = saved([("MatMul", ["x", "w"], ["y"], {})], (8,), {"w": WEIGHT})
    monkeypatch.setattr(onnx_file, "MOST_BYTES", 50)
    with pytest.raises(RequestError) as error:
        read_onnx(path)
    assert str(error.value) == (
        f"'{path}' has {path.stat().st_size} bytes, an ONNX file at most 50; "
        "keep its weights beside it, as external data"
    )


def test_a_few_bytes_that_ask_for_terabytes(saved):
    huge = np.array([2**20, 2**20])
    path = saved(
        [("ConstantOfShape", ["s"], ["w"], {}), ("MatMul", ["x", "w"], ["y"], {})], (2**20,), {"s": huge}
    )
    with pytest.raises(
        RequestError, match=r"its result has shape \(1048576, 1048576\); at most 268435456 ele"
    ):
        read_onnx(path)
    row = [("ConstantOfShape", ["r"], ["a"], {}), ("ConstantOfShape", ["c"], ["b"], {})]
    path = saved(
        [*row, ("Add", ["a", "b"], ["w"], {}), ("MatMul", ["x", "w"], ["y"], {})],
        (2**20,),
        {"r": np.array([1, 2**20]), "c": np.array([2**20, 1])},
    )
    with pytest.raises(RequestError, match=r"\(Add\): its result has shape \(1048576, 1048576\); at most 2"):
        read_onnx(path)


def test_a_tensor_with_fewer_bytes_than_its_shape_says(saved):
    path = saved([("MatMul", ["x", "w"], ["y"], {})], (8,), {"w": WEIGHT})
    model = onnx.load(path)
    model.graph.initializer[0].raw_data = WEIGHT.tobytes()[:-4]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DataError):
        read_onnx(path)


def test_rules_of_the_standard(saved):
    """A graph out of order, or with a cycle, reads what nothing has made yet."""
    path = saved(
        [("Relu", ["b"], ["a"], {}), ("Relu", ["a"], ["b"], {}), ("Add", ["x", "b"], ["y"], {})], (3,)
    )
    with pytest.raises(DataError, match=f"^'{path}' breaks a rule of ONNX: "):
        read_onnx(path)
