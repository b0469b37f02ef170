"""What one column may hold, and the one place where missing values and types are normalised.

A column is one of four kinds, each in one NumPy form of shape [rows]:

    number     float64, NaN = missing
    date       float64 days since 1970-01-01 (UTC), NaN = missing
    boolean    float64 0 or 1, NaN = missing
    category   object array of str, None = missing

Missing are: None, NaN, NaT, pandas.NA, masked entries, and any text that is, after stripping and
whatever its case, one of ``MISSING_TEXTS``. "None" is not among them: it is often a category.
pandas is never imported here; its arrays are recognised by what they offer.
"""

from __future__ import annotations

import datetime as dt
import numbers
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from goodfit.errors import InputError

Kind = Literal["number", "category", "boolean", "date"]

MISSING_TEXTS = frozenset({"", "?", "na", "n/a", "#na", "#n/a", "<na>", "nan", "-nan", "nat", "null"})

_BOOLEANS = {"false": 0.0, "true": 1.0}
# 1,5 · -1.234,5 · 1,5e-3: whole numbers may stand among them
_DECIMAL_COMMA = re.compile(r"(?=\D*\d)\s*[-+]?(\d+|\d{1,3}(\.\d{3})+)?(,\d*)?([eE][-+]?\d+)?\s*")
_DATE = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}([T ].*)?")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECONDS_PER_DAY = 86_400e6


def normalise(values: Any, name: str) -> tuple[np.ndarray, Kind]:
    """Return a column (list, NumPy array, pandas Series or categorical) in its one form, and its kind.

    Text stays text (a user who stores "007" means it), unless every value is "true"/"false" or an ISO
    date. A pandas categorical of numbers is a category. A column with nothing but missing values is a
    number.

    Raises:
        InputError: an infinite value, a cell that is no scalar, complex numbers; the column is named.
    """
    values = getattr(values, "array", values)  # a pandas Series hides its typed array here
    if hasattr(values, "codes") and hasattr(values, "categories"):
        return _from_codes(np.asarray(values.codes), values.categories, name)
    array = _as_numpy(values)
    if array.ndim != 1:
        raise InputError(f"Column {name!r} must hold one value a row, got an array of shape {array.shape}.")
    if array.dtype.kind in "iuf":
        return _finite(array.astype(np.float64), name), "number"
    if array.dtype.kind == "b":
        return array.astype(np.float64), "boolean"
    if array.dtype.kind in "Mm":
        days = array.astype(f"{array.dtype.kind}8[us]").astype(np.int64) / _MICROSECONDS_PER_DAY
        return np.where(np.isnat(array), np.nan, days), "date" if array.dtype.kind == "M" else "number"
    if array.dtype.kind in "OUS":
        return _from_objects(array.astype(object), name)
    raise InputError(f"Column {name!r} holds {array.dtype} values; {_ALLOWED}.")


def convert(values: np.ndarray, kind: Kind, wanted: Kind, name: str) -> np.ndarray:
    """Return normalised ``values`` of one kind in the form of another, where that loses nothing.

    Text is parsed; numbers and booleans may become categories; 0 and 1 may become booleans.

    Raises:
        InputError: a value that has no such form; the message names the column and the first bad value.
    """
    if kind == wanted:
        return values
    gone = is_missing(values)
    if gone.all():
        return np.full(len(values), None, object) if wanted == "category" else np.full(len(values), np.nan)
    if kind == "category":
        return _parse_texts(values, wanted, name)
    if wanted == "category" and kind in ("number", "boolean"):
        return texts_of(values, kind)
    if wanted == "number" and kind == "boolean":
        return values
    if wanted == "boolean" and kind == "number":
        strange = ~gone & (values != 0) & (values != 1)
        if not strange.any():
            return values
        raise InputError(_bad_value(name, "true or false", values[strange][0], int(np.argmax(strange))))
    raise InputError(f"Column {name!r} must hold {_PLURAL[wanted]}, but holds {_PLURAL[kind]}.")


