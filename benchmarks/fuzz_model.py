"""Damaged model files by the hundred thousand: none may crash, hang, eat memory, or pass for another model.

    python benchmarks/fuzz_model.py [--files 100000] [--seed 0]

Begins with the files kept in tests/model/golden and damages them, again and again: bytes, blocks, lengths and
JSON values, half of them hashed anew so that what lies behind the hash is reached. Guided by coverage: a file
that makes goodfit.model and goodfit.data execute lines in an order not seen before (pairs of lines in
succession) joins those that are damaged further. Whatever loads must be the model itself if the hash was left
alone, and must predict without an error in any case. Told are counts, the slowest file, and peak memory.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from goodfit.errors import GoodfitError, ModelFileError
from goodfit.model import file as model_file
from goodfit.model.file import parse_model
from goodfit.store.canonical import dumps

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "model" / "golden"
WATCHED = ("/goodfit/model/", "/goodfit/data/")
ODD: list[Any] = [None, True, False, 0, 1, -1, 2, 3, 255, 2**31, 2**63, 10**30, -0.0, 0.5, 1e308]
ODD += [float("nan"), float("inf"), "", "x", "relu", "softmax", "../../etc/passwd", "\0", "9" * 30]
ODD += [[], [0], [1, 1], [[1]], {}, {"a": 1}]


class Coverage:
    """Which pairs of lines, one after the other, have been executed in watched modules."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int, int]] = set()
        self.new = 0
        self._last = 0

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            pair = (frame.f_code.co_filename, self._last, frame.f_lineno)
            self._last = frame.f_lineno
            if pair not in self.seen:
                self.seen.add(pair)
                self.new += 1
        return self._line

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        """Follow a call (see `sys.settrace`) if its module is watched."""
        watched = any(part in frame.f_code.co_filename for part in WATCHED)
        return self._line if watched else None


def hashed(front: bytes, data: bytes) -> bytes:
    """Return a file whose hash is right, whatever else is wrong with it."""
    import hashlib

    place = model_file._hash_place(front)
    if place < 64 or place + 64 > len(front):
        return front + data
    front = front[:place] + b"0" * 64 + front[place + 64 :]
    digits = hashlib.sha256(front + data).hexdigest().encode()
    return front[:place] + digits + front[place + 64 :] + data


def taken_apart(content: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes] | None:
    """Return header, description and data of a file, if it is one."""
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        described = json.loads(header.pop("__metadata__")["goodfit"])
        return header, described, content[8 + length :]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def put_together(header: dict[str, Any], described: Any, data: bytes) -> bytes:
    """Return the file of these parts, rightly hashed."""
    if isinstance(described, dict) and "sha256" in described:
        described["sha256"] = "0" * 64
    whole = {**header, "__metadata__": {"goodfit": dumps(described)}}
    text = dumps(whole).encode()
    text += b" " * (-len(text) % 8)
    return hashed(len(text).to_bytes(8, "little") + text, data)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, one in inner for p in places(one, (*path, key)))]


def altered(rng: random.Random, value: Any) -> Any:
    """Return the JSON value with one place of it changed, doubled, moved or taken away."""
    paths = places(value)
    *way, last = rng.choice(paths[1:]) if len(paths) > 1 else (None,)
    if last is None:
        return rng.choice(ODD)
    place = value
    for key in way:
        place = place[key]
    kind = rng.randrange(5)
    if kind == 0:
        del place[last]
    elif kind == 1 and isinstance(place, list):
        place.insert(rng.randrange(len(place) + 1), place[last])
    elif kind == 2 and isinstance(place[last], int | float):
        place[last] = place[last] * rng.choice((-1, 2, 0.5, 10**6)) + rng.choice((0, 1, -1))
    elif kind == 3 and isinstance(place, dict):
        place[rng.choice(("extra", "format", "hidden", "shape"))] = place[last]
    else:
        place[last] = rng.choice(ODD)
    return value


def damaged(rng: random.Random, content: bytes) -> tuple[bytes, bool]:
    """Return a damaged file, and whether its hash was made right again."""
    parts = taken_apart(content) if rng.random() < 0.5 else None
    if parts is not None:
        header, described, data = parts
        which = rng.random()
        if which < 0.65:
            described = altered(rng, described)
        elif which < 0.9:
            header = altered(rng, header)
            header = header if isinstance(header, dict) else {}
        else:
            data = _noise(rng, data)
        return put_together(header, described, data), True
    return _noise(rng, content), False


def _noise(rng: random.Random, content: bytes) -> bytes:
    out = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place, kind = rng.randrange(len(out) + 1), rng.randrange(6)
        if kind == 0 and place < len(out):
            out[place] ^= 1 << rng.randrange(8)
        elif kind == 1 and place < len(out):
            out[place] = rng.randrange(256)
        elif kind == 2:
            del out[place : place + rng.choice((1, 8, 64, 4096))]
        elif kind == 3:
            out[place:place] = rng.randbytes(rng.choice((1, 8, 64)))
        elif kind == 4:
            out[place : place + 8] = rng.choice((0, 1, 2**31, 2**40, 2**63, 2**64 - 1)).to_bytes(8, "little")
        else:
            start = rng.randrange(len(out) + 1)
            out[place:place] = out[start : start + rng.choice((4, 40, 400))]
    return bytes(out)


def tried(content: bytes, rehashed: bool, whole: set[bytes]) -> str:
    """Return what became of a file; anything but the errors it may meet is raised."""
    try:
        model = parse_model(content)
    except ModelFileError:
        return "refused"
    except GoodfitError:
        return "refused (record)"
    if not rehashed and content not in whole:
        raise AssertionError("a damaged file was accepted")
    schema = model.schema
    if schema.width > 10_000:
        return "accepted, wide"
    rows = np.zeros((2, schema.width), np.uint8 if schema.image_shape else np.float32)
    with np.errstate(all="ignore"):
        answers = model.outputs(rows)
    assert answers.shape[0] == 2
    return "accepted"


def main() -> None:
    """Damage, try, count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, coverage, counts = random.Random(options.seed), Coverage(), Counter[str]()
    pool = [path.read_bytes() for path in sorted(GOLDEN.glob("*.safetensors"))]
    whole, slowest, began = set(pool), 0.0, time.perf_counter()
    for n in range(1, options.files + 1):
        content, rehashed = damaged(rng, rng.choice(pool[-50:] if rng.random() < 0.5 else pool))
        coverage.new, started = 0, time.perf_counter()
        sys.settrace(coverage)
        try:
            what = tried(content, rehashed, whole)
        except BaseException:
            Path("fuzz-failure.safetensors").write_bytes(content)
            print(f"file {n}, kept as fuzz-failure.safetensors:", flush=True)
            raise
        finally:
            sys.settrace(None)
        slowest = max(slowest, time.perf_counter() - started)
        counts[what] += 1
        if what.startswith("accepted"):
            whole.add(content)
        if coverage.new and len(content) < 100_000:
            pool.append(content)
        if n % 10_000 == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            print(
                f"{n:,} files in {time.perf_counter() - began:.0f} s: {dict(counts)}, {len(pool)} lead on, "
                f"{len(coverage.seen):,} pairs of lines, slowest {slowest:.2f} s, peak {peak:.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
