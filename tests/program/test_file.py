"""A program's file: the same bits back, the same bytes again, and anything that is not it refused."""

import hashlib
import json
import os
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_tensors

from bitwatt.errors import DataError, RequestError
from bitwatt.formats import Fixed
from bitwatt.program import load
from bitwatt.program.file import NO_DIGEST, SCHEMA, from_bytes, to_bytes
from bitwatt.testing.program_suite import float_programs, images_for, integer_programs


@settings(deadline=None, max_examples=40)
@given(st.one_of(integer_programs(), float_programs()), st.data())
def test_round_trip(program, data):
    content = to_bytes(program)
    again = from_bytes(content, "memory")
    assert (again.network, again.precision, again.input_shape, again.lanes) == (
        *(program.network, program.precision, program.input_shape, program.lanes),
    )
    for mine, theirs in zip(again.ops, program.ops, strict=True):
        assert type(mine) is type(theirs)
        for field in fields(theirs):
            value, expected = getattr(mine, field.name), getattr(theirs, field.name)
            if isinstance(expected, np.ndarray):
                assert value.dtype == expected.dtype
                np.testing.assert_array_equal(value, expected)
            else:
                assert value == expected
    images = torch.from_numpy(data.draw(images_for(program, most=1)))
    assert torch.equal(torch.nan_to_num(again(images)), torch.nan_to_num(program(images)))
    assert to_bytes(again) == content


@pytest.fixture
def saved(linear_program, tmp_path):
    path = tmp_path / "small.bitwatt"
    linear_program([[1, -2], [3, 4]], bias=[300, -5]).save(path)
    return path


def test_files(saved):
    assert load(saved)(torch.tensor([[1.0, 1.0]])).tolist() == [[299, 2]]
    assert os.listdir(saved.parent) == ["small.bitwatt"]
    assert saved.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_integers_take_the_least_dtype(saved):
    tensors = load_tensors(saved.read_bytes())
    assert {name: array.dtype.name for name, array in tensors.items()} == {
        "1.weight": "int8",
        "1.bias": "int16",
    }


def test_a_failed_save_leaves_what_was_there(saved, linear_program, monkeypatch):
    before = saved.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RequestError) as error:
        linear_program([[1]]).save(saved)
    assert str(error.value) == f"cannot write the program to '{saved}': No space left on device"
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["small.bitwatt"]


def test_a_folder_that_is_not_there(linear_program, tmp_path):
    path = tmp_path / "absent" / "x.bitwatt"
    with pytest.raises(RequestError) as error:
        linear_program([[1]]).save(path)
    assert str(error.value) == f"cannot write the program to '{path}': No such file or directory"


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "x.bitwatt"
    with pytest.raises(RequestError) as error:
        load(path)
    assert str(error.value) == f"cannot read a program from '{path}': No such file or directory"


def test_every_byte_counts(saved):
    """Any one of them altered: refused, whatever it was."""
    content = saved.read_bytes()
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= 1
        with pytest.raises((DataError, RequestError)):
            from_bytes(bytes(altered), "x")


def test_altered(saved):
    content = saved.read_bytes()
    altered = content[:-1] + bytes([content[-1] ^ 1])
    digest = described(content)["sha256"]
    found = hashlib.sha256(altered.replace(digest.encode(), NO_DIGEST.encode())).hexdigest()
    with pytest.raises(DataError) as error:
        from_bytes(altered, "x")
    assert str(error.value) == f"'x' was altered: its SHA-256 should be {digest}, and is {found}"


def test_bytes_beyond_the_end_are_an_alteration(saved):
    with pytest.raises(DataError, match="'x' was altered"):
        from_bytes(saved.read_bytes() + b"!", "x")


def test_truncated(saved):
    content = saved.read_bytes()
    with pytest.raises(DataError) as error:
        from_bytes(content[:-3], "x")
    assert str(error.value) == (
        f"'x' is truncated: {len(content)} bytes were expected, {len(content) - 3} are there"
    )


def described(content):
    start = 8 + int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8:start])["__metadata__"]["bitwatt"])


def test_newer(saved):
    newer = saved.read_bytes().replace(b'\\"schema\\": 1', f'\\"schema\\": {SCHEMA + 1}'.encode())
    with pytest.raises(RequestError) as error:
        from_bytes(newer, "x")
    assert str(error.value) == (
        f"'x' has schema {SCHEMA + 1}, and this bitwatt reads {SCHEMA}; read it with a newer bitwatt"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        b"not a program at all",
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (16).to_bytes(8, "little") + b'{"__metadata__":' + b"{",
        (5).to_bytes(8, "little") + b"[[[[[",
        len(b'{"__metadata__":{"bitwatt":"{}"}}').to_bytes(8, "little")
        + b'{"__metadata__":{"bitwatt":"{}"}}',
    ],
)
def test_foreign(content):
    with pytest.raises(RequestError) as error:
        from_bytes(content, "x")
    assert str(error.value) == "'x' is no bitwatt program, or its beginning is damaged"


def test_a_checkpoint_of_something_else(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(RequestError, match="is no bitwatt program"):
        load(path)


def test_formats_by_name(saved):
    assert described(saved.read_bytes())["ops"][0]["format"] == "fixed8"
    assert load(saved).ops[0].format == Fixed(8)
