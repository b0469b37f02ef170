"""Folders of images: what is read, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from goodfit.data.prepare import Request, prepare
from goodfit.data.read import read_new, read_table
from goodfit.data.table import join_tables
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


def test_rows_keep_the_files_that_they_were(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "train/b/2.png", "test/a/9.png", "test/b/9.png"):
        write(tmp_path / name)
    table = read_table(tmp_path)
    assert table.files == ("train/a/1.png", "train/b/1.png", "train/b/2.png", "test/a/9.png", "test/b/9.png")
    assert table.take(np.array([3, 0])).files == ("test/a/9.png", "train/a/1.png")
    train, test = read_table(tmp_path / "train"), read_table(tmp_path / "test")
    assert join_tables(train, test=test)[0].files == ("a/1.png", "b/1.png", "b/2.png", "a/9.png", "b/9.png")
    assert table.content_hash() == replace(table, files=()).content_hash()
    assert read_table("digits").files == ()


def test_new_images_need_no_classes(tmp_path):
    names = ["0.png", "only/1.png", "only/below/2.jpg"]
    pixels = [write(tmp_path / name) for name in names]
    (tmp_path / "only" / "notes.txt").write_text("no image")
    table = read_new(tmp_path)
    assert table.files == tuple(names)
    assert (table.target, table.columns, table.sealed_rows) == (None, {}, None)
    np.testing.assert_array_equal(table.images[:2], pixels[:2])
    assert read_new(tmp_path / "only").files == ("1.png", "below/2.jpg")
    single = read_new(tmp_path / "only/1.png")
    assert single.files == ("1.png",)
    np.testing.assert_array_equal(single.images, pixels[1:2])


def test_new_rows_of_all_else_are_read_as_ever(tmp_path, monkeypatch):
    assert read_new("digits").content_hash() == read_table("digits").content_hash()
    path = tmp_path / "new.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    assert read_new(path).content_hash() == read_table(path).content_hash()
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "digits/1.png")
    assert read_new("digits").rows == 1797
    assert read_new("./digits").rows == 1
    with pytest.raises(InputError, match="There is no file"):
        read_new("nowhere.png")


def test_images_where_nobody_looks(tmp_path):
    write(tmp_path / "deep/a/b/1.png")
    write(tmp_path / "hidden/.a/1.png")
    for name in ("deep", "hidden"):
        with pytest.raises(InputError, match="not where they belong: in sub-folders, one a class"):
            read_table(tmp_path / name)
    assert read_new(tmp_path / "deep").files == ("a/b/1.png",)
    with pytest.raises(InputError, match="in hidden folders only"):
        read_new(tmp_path / "hidden")


def test_it_goes_without_saying_that_folders_are_classes(tmp_path):
    for number in range(20):
        write(tmp_path / f"{'ab'[number % 2]}/{number}.png")
    assert not [note for note in prepare(Request(str(tmp_path))).notes if "target" in note]
    assert "they are classes" in " ".join(prepare(Request("digits")).notes)
    with pytest.raises(InputError, match="images and no classes: put them into sub-folders"):
        prepare(Request(str(tmp_path / "a")))


def test_refusals(tmp_path):
    write(tmp_path / "one/a/1.png")
    with pytest.raises(InputError, match=r"one sub-folder only, 'a'.* at least two"):
        read_table(tmp_path / "one")
    write(tmp_path / "one/b/1.png", (5, 5))
    with pytest.raises(InputError, match=r"one must be of one size: b/1.png has 5 x 5 .* a/1.png has 5 x 6"):
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
