"""From a source to what a search needs: encoded training and validation rows, and the sealed set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from goodfit.data.leaks import leak_notes
from goodfit.data.read import read_table
from goodfit.data.schema import Schema, fit_schema
from goodfit.data.seal import SealedSet
from goodfit.data.split import Split, make_split, row_codes
from goodfit.data.table import Table, join_tables
from goodfit.data.target import TargetCodec, drop_missing_target, fit_target, infer_task
from goodfit.errors import InputError, must_be


@dataclass(frozen=True)
class Request:
    """What the user says about the data; see the command line for the meaning of each."""

    data: str
    target: str | None = None
    test: str | None = None
    valid: str | None = None
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    ignore: tuple[str, ...] = ()
    class_weight: str | None = None
    positive: str | None = None
    task: str | None = None
    cv: int | None = None
    repeats: int = 1
    fold: str | None = None
    seed: int = 0

    @property
    def in_folds(self) -> bool:
        """Whether the rows are compared by cross-validation."""
        return self.cv is not None or self.fold is not None


@dataclass(frozen=True)
class Part:
    """Encoded rows.

    ``x`` (n, width); ``y`` int32 (n,) classes or float64 (n,) in the target's own unit; ``weight`` (n,) of
    the rows, for scores; ``loss_weight`` (n,) with class weights multiplied in, for training.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    loss_weight: np.ndarray

    def take(self, rows: np.ndarray) -> Part:
        """Return some of the rows."""
        return Part(self.x[rows], self.y[rows], self.weight[rows], self.loss_weight[rows])


@dataclass(frozen=True)
class Prepared:
    """Everything that a search may see of the data, and the sealed set that it may not.

    With cross-validation ``valid`` is ``train``, and ``marks`` say of each training row its ``group``,
    ``time`` or ``fold``: whole numbers in the order of the column's values.
    """

    name: str
    data_hash: str
    target: str
    schema: Schema
    codec: TargetCodec
    train: Part
    valid: Part
    sealed: SealedSet
    request: Request
    notes: tuple[str, ...]
    marks: dict[str, np.ndarray] = field(default_factory=dict)

    def examine(self, table: Table) -> Part:
        """Return the rows of an opened sealed set, encoded."""
        encode = _Encoder(self.schema, self.codec, self.target, self.request, np.ones(0))
        return encode(table, np.arange(table.rows))

    def classes(self) -> tuple[str, ...] | None:
        """The classes, or None for regression."""
        return self.codec.classes if self.codec.task == "classification" else None


def prepare(request: Request) -> Prepared:
    """Read, check, split, seal and encode the data of a request.

    Raises:
        InputError: what the source or an option holds cannot be used.
    """
    table, valid_rows, target, notes = _read(request)
    task = request.task
    if task is None:
        task, why = infer_task(table.columns[target], table.kinds[target])
        notes += [] if table.files else [why]  # that folders of images are classes, nobody needs to be told
    codec, y = fit_target(table, target, task=task, positive=request.positive)
    split = _split(request, table, codec, y, valid_rows)
    if request.in_folds:
        both = np.sort(np.concatenate([split.train, split.valid]))
        split = replace(split, train=both, valid=both)
    codec = codec.fitted(y[split.train])
    schema = fit_schema(table, split.train, target=target, ignore=_left_out(request))
    notes += [f"Column {name!r} is left out: {reason}." for name, reason in schema.dropped]
    inputs = [column.name for column in schema.inputs]
    notes += leak_notes(table, split, inputs, target, group=request.group, by_time=request.time is not None)
    encode = _Encoder(schema, codec, target, request, _class_weights(request, codec, y[split.train]))
    train = encode(table, split.train)
    valid = train if request.in_folds else encode(table, split.valid)
    marks = _marks(request, table) if request.in_folds else {}
    return Prepared(
        table.name,
        table.content_hash(),
        target,
        schema,
        codec,
        train,
        valid,
        SealedSet(table, split.sealed),
        request,
        tuple(notes),
        {name: row_codes(v, name)[split.train] for name, v in marks.items()},
    )


def prepare_all(request: Request) -> tuple[Schema, TargetCodec, Part]:
    """Return schema, codec and encoded rows of everything, sealed rows too: for training without an exam.

    Raises:
        InputError: as `prepare`.
    """
    table, _, target, _ = _read(request)
    rows = np.arange(table.rows)
    codec, y = fit_target(table, target, task=request.task, positive=request.positive, rows_train=rows)
    schema = fit_schema(table, rows, target=target, ignore=_left_out(request))
    return (
        schema,
        codec,
        _Encoder(schema, codec, target, request, _class_weights(request, codec, y))(table, rows),
    )


