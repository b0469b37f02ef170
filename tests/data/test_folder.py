"""Folders of images: what is read, in which order, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from goodfit.data.read import read_table
from goodfit.errors import InputError

RNG = np.random.default_rng(0)


def write(path, shape=(6, 5), mode=None):
    """Write one image of random pixels; return them."""
    pixels = RNG.integers(0, 256, shape).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_a_sub_folder_is_a_class(tmp_path):
    expected = [write(tmp_path / name) for name in ("cat/1.png", "cat/2.PNG", "dog/0.png")]
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    table = read_table(tmp_path)
    np.testing.assert_array_equal(table.images, expected)
    assert table.columns["class"].tolist() == ["cat", "cat", "dog"]
    assert (table.target, table.sealed_rows, table.pixel_max) == ("class", None, 255)


def test_colours_and_jpeg(tmp_path):
    red = write(tmp_path / "a/red.png", (6, 5, 3))
    grey = write(tmp_path / "b/grey.png")
    write(tmp_path / "b/photo.jpg", (6, 5, 3))
    see_through = write(tmp_path / "b/x.png", (6, 5, 4))
    table = read_table(tmp_path)
    assert table.images.shape == (4, 6, 5, 3)
    np.testing.assert_array_equal(table.images[0], red)
    np.testing.assert_array_equal(table.images[1], np.repeat(grey[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(table.images[3], see_through[:, :, :3])
    assert "1 of 4 images are grey" in table.notes[0]


def test_train_and_test(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "train/b/2.png", "test/a/9.png", "test/b/9.png"):
        write(tmp_path / name)
    table = read_table(tmp_path)
    assert table.columns["class"].tolist() == ["a", "b", "b", "a", "b"]
    assert list(table.sealed_rows) == [3, 4]
    write(tmp_path / "test/c/1.png")
    with pytest.raises(InputError, match="class 'c', which train lacks"):
        read_table(tmp_path)


def test_images_without_classes(tmp_path):
    write(tmp_path / "2.png")
    write(tmp_path / "1.png")
    table = read_table(tmp_path)
    assert (table.rows, table.target, table.columns) == (2, None, {})


def test_refusals(tmp_path):
    write(tmp_path / "one/a/1.png")
    with pytest.raises(InputError, match=r"one sub-folder only, 'a'.* at least two"):
        read_table(tmp_path / "one")
    write(tmp_path / "one/b/1.png", (5, 5))
    with pytest.raises(InputError, match=r"one size: .*1.png has 5 x 5 pixels, 1.png has 5 x 6"):
        read_table(tmp_path / "one")
    (tmp_path / "one/b/1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b/1.png cannot be read: it is damaged"):
        read_table(tmp_path / "one")
    Image.fromarray(np.zeros((6, 5), np.uint16)).save(tmp_path / "one/b/1.png")
    with pytest.raises(InputError, match=r"b/1.png has more than 8 bits"):
        read_table(tmp_path / "one")
    write(tmp_path / "one/b/1.png")
    write(tmp_path / "one/loose.png")
    with pytest.raises(InputError, match=r"loose.png .* belongs to no class"):
        read_table(tmp_path / "one")
    for name in ("all/train/a/1.png", "all/train/b/1.png", "all/test/a/1.png", "all/val/a/1.png"):
        write(tmp_path / name)
    with pytest.raises(InputError, match="train, test and 'val'"):
        read_table(tmp_path / "all")
