"""The rows that the comparisons train and test on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from goodfit.data.builtin import data_folder, known_names
from goodfit.data.prepare import Request, prepare
from goodfit.data.read import read_table
from goodfit.data.schema import fit_schema
from goodfit.data.table import Table
from goodfit.data.target import TargetCodec, fit_target
from goodfit.engine.probe import knowing_nothing
from goodfit.network import Network


@dataclass(frozen=True, eq=False)
class LabData:
    """Encoded rows to train on and to test on.

    ``x`` (N, inputs) uint8 pixels or float32; ``y`` int32 (N,) classes, float32 (N, outputs) standardised
    numbers, or None without a target. ``own`` tells whether the user named the data; otherwise they are the
    book's, or stand in for them. ``test_what`` says which rows the test rows are. ``numbers`` is how many of
    the inputs, the first ones, are quantities, to which an embedding applies; ``image`` the height, width and
    channels of images, whose pixels the inputs are.
    """

    name: str
    x: np.ndarray
    y: np.ndarray | None
    x_test: np.ndarray
    y_test: np.ndarray | None
    classes: tuple[str, ...]
    scale: float
    content: str
    own: bool
    test_what: str
    notes: tuple[str, ...] = ()
    numbers: int = 0
    image: tuple[int, int, int] | None = None

    @property
    def is_classes(self) -> bool:
        """Whether the target is classes."""
        return bool(self.classes)

    @cached_property
    def network(self) -> Network:
        """The shape of the problem."""
        outputs, loss = len(self.classes), "softmax_cross_entropy"
        if not self.is_classes:
            outputs, loss = 1 if self.y is None else self.y.shape[1], "squared_error"
        return Network(self.x.shape[1], outputs, loss, self.scale, self.numbers, image=self.image)

    def blind_loss(self) -> float:
        """Return the training loss of knowing nothing: the entropy of the classes, or half the variance."""
        assert self.y is not None
        return knowing_nothing(self.network, self.y)

    def majority(self, rows: int | None = None) -> float:
        """Return the accuracy of always guessing the commonest class of the first ``rows``."""
        assert self.y is not None
        return float(np.bincount(self.y[:rows]).max() / len(self.y[:rows]))

    def first(self, rows: int) -> int:
        """Return ``rows``, or how many there are if they are fewer."""
        return min(rows, len(self.x))


def default_data() -> LabData:
    """Return MNIST where ``GOODFIT_DATA`` names a folder with it, else scikit-learn's digits, with a word."""
    folder = data_folder()
    if folder is not None and "mnist" in known_names():
        return replace(load_data("mnist"), own=False)
    found = load_data("digits")
    note = (
        "MNIST is not at hand (set GOODFIT_DATA to a folder with mnist/ in it), so scikit-learn's 8x8 digits "
        "stand in for it: the book's figures are about MNIST."
    )
    return replace(found, own=False, notes=(note, *found.notes))


def load_data(source: str, target: str | None = None) -> LabData:
    """Return the rows of a file, a folder or a name.

    Images with a test set of their own (MNIST) are taken in their order, as in the book. Of everything else
    a fifth stays sealed, unread; a fifth of the rest are the test rows, and the training rows are shuffled
    once, so that "the first 300" are no particular ones.

    Raises:
        InputError: the source or the target cannot be used.
    """
    table = read_table(source, target=target)
    if table.target is None:
        return _without_target(table)
    if table.images is not None and table.sealed_rows is not None:
        codec, y = fit_target(table, table.target)
        if codec.task == "classification":
            return _as_in_the_book(table, codec, y)
    found = prepare(Request(source, target=target))
    order = np.random.Generator(np.random.Philox(key=np.array([0, len(found.train.x)], np.uint64)))
    shuffled = order.permutation(len(found.train.x))
    codec = found.codec
    classes = codec.classes if codec.task == "classification" else ()
    y, y_test = found.train.y, found.valid.y
    if not classes:
        y, y_test = (codec.standardise(a).astype(np.float32)[:, None] for a in (y, y_test))
    return LabData(
        found.name,
        found.train.x[shuffled],
        y[shuffled],
        found.valid.x,
        y_test,
        classes,
        1.0 / found.schema.pixel_max if found.schema.image_shape else 1.0,
        found.data_hash,
        own=True,
        test_what="a fifth of the rows that are not sealed; the sealed ones are not read",
        notes=found.notes,
        numbers=found.schema.numbers,
        image=found.schema.layout["image"],
    )


def _as_in_the_book(table: Table, codec: TargetCodec, y: np.ndarray) -> LabData:
    assert table.images is not None
    assert table.sealed_rows is not None
    x, test = table.images.reshape(table.rows, -1), np.zeros(table.rows, bool)
    test[table.sealed_rows] = True
    height, width, channels = (*table.images.shape[1:], 1)[:3]
    return LabData(
        table.name,
        x[~test],
        y[~test],
        x[test],
        y[test],
        codec.classes,
        1.0 / table.pixel_max,
        table.content_hash(),
        own=True,
        test_what="the set's own test rows",
        notes=table.notes,
        image=(height, width, channels),
    )


def _without_target(table: Table) -> LabData:
    rows = np.arange(table.rows)
    schema = fit_schema(table, rows, target=None)
    x = schema.encode(table, rows)
    scale = 1.0 / schema.pixel_max if schema.image_shape else 1.0
    return LabData(
        table.name, x, None, x[:0], None, (), scale, table.content_hash(), own=True, test_what="none",
        notes=(*table.notes, "No target is named (--target COL): only what needs none is shown."),
    )  # fmt: skip
