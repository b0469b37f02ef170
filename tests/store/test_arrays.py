"""Hashed arrays: exact, deterministic, verified; and readable by the safetensors package."""

from __future__ import annotations

import contextlib
import hashlib
import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goodfit.errors import RunFolderError
from goodfit.store.arrays import load_arrays, save_arrays, sha256_of
from goodfit.store.tensors import MAX_HEADER, pack, read_header, view

ARRAYS = {
    "step": np.array(7),
    "empty": np.zeros((0, 3), np.float32),
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "big": np.array([1.5, np.nan, -0.0], ">f8"),
    "mask": np.array([True, False]),
    "pixels": np.arange(5, dtype=np.uint8),
}


def test_round_trip(tmp_path):
    name = save_arrays(tmp_path / "members", ARRAYS, {"seed": 3, "loss": float("nan")})
    assert name == sha256_of(ARRAYS, {"loss": float("nan"), "seed": 3})
    arrays, meta = load_arrays(tmp_path / "members", name)
    assert meta["seed"] == 3
    assert np.isnan(meta["loss"])
    assert arrays.keys() == ARRAYS.keys()
    for key, array in ARRAYS.items():
        assert arrays[key].dtype == array.dtype.newbyteorder("<")
        assert arrays[key].shape == array.shape
        np.testing.assert_array_equal(arrays[key], array)
        assert not arrays[key].flags.writeable


def test_equal_content_is_one_file(tmp_path):
    first = save_arrays(tmp_path, ARRAYS, {"a": 1, "b": 2})
    again = save_arrays(tmp_path, dict(reversed(ARRAYS.items())), {"b": 2, "a": 1})
    assert first == again
    assert len(list(tmp_path.iterdir())) == 1
    assert first != save_arrays(tmp_path, ARRAYS, {"a": 1, "b": 3})


def test_the_package_reads_it(tmp_path):
    name = save_arrays(tmp_path, ARRAYS, {})
    read = safetensors.numpy.load_file(tmp_path / f"{name}.safetensors")
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(read[key], array)


def test_missing_and_altered(tmp_path):
    name = save_arrays(tmp_path, ARRAYS, {})
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunFolderError, match="altered"):
        load_arrays(tmp_path, name)
    with pytest.raises(RunFolderError, match="Cannot read"):
        load_arrays(tmp_path, "0" * 64)


def test_types_that_files_lack():
    for bad in (np.array(["a"]), np.array([1j]), np.array([None])):
        with pytest.raises(TypeError, match="safetensors files lack"):
            sha256_of({"a": bad}, {})


dtypes = st.sampled_from([np.dtype(name) for name in ("f4", "f8", "i4", "u1")])


@given(dtypes.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=3, min_side=0))))
def test_any_array_comes_back(array):
    blob = pack({"a": array, "b": array.T}, {})
    size = 8 + int.from_bytes(blob[:8], "little")
    read = view(read_header(blob[:8], blob[8:size]), blob[size:])
    np.testing.assert_array_equal(read["a"], array)
    np.testing.assert_array_equal(read["b"], array.T)


GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"a": 3},
        {"a": {**GOOD, "dtype": "F33"}},
        {"a": {**GOOD, "dtype": ["F32"]}},
        {"a": {**GOOD, "shape": [3]}},
        {"a": {**GOOD, "shape": [-2]}},
        {"a": {**GOOD, "shape": [2.0]}},
        {"a": {**GOOD, "shape": [True, 2]}},
        {"a": {**GOOD, "shape": [1] * 65 + [2]}},
        {"a": {**GOOD, "data_offsets": [8, 16]}},
        {"a": {**GOOD, "data_offsets": [0]}},
        {"a": {**GOOD, "data_offsets": [8, 0]}},
        {"a": {**GOOD, "more": 1}},
        {"a": GOOD, "b": GOOD},
        {"a": {**GOOD, "shape": [2**60], "data_offsets": [0, 2**62]}},
        {"__metadata__": {"a": 1}},
        {"__metadata__": []},
    ],
)
def test_headers_that_lie_are_refused(header):
    text = json.dumps(header).encode()
    with pytest.raises(ValueError):
        read_header(len(text).to_bytes(8, "little"), text)


def test_a_header_too_large_is_refused_both_ways():
    with pytest.raises(ValueError, match="are allowed"):
        pack({}, {"a": "x" * MAX_HEADER})
    text = b" " * (MAX_HEADER + 8)
    with pytest.raises(ValueError, match="too large"):
        read_header(len(text).to_bytes(8, "little"), text)


@given(st.binary(max_size=60))
def test_any_header_is_read_or_refused_with_a_value_error(text):
    with contextlib.suppress(ValueError):  # and no other exception
        read_header(len(text).to_bytes(8, "little"), text)


def test_name_is_the_files_hash(tmp_path):
    name = save_arrays(tmp_path, ARRAYS, {})
    assert hashlib.sha256((tmp_path / f"{name}.safetensors").read_bytes()).hexdigest() == name
