"""The model file: one safetensors file that loads without running code.

Layout: 8 bytes header length (little-endian), a JSON header, float32 data. The header's ``__metadata__`` has
one key, ``goodfit``: sorted JSON with format version, schema, target, members and record, and ``sha256``, the
hash of the whole file with these 64 digits as zeros. Nothing in it depends on clock, path or host, so equal
models have equal bytes. Loading checks sizes, names, types, shapes and hash before anything is used, and
never reads or allocates more than the size of a file whose header accounts for all of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from goodfit.data.schema import Schema
from goodfit.data.target import TargetCodec
from goodfit.errors import InputError, ModelFileError
from goodfit.model.architecture import checked, shapes
from goodfit.model.model import Model, ModelMember
from goodfit.store.atomic import write_bytes
from goodfit.store.canonical import dumps, restored

FORMAT = 2  # 1 knew no embeddings, parametric activations or convolutions, and inputs stood in another order
MOST_HEADER = 64 * 2**20  # bytes; a schema of 100,000 columns stays below
_ZEROS = "0" * 64
_KEYS = {"format", "members", "record", "schema", "sha256", "target", "target_name"}
_MEMBER_KEYS = {"architecture", "recipe", "text", "weight"}


def model_bytes(model: Model) -> bytes:
    """Return the content of the model's file.

    Raises:
        InputError: a description beyond ``MOST_HEADER`` (some 20,000 columns), which could not be loaded.
    """
    tensors: dict[str, np.ndarray] = {}
    for i, member in enumerate(model.members):
        for key, array in (*member.params.items(), *member.running.items()):
            tensors[f"member.{i}.{key}"] = np.ascontiguousarray(array, dtype="<f4")
    header: dict[str, Any] = {}
    offset = 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        shape = list(tensors[name].shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    content = {
        "format": FORMAT,
        "members": [
            {"architecture": m.architecture, "recipe": m.recipe, "text": m.text, "weight": m.weight}
            for m in model.members
        ],
        "record": model.record,
        "schema": model.schema.to_json(),
        "sha256": _ZEROS,
        "target": model.target.to_json(),
        "target_name": model.target_name,
    }
    header["__metadata__"] = {"goodfit": dumps(content)}
    text = dumps(header).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MOST_HEADER:
        raise InputError(f"The model's description takes {len(text) >> 20} MiB: train on fewer columns.")
    data = b"".join([len(text).to_bytes(8, "little"), text, *(tensors[n].tobytes() for n in sorted(tensors))])
    digits = hashlib.sha256(data).hexdigest().encode()
    place = _hash_place(data[: 8 + len(text)])
    return data[:place] + digits + data[place + 64 :]


def _hash_place(header: bytes) -> int:
    """Return where the 64 digits stand: after the last ``sha256`` key in the header."""
    marker = b'\\"sha256\\":\\"'
    return header.rfind(marker) + len(marker)


def save_model(path: str | os.PathLike[str], model: Model) -> str:
    """Write the model to ``path``, whole or not at all; return its SHA-256.

    Raises:
        RunFolderError: the folder or the disk does not take it.
    """
    data = model_bytes(model)
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def load_model(path: str | os.PathLike[str]) -> Model:
    """Return the model in a file, or in the run folder ``path``.

    Raises:
        ModelFileError: the file is missing, truncated, altered, of another kind, or of a newer version.
    """
    path = Path(path)
    try:
        if path.is_dir():
            path = path / "model.safetensors"
            if not path.is_file():
                raise ModelFileError(f"There is no {path}: name the folder of a finished run.")
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):  # a pipe or device has no end
            raise ModelFileError(f"{path} is not a file: name a model.safetensors.")
        with open(path, "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        raise ModelFileError(f"There is no run or model at {path}.") from None
    except OSError as error:
        raise ModelFileError(f"Cannot read the model file {path}: {error.strerror}.") from None
    except ModelFileError as error:
        raise error if str(path) in str(error) else ModelFileError(f"{path}: {error}") from None


def parse_model(data: bytes) -> Model:
    """Return the model that ``data`` holds.

    Raises:
        ModelFileError: as `load_model`, without the file's name.
    """
    return _read(io.BytesIO(data), len(data))


def _read(file: BinaryIO, size: int) -> Model:
    """Return the model in an open file of ``size`` bytes, all of which the header must account for."""
    front, header = _header(file, size)
    content = _content(header)
    if content.get("format") not in range(1, FORMAT + 1):
        _refuse_version(content.get("format"))
    extents = _extents(header, size - len(front))
    data = file.read(size - len(front))
    _check_hash(front, data)
    if set(content) != _KEYS:
        odd = sorted(set(content) ^ _KEYS)
        raise ModelFileError(f"this model file has keys that do not belong, or lacks some: {odd}.")
    tensors = {
        name: np.frombuffer(data, "<f4", math.prod(shape), low).reshape(shape)
        for name, (shape, low) in extents.items()
    }
    try:
        members = tuple(_member(i, m, tensors) for i, m in enumerate(content["members"]))
        _check_pixels(content["schema"], members)
        schema = Schema.from_json(content["schema"])
        target = TargetCodec.from_json(content["target"])
    except ModelFileError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ModelFileError(f"this model file's description is damaged ({error}).") from None
    if not isinstance(content["record"], dict) or not isinstance(content["target_name"], str):
        raise ModelFileError("this model file's description is damaged (its record or target's name).")
    _check_target(target)
    _check_fit(members, schema, target, tensors)
    if content["format"] == 1 and schema.image_shape is None:
        members = tuple(_in_order(member, schema) for member in members)
    return Model(members, schema, target, content["target_name"], content["record"])


def _header(file: BinaryIO, size: int) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes before the data, and the JSON header in them."""
    start = file.read(8)
    if len(start) < 8:
        raise ModelFileError("this is no goodfit model: the file is empty or cut short.")
    length = int.from_bytes(start, "little")
    if length > MOST_HEADER:
        raise ModelFileError("this is no goodfit model file (it does not begin like a safetensors file).")
    if 8 + length > size:
        raise ModelFileError("this model file is cut short: copy it again.")
    text = file.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFileError("this is no goodfit model file (its header is not JSON).") from None
    if not isinstance(header, dict):
        raise ModelFileError("this is no goodfit model file (its header is not an object).")
    return start + text, header


