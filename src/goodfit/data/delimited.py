"""Delimited text (CSV and its kin): find encoding, separator and decimal comma, and say what was found."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.files import read_unpacked
from goodfit.data.table import Table, from_frame, refuse_duplicates
from goodfit.data.values import MISSING_TEXTS, has_decimal_comma
from goodfit.errors import InputError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}

_SAMPLE_LINES = 100
_HIGH_BYTES = re.compile(rb"[A-Za-z]?[\x80-\xff]+[A-Za-z]?")  # with the letters they touch
_THOUSANDS = re.compile(r"\s*[-+]?\d{1,3}(,\d{3})*(\.\d*)?\s*")


def read_delimited(path: Path) -> Table:
    """Read a delimited text file, gzipped or not, whose first line names the columns.

    Found and said in the notes: gzip, encoding (UTF-8, UTF-16, GB18030, else Latin-1), separator
    (comma, semicolon, tab, vertical bar) and decimal commas.

    Raises:
        InputError: empty file, duplicate column names, rows of another length, infinite values.
    """
    data, gzipped = read_unpacked(path)
    notes = ["The file is gzipped."] if gzipped else []
    text, encoding = decode(data)
    if encoding != "UTF-8":
        notes.append(f"The encoding found is {encoding}.")
    separator, names = _layout(text, path)
    if separator != ",":
        notes.append(f"The separator found is the {SEPARATORS[separator]}.")
    frame = _parse(text, separator, names, path)
    commas = {}
    for name in names:
        parsed = _parse_commas(frame[name], separator)
        if parsed is not None:
            frame[name], commas[name] = parsed
    for meaning in dict.fromkeys(commas.values()):
        found = [repr(name) for name in commas if commas[name] == meaning]
        notes.append(f"{meaning} found in {', '.join(found[:5])}{' and others' if len(found) > 5 else ''}.")
    return replace(from_frame(frame, path.name), notes=tuple(notes))


def read_cells(path: Path) -> dict[str, list[str]]:
    """Return the columns of a file that `read_delimited` reads, row by row the same, each cell as it stands.

    Raises:
        InputError: as `read_delimited`.
    """
    text, _ = decode(read_unpacked(path)[0])
    separator, names = _layout(text, path)
    frame = _parse(text, separator, names, path, dtype=str, na_filter=False)
    return {name: frame[name].tolist() for name in names}


def _layout(text: str, path: Path) -> tuple[str, list[str]]:
    """Return the separator and the names of the columns."""
    if not text.strip():
        raise InputError(f"{path.name} is empty: it holds no text.")
    if "\0" in text:
        raise InputError(f"{path.name} is not a text file: it holds zero bytes.")
    separator = find_separator(text)
    return separator, _header(text, separator, path)


def decode(data: bytes) -> tuple[str, str]:
    """Return text and the name of its encoding: by byte order mark, else the first that fits.

    GB18030 is believed only where most runs of high bytes are of even length and touch no letter, as
    Chinese does; accented letters stand alone and within words. Latin-1 is the last resort: it fits all.
    """
    if data.startswith(b"\xef\xbb\xbf"):
        candidates = [("utf-8-sig", "UTF-8 with a byte order mark")]
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        candidates = [("utf-16", "UTF-16")]
    elif b"\0" in data[:2000]:  # every second byte of ASCII text in UTF-16
        candidates = [("utf-16-be" if data[:1] == b"\0" else "utf-16-le", "UTF-16")]
    else:
        candidates = [("utf-8", "UTF-8")]
        runs = _HIGH_BYTES.findall(data[:1_000_000])
        if 2 * sum(len(run) % 2 == 0 and not re.search(rb"[A-Za-z]", run) for run in runs) > len(runs):
            candidates.append(("gb18030", "GB18030"))
    for codec, name in candidates:
        try:
            return data.decode(codec), name
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), "Latin-1"


def find_separator(text: str) -> str:
    """Return the separator that cuts the first lines into the same number of fields, and most of them."""
    best, most = ",", (False, 1)
    for separator in SEPARATORS:
        counts = [len(row) for row in islice(_rows(text, separator), _SAMPLE_LINES) if row]
        if not counts:
            continue
        score = (len(set(counts)) == 1, counts[0])
        if counts[0] > 1 and score > most:
            best, most = separator, score
    return best


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    except csv.Error:  # a field beyond the reader's limit: what came before it tells enough
        return


def _header(text: str, separator: str, path: Path) -> list[str]:
    first = next((row for row in _rows(text, separator) if row), None)
    if first is None:
        raise InputError(f"The first line of {path.name} is not a list of column names.")
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(first)]
    if len(names) > 1 and all(re.fullmatch(r"[-+.\deE]+", name) for name in names):
        raise InputError(
            f"The first line of {path.name} holds only numbers ({', '.join(names[:4])}, …), "
            "but it must hold the names of the columns: add a line of names."
        )
    refuse_duplicates(names, path.name)
    return names


def _parse(text: str, separator: str, names: list[str], path: Path, **cells: Any) -> Any:
    import pandas as pd

    missing = sorted({form(word) for word in MISSING_TEXTS for form in (str, str.upper, str.title)})
    # exact reading of decimals is a choice in pandas 2 and the rule (the choice deprecated) in pandas 3
    exact: dict[str, Any] = {} if pd.__version__ >= "3" else {"float_precision": "round_trip"}
    with warnings.catch_warnings():
        # pandas cuts overlong first rows with no more than a warning
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                io.StringIO(text),
                sep=separator,
                names=names,
                header=0,
                index_col=False,
                na_values=[*missing, "NaN", "NaT"],
                keep_default_na=False,
                skipinitialspace=True,
                **exact,
                **cells,
                low_memory=False,
            )
        except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
            reason = str(error).strip().removeprefix("Error tokenizing data. C error: ").rstrip(".")
            if isinstance(error, pd.errors.ParserWarning):
                reason = "the rows have more fields than the first line has names"
            raise InputError(
                f"{path.name} cannot be cut into its {len(names)} columns "
                f"with the {SEPARATORS[separator]} as separator: {reason}."
            ) from None


def _parse_commas(column: Any, separator: str) -> tuple[np.ndarray, str] | None:
    """Return (float64 [rows], what the commas are) if every text is a number with commas."""
    if column.dtype.kind != "O":
        return None
    texts = column.to_numpy(dtype=object, na_value=None)
    present = {text for text in texts if isinstance(text, str)}
    if not any("," in text for text in present):
        return None
    # in a file cut by commas a quoted "1,234" means a thousand; elsewhere 1,234 is a bit more than one
    if separator == "," and all(map(_THOUSANDS.fullmatch, present)):
        meaning, numbers = "Commas between thousands were", {t: float(t.replace(",", "")) for t in present}
    elif all(map(has_decimal_comma, present)):
        meaning = "Decimal commas were"
        numbers = {t: float(t.replace(".", "").replace(",", ".")) for t in present}
    else:
        return None
    return np.array([numbers.get(text, np.nan) for text in texts]), meaning