def is_missing(values: np.ndarray) -> np.ndarray:
    """Return bool [rows]: where a normalised column is missing."""
    if values.dtype == object:
        return np.fromiter((v is None for v in values), bool, len(values))
    return np.isnan(values)


def texts_of(values: np.ndarray, kind: Kind) -> np.ndarray:
    """Return numbers or booleans as an object array of text (None = missing): "3", "2.5", "true"."""
    if kind == "category":
        return values
    distinct, codes = np.unique(values, return_inverse=True)
    words = np.empty(len(distinct), object)
    for i, value in enumerate(distinct):
        words[i] = None if np.isnan(value) else _text_of(bool(value) if kind == "boolean" else value)
    return words[codes]


def plain_text(text: str) -> str:
    """Return the text of the number that ``text`` spells ("03" and "3.0" give "3"), else ``text``."""
    value = _parse_number(text)
    return text if value is None else number_text(value)


def number_text(value: float) -> str:
    """Return the shortest exact text of a number, whole numbers without a point."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


_ALLOWED = "use numbers, text, booleans or dates"
_PLURAL: dict[str, str] = {
    "number": "numbers",
    "category": "text",
    "boolean": "true or false",
    "date": "dates such as 2024-01-31",
}


def _as_numpy(values: Any) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray):
        array = np.array(values.data, object)
        array[np.ma.getmaskarray(values)] = None
        return array
    dtype = getattr(values, "dtype", None)
    if dtype is None:  # a plain sequence: np.asarray alone would turn [1, "a"] into text
        return np.fromiter(values, object, len(values))
    if isinstance(values, np.ndarray) or not hasattr(values, "to_numpy"):
        return np.asarray(values)
    kind = getattr(dtype, "kind", None)
    if kind is None:  # a series of another library
        return np.asarray(values)
    if kind in "Mm":
        return values.to_numpy(dtype=f"{kind}8[us]")  # time zones become UTC
    if kind in "iuf":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return values.to_numpy(dtype=object, na_value=None)


def _from_codes(codes: np.ndarray, categories: Any, name: str) -> tuple[np.ndarray, Kind]:
    """Normalise the few categories, then spread them: cheap for long columns."""
    if len(categories) == 0:
        return np.full(len(codes), np.nan), "number"
    known, kind = normalise(categories, name)
    if kind == "number":
        known, kind = texts_of(known, kind), "category"
    nothing = np.array([None if kind == "category" else np.nan], known.dtype)
    return np.concatenate([known, nothing])[codes], kind  # code -1 = missing = the last place


def _from_objects(values: np.ndarray, name: str) -> tuple[np.ndarray, Kind]:
    present = [v for v in values if not _is_missing_object(v)]
    types = set(map(type, present))
    if types <= {str, np.str_}:
        return _from_texts(values)
    if all(issubclass(t, bool | np.bool_) for t in types):
        return _map(values, _float, np.float64), "boolean"
    if all(issubclass(t, numbers.Real | np.bool_) or t.__name__ == "Decimal" for t in types):
        return _finite(_map(values, _float, np.float64), name), "number"
    if all(issubclass(t, dt.date | np.datetime64) for t in types):
        return _map(values, _days, np.float64), "date"
    for value in present:
        if isinstance(value, list | tuple | dict | set | complex | np.ndarray):
            raise InputError(f"Column {name!r} holds {type(value).__name__} cells; {_ALLOWED}.")
    return _from_texts(_map(values, _text_of, object))


def _from_texts(values: np.ndarray) -> tuple[np.ndarray, Kind]:
    """Look only at the distinct texts: most columns repeat a few."""
    meaning: dict[Any, str | None] = {}
    for value in dict.fromkeys(values):
        known = isinstance(value, str) and value.strip().casefold() not in MISSING_TEXTS
        meaning[value] = str(value) if known else None
    texts = _map(values, meaning.__getitem__, object)
    present = [text for text in meaning.values() if text is not None]
    if not present:
        return np.full(len(values), np.nan), "number"
    for kind in ("boolean", "date"):
        parse = _PARSERS[kind]
        if parse(present[0]) is None:  # most columns of text are told by their first value
            continue
        parsed = {text: parse(text) for text in present}
        if None not in parsed.values():
            return _map(texts, parsed.__getitem__, np.float64), kind
    return texts, "category"


def has_decimal_comma(text: str) -> bool:
    """Return whether ``text`` spells a number, with a decimal comma if it is not whole."""
    return _DECIMAL_COMMA.fullmatch(text) is not None


def _parse_texts(texts: np.ndarray, wanted: Kind, name: str) -> np.ndarray:
    parse = _PARSERS[wanted]
    parsed = {text: parse(text) for text in dict.fromkeys(texts) if text is not None}
    if None in parsed.values():
        bad = next(row for row, text in enumerate(texts) if text is not None and parsed[text] is None)
        commas = _odd_one_out(texts, parsed, name) if wanted == "number" else None
        raise InputError(commas or _bad_value(name, _PLURAL[wanted], texts[bad], bad))
    return _map(texts, parsed.__getitem__, np.float64)


def _odd_one_out(texts: np.ndarray, parsed: dict[str, float | None], name: str) -> str | None:
    """Return the error of a column where most cells have decimal commas: it blames a cell that has none."""
    present = [(row, text) for row, text in enumerate(texts) if text is not None]
    commas = [text for _, text in present if "," in text and has_decimal_comma(text)]
    if 2 * len(commas) <= len(present):
        return None
    odd = [(parsed[text] is not None, row, text) for row, text in present if not has_decimal_comma(text)]
    if not odd:
        return (
            f"Column {name!r} must hold numbers, but its cells have decimal commas, such as {commas[0]!r}: "
            "read the table with decimal=','."
        )
    _, row, text = min(odd)
    said = _bad_value(name, "numbers", text, row).rstrip(".")
    return f"{said}, while most cells have decimal commas, such as {commas[0]!r}."


def _parse_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _parse_boolean(text: str) -> float | None:
    return _BOOLEANS.get(text.strip().casefold())


def _parse_date(text: str) -> float | None:
    text = text.strip()
    if not _DATE.fullmatch(text):
        return None
    try:
        return _days(dt.datetime.fromisoformat(text.replace("/", "-")))
    except ValueError:
        return None


_PARSERS: dict[str, Callable[[str], float | None]] = {
    "number": _parse_number,
    "boolean": _parse_boolean,
    "date": _parse_date,
}


def _days(moment: Any) -> float:
    """Return days since 1970-01-01 of a date, datetime (without zone: taken as UTC) or datetime64."""
    if isinstance(moment, np.datetime64):
        return float(moment.astype("M8[us]").astype(np.int64)) / _MICROSECONDS_PER_DAY
    if not isinstance(moment, dt.datetime):
        return float(moment.toordinal() - _EPOCH.toordinal())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) / dt.timedelta(days=1)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond 1.8e308, refused as infinite
        return np.inf


def _text_of(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return number_text(float(value)) if isinstance(value, numbers.Real) else str(value)


def _is_missing_object(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return (isinstance(value, float | np.floating) or type(value).__name__ == "Decimal") and value != value


def _map(values: np.ndarray, function: Callable[[Any], Any], dtype: type) -> np.ndarray:
    """Apply ``function`` to what is not missing; the rest becomes None or NaN."""
    nothing = None if dtype is object else np.nan
    mapped = (nothing if _is_missing_object(v) else function(v) for v in values)
    return np.fromiter((nothing if v is None else v for v in mapped), dtype, len(values))


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    infinite = np.isinf(values)
    if infinite.any():
        raise InputError(
            f"Column {name!r} holds an infinite value in row {int(np.argmax(infinite)) + 1}; "
            "only finite numbers are allowed: leave the cell empty if the value is unknown."
        )
    return values


def _bad_value(name: str, allowed: str, value: object, row: int) -> str:
    shown = value if isinstance(value, str) else number_text(float(value))  # type: ignore[arg-type]
    return f"Column {name!r} must hold {allowed}, but row {row + 1} holds {shown!r}."