def _content(header: dict[str, Any]) -> dict[str, Any]:
    metadata = header.pop("__metadata__", None)
    text = metadata.get("goodfit") if isinstance(metadata, dict) else None
    if not isinstance(text, str) or len(metadata) != 1:  # type: ignore[arg-type]
        raise ModelFileError("this safetensors file was not written by goodfit.")
    try:
        content = restored(json.loads(text))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ModelFileError("this model file's description is damaged.")
    return content


def _refuse_version(version: Any) -> None:
    if isinstance(version, int) and version > FORMAT:
        raise ModelFileError(
            f"this model file has format {version} and this goodfit reads up to {FORMAT}: update goodfit."
        )
    raise ModelFileError(f"this model file has an unknown format, {version!r}.")


def _check_hash(front: bytes, data: bytes) -> None:
    place = _hash_place(front)
    whole = hashlib.sha256(front[:place] + _ZEROS.encode() + front[place + 64 :])
    whole.update(data)
    if whole.hexdigest().encode() != front[place : place + 64]:
        raise ModelFileError("this model file was altered or cut short after it was written: copy it again.")


def _extents(header: dict[str, Any], size: int) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return shape and first byte of each array; they must tile ``size`` bytes without gap or overlap."""
    found: dict[str, tuple[tuple[int, ...], int]] = {}
    expected = 0
    for name in sorted(header):
        entry = header[name]
        try:
            dtype, shape, (low, high) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
            whole = all(type(n) is int and n >= 0 for n in (*shape, low, high))
        except (TypeError, KeyError, ValueError):
            raise ModelFileError(
                f"the array {name[:60]!r} in this model file is not described as it must be."
            ) from None
        # no array has more than four axes: an endless product is not computed
        fits = dtype == "F32" and whole and len(shape) <= 4 and high - low == 4 * math.prod(shape)
        if not fits or low != expected:
            raise ModelFileError(
                f"the array {name[:60]!r} in this model file has a wrong type, shape or place."
            )
        if high > size:
            raise ModelFileError("this model file is cut short: copy it again.")
        found[name] = shape, low
        expected = high
    if expected != size:
        raise ModelFileError("this model file has bytes that belong to no array.")
    return found


def _member(i: int, entry: dict[str, Any], tensors: dict[str, np.ndarray]) -> ModelMember:
    if set(entry) != _MEMBER_KEYS:
        raise ModelFileError(f"network {i} in this model file is not described as it must be.")
    architecture = checked(i, entry["architecture"])
    if 2 * (len(architecture["hidden"]) + len(architecture["conv"])) > len(tensors):
        raise ModelFileError(f"network {i} in this model file is lacking arrays for its layers.")
    params, running = {}, {}
    for name, shape in shapes(architecture).items():
        array = tensors.get(f"member.{i}.{name}")
        if array is None or array.shape != shape or not np.isfinite(array).all():
            raise ModelFileError(f"the array {name!r} of network {i} is lacking, misshapen or not finite.")
        if name.endswith(".var") and (array < 0).any():
            raise ModelFileError(f"the array {name!r} of network {i} holds a negative variance.")
        (running if name.endswith((".mean", ".var")) else params)[name] = array
    weight = entry["weight"]
    if type(weight) not in (int, float) or not 0 < weight <= 1e6:
        raise ModelFileError(f"network {i} in this model file has no positive weight.")
    if not isinstance(entry["recipe"], dict) or not isinstance(entry["text"], str):
        raise ModelFileError(f"network {i} in this model file is not described as it must be.")
    return ModelMember(architecture, params, running, float(weight), entry["recipe"], entry["text"])


def _in_order(member: ModelMember, schema: Schema) -> ModelMember:
    """Return a member of format 1, whose inputs followed one another as the columns do, in today's order."""
    first = "hidden.0.weight" if member.architecture["hidden"] else "output.weight"
    return replace(member, params={**member.params, first: member.params[first][schema.order]})