def _left_out(request: Request) -> tuple[str, ...]:
    """Return the columns that are no inputs: ignored by the user, group, weight and fold."""
    return (*request.ignore, *(c for c in (request.group, request.weight, request.fold) if c is not None))


def _marks(request: Request, table: Table) -> dict[str, np.ndarray]:
    """Return the columns that rows are split by, by option."""
    return {o: table.columns[n] for o in ("group", "time", "fold") if (n := getattr(request, o)) is not None}


def _check_folds(request: Request) -> None:
    if request.cv is not None and request.fold is not None:
        raise InputError("--cv and --fold both say how to cross-validate: give one of them.")
    if request.in_folds and request.valid is not None:
        raise InputError(
            "--valid gives the rows to compare networks on, so there are no folds: leave out one."
        )
    if request.fold is not None and request.time is not None:
        raise InputError("--fold names the folds, so --time has no say in them: leave out one.")
    if request.cv is not None and request.cv < 2:
        raise must_be("--cv", "a whole number of folds >= 2", request.cv)
    if request.repeats < 1 or (request.repeats > 1 and request.cv is None):
        raise must_be("--repeats", "a whole number >= 1, beside --cv", request.repeats)


def _read(request: Request) -> tuple[Table, np.ndarray | None, str, list[str]]:
    """Return the joined table without rows that lack the target, its validation rows, target and notes."""
    _check_folds(request)
    table = read_table(request.data, target=request.target)
    target = request.target or table.target
    if target is None and table.files:
        raise InputError(f"{request.data} has images and no classes: put them into sub-folders, one a class.")
    if target is None:
        names = ", ".join(list(table.columns)[:8]) + (", …" if len(table.columns) > 8 else "")
        raise InputError(f"{request.data} does not say which column to predict: add --target COL ({names}).")
    table.require(target)
    for option in ("group", "time", "weight", "fold"):
        name = getattr(request, option)
        if name is not None:
            table.require(name)
            if name == target:
                raise InputError(f"--{option} and --target name the same column {name!r}.")
    notes = list(table.notes)
    table, dropped = drop_missing_target(table, target)
    if dropped:
        notes.append(f"{dropped} rows without a value of {target!r} were dropped.")
    parts: dict[str, Table] = {}
    for option, source in (("valid", request.valid), ("test", request.test)):
        if source is not None:
            part, lost = drop_missing_target(read_table(source, target=target), target)
            parts[option] = part
            if lost:
                notes.append(f"{lost} rows of {source} without a value of {target!r} were dropped.")
    valid_rows = None
    if parts:
        table, valid_rows, _ = join_tables(table, valid=parts.get("valid"), test=parts.get("test"))
    return table, valid_rows, target, notes


def _split(
    request: Request, table: Table, codec: TargetCodec, y: np.ndarray, valid_rows: np.ndarray | None
) -> Split:
    column = _marks(request, table)
    return make_split(
        codec.task,
        y,
        seed=request.seed,
        groups=column.get("group"),
        time=column.get("time"),
        valid_rows=valid_rows,
        sealed_rows=table.sealed_rows,
    )


@dataclass(frozen=True)
class _Encoder:
    """Turns rows of the table into a `Part`; ``class_weights`` (K,) or empty."""

    schema: Schema
    codec: TargetCodec
    target: str
    request: Request
    class_weights: np.ndarray

    def __call__(self, table: Table, rows: np.ndarray) -> Part:
        y = self.codec.encode(table.columns[self.target][rows], self.target)
        name = self.request.weight
        weight = np.ones(len(rows)) if name is None else _weights(table, rows, name)
        loss_weight = weight * self.class_weights[y] if len(self.class_weights) else weight
        return Part(self.schema.encode(table, rows), y, weight, loss_weight)


def _weights(table: Table, rows: np.ndarray, name: str) -> np.ndarray:
    values = table.columns[name]
    if table.kinds[name] != "number":
        raise InputError(f"--weight needs a column of numbers, and {name!r} is a {table.kinds[name]}.")
    weight = values[rows].astype(np.float64)
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise InputError(f"--weight column {name!r} must hold numbers >= 0, none missing, not all 0.")
    return weight


def _class_weights(request: Request, codec: TargetCodec, y: np.ndarray) -> np.ndarray:
    """Return a weight a class, ``n / (K·count)`` over the training rows, or nothing if none are asked for."""
    if request.class_weight is None:
        return np.ones(0)
    if request.class_weight != "balanced":
        raise must_be("--class-weight", "'balanced'", request.class_weight)
    if codec.task != "classification":
        raise InputError("--class-weight needs classes, and the target holds numbers.")
    counts = np.bincount(y, minlength=len(codec.classes))
    return len(y) / (len(codec.classes) * np.maximum(counts, 1))
