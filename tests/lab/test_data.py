"""Which rows the lab sees, and which it never reads."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.data.prepare import Request, prepare
from goodfit.data.read import read_table
from goodfit.errors import InputError
from goodfit.lab.data import default_data, load_data


def test_without_mnist_digits_stand_in_and_it_is_said(monkeypatch):
    monkeypatch.delenv("GOODFIT_DATA", raising=False)
    data = default_data()
    assert data.name == "digits"
    assert not data.own
    assert "MNIST is not at hand" in data.notes[0]
    assert data.network.input_scale == pytest.approx(1 / 16)


@pytest.mark.parametrize("name", ["digits", "wine", "diabetes"])
def test_sealed_rows_are_not_read(name):
    data, found = load_data(name), prepare(Request(name))
    assert len(data.x) == len(found.train.x)
    assert len(data.x_test) == len(found.valid.x)
    assert len(data.x) + len(data.x_test) < 0.81 * read_table(name).rows
    assert sorted(map(tuple, data.x.tolist())) == sorted(map(tuple, found.train.x.tolist()))
    np.testing.assert_array_equal(load_data(name).x, data.x)


def test_first_rows_are_no_particular_ones():
    data = load_data("iris")  # sorted by class in the file
    assert data.y is not None
    assert len(np.unique(data.y[:30])) == 3


def test_knowing_nothing_costs_the_entropy_or_half_the_variance(small):
    share = np.bincount(small.y) / len(small.y)
    assert small.blind_loss() == pytest.approx(-(share * np.log(share)).sum())
    assert small.majority() == pytest.approx(share.max())
    numbers = load_data("diabetes")
    assert numbers.blind_loss() == pytest.approx(0.5, rel=1e-5)
    assert not numbers.is_classes


def test_a_table_without_a_target_has_rows_alone(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("a,b\n" + "\n".join(f"{i * 5 % 11},{i * 7 % 13}" for i in range(40)))
    data = load_data(str(path))
    assert data.y is None
    assert data.x.shape[0] == 40
    assert "No target" in data.notes[-1]
    assert load_data(str(path), "b").y is not None
    with pytest.raises(InputError, match="did you mean"):
        load_data(str(path), "B1")


def test_mnist_is_taken_in_the_books_order(tmp_path):
    import gzip

    def idx(array: np.ndarray) -> bytes:
        head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        return gzip.compress(head + array.astype(np.uint8).tobytes())

    rng = np.random.default_rng(0)
    images, labels = rng.integers(256, size=(50, 4, 4)), rng.integers(10, size=50)
    labels[:20] = np.repeat(np.arange(10), 2)
    for prefix, part in (("train", slice(0, 40)), ("t10k", slice(40, 50))):
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images[part]))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(labels[part]))
    data = load_data(str(tmp_path))
    np.testing.assert_array_equal(data.x, images[:40].reshape(40, 16))
    np.testing.assert_array_equal(data.x_test, images[40:].reshape(10, 16))
    assert data.network.image == (4, 4, 1)
    assert [data.classes[k] for k in data.y] == [str(k) for k in labels[:40]]