def _check_target(target: TargetCodec) -> None:
    """Refuse classes or numbers that cannot be decoded."""
    if target.task == "regression":
        sound = (
            math.isfinite(target.y_mean) and 0 < target.y_scale < math.inf and target.y_low <= target.y_high
        )
    else:
        sound = 2 <= len(target.classes) == len(set(target.classes))
        try:
            target.decode(np.zeros(1, np.int64))
        except (IndexError, ValueError):  # no label, or one that spells no number
            sound = False
    if not sound:
        raise ModelFileError("this model file's target has classes or numbers that cannot be decoded.")


def _check_pixels(schema: dict[str, Any], members: tuple[ModelMember, ...]) -> None:
    """Refuse images of another size than the networks take: a schema names each of its pixels."""
    if not members:
        raise ModelFileError("this model file holds no network.")
    shape = schema.get("image_shape")
    if shape is not None and not (
        isinstance(shape, list)
        and 1 <= len(shape) <= 4
        and all(type(n) is int and n > 0 for n in shape)
        and math.prod(shape) == members[0].architecture["inputs"]
    ):
        raise ModelFileError("network 0 in this model file does not fit its columns or classes: image sizes.")


def _check_fit(
    members: tuple[ModelMember, ...], schema: Schema, target: TargetCodec, tensors: dict[str, np.ndarray]
) -> None:
    """Refuse members that do not fit the columns, the classes, or the arrays in the file."""
    if any(column.quantiles and column.kind not in ("number", "date") for column in schema.inputs):
        raise ModelFileError("this model file's schema is damaged: only numbers and dates have quantiles.")
    if target.task == "regression":
        heads = {("identity", 1)}
    else:
        heads = {("softmax", len(target.classes))} | ({("sigmoid", 1)} if len(target.classes) == 2 else set())
    for i, member in enumerate(members):
        head = member.architecture["head"], member.architecture["outputs"]
        one = member.architecture
        fits = one["inputs"] == schema.width and one["numbers"] <= schema.numbers
        fits = fits and tuple(one["image"]) in ((), schema.layout["image"])
        if not fits or tuple(one["categories"]) != schema.categories or head not in heads:
            raise ModelFileError(f"network {i} in this model file does not fit its columns or classes.")
    if len(tensors) != sum(len(m.params) + len(m.running) for m in members):
        raise ModelFileError("this model file holds arrays that no network uses.")
