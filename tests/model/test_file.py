"""A model file is read whole and right, or refused in a sentence; memory stays in proportion to the file."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodfit.errors import GoodfitError, InputError, ModelFileError
from goodfit.model import file
from goodfit.model.file import load_model, model_bytes, parse_model, save_model

GIB = 2**30


def take_apart(data):
    """Return header without metadata, content of the key "goodfit", and array bytes of a model file."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return header, json.loads(header.pop("__metadata__")["goodfit"]), data[start:]


def put_together(header, content, body, metadata=None):
    """Return the file of these parts with a right hash: only its meaning can be wrong."""
    zeros = "0" * 64
    inner = json.dumps({**content, "sha256": zeros}, sort_keys=True, separators=(",", ":"))
    if metadata is None:
        metadata = {"goodfit": inner}
    text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    whole = len(text).to_bytes(8, "little") + text + body
    return whole.replace(zeros.encode(), hashlib.sha256(whole).hexdigest().encode(), 1)


def refused(data):
    """Return the one sentence of refusal."""
    with pytest.raises(ModelFileError) as caught:
        parse_model(data)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 400
    return message


def peak_of(work):
    """Return the most bytes that Python and NumPy held at once during ``work``."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(norm="batch")


@pytest.fixture(scope="module")
def data(model):
    return model_bytes(model)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)])
def test_round_trip(tmp_path, make_model, columns, task, norm, hidden):
    model = make_model(task, norm=norm, hidden=hidden)
    path = tmp_path / "model.safetensors"
    assert save_model(path, model) == hashlib.sha256(path.read_bytes()).hexdigest()
    again = load_model(path)
    rows = columns(20)
    assert (
        again.outputs(again.schema.encode(rows)).tobytes()
        == model.outputs(model.schema.encode(rows)).tobytes()
    )
    assert again.inspect() == model.inspect()
    assert model_bytes(again) == path.read_bytes()


def test_bytes_depend_on_content_alone(model, data, make_model):
    assert model_bytes(make_model(norm="batch")) == data
    member = model.members[0]
    turned = copy.copy(member)
    for name in ("architecture", "params", "running", "recipe"):
        object.__setattr__(turned, name, dict(reversed(getattr(member, name).items())))
    other = copy.copy(model)
    object.__setattr__(other, "members", (turned, *model.members[1:]))
    assert model_bytes(other) == data
    code = """
import sys
from goodfit.model.file import model_bytes, parse_model
sys.stdout.buffer.write(model_bytes(parse_model(sys.stdin.buffer.read())))
"""
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=data,
            capture_output=True,
            env={"PYTHONHASHSEED": seed},
            check=True,
        )
        assert done.stdout == data


def test_any_safetensors_reader_opens_it(data, model):
    arrays = pytest.importorskip("safetensors.numpy").load(data)
    member = model.members[1]
    np.testing.assert_array_equal(arrays["member.1.output.weight"], member.params["output.weight"])
    np.testing.assert_array_equal(arrays["member.1.hidden.0.norm.var"], member.running["hidden.0.norm.var"])


def test_names_with_the_marker_of_the_hash(make_model):
    model = make_model()
    object.__setattr__(model, "target_name", '","sha256":"' + "0" * 64 + '","x":"')
    object.__setattr__(model, "record", {"sha256": "0" * 64, "text": '\\"sha256\\":\\"'})
    assert parse_model(model_bytes(model)).target_name == model.target_name


def test_scores_that_are_not_finite(make_model):
    model = make_model()
    object.__setattr__(model, "record", {"scores": [float("nan"), float("-inf")], "text": "NaN"})
    scores, text = parse_model(model_bytes(model)).record.values()
    assert np.isnan(scores[0])
    assert (scores[1], text) == (float("-inf"), "NaN")


def test_a_description_too_large_to_load_is_not_written(make_model, monkeypatch):
    monkeypatch.setattr(file, "MOST_HEADER", 1000)
    with pytest.raises(InputError, match="train on fewer columns"):
        model_bytes(make_model())


# ---- what is not a whole model file ----


def test_every_altered_byte_is_noticed(data):
    for place in range(len(data)):
        refused(data[:place] + bytes([data[place] ^ (1, 32, 128)[place % 3]]) + data[place + 1 :])


def test_every_missing_end_is_noticed(data):
    for size in range(len(data)):
        refused(data[:size])
    refused(data + b"\0")
    refused(data + data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\0\0\0", "empty or cut short"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "no goodfit model"),
        (b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94", "no goodfit model"),
        (b"PK\x03\x04" + bytes(100), "no goodfit model|cut short"),
        (b"\x93NUMPY\x01\0v\0" + bytes(200), "no goodfit model"),
        (bytes(1000), "no goodfit model"),
        ((10 * GIB).to_bytes(8, "little") + b"{}", "no goodfit model"),
        ((2**64 - 1).to_bytes(8, "little") + b"{}", "no goodfit model"),
        ((60 * 2**20).to_bytes(8, "little") + b"{}", "cut short"),
        ((2).to_bytes(8, "little") + b"[]", "not an object"),
        ((2).to_bytes(8, "little") + b"{}", "not written by goodfit"),
        ((4).to_bytes(8, "little") + b"\xff\xfe{}", "not JSON"),
        ((200_000).to_bytes(8, "little") + b'{"a":' * 40_000, "not JSON"),
        ((10_005).to_bytes(8, "little") + b'{"a":' + b"9" * 9_999 + b"}", "not JSON"),
    ],
)
def test_foreign_files(content, words):
    peak = peak_of(lambda: refused(content))
    assert peak < 100 * len(content) + 2**20
    assert re.search(words, refused(content))


def test_a_file_of_another_program(data):
    safetensors = pytest.importorskip("safetensors.numpy")
    assert "not written by goodfit" in refused(safetensors.save({"weight": np.ones((2, 2))}))
    assert "not written by goodfit" in refused(safetensors.save({"a": np.ones(2)}, {"format": "pt"}))


def test_paths(tmp_path, model):
    for path in (tmp_path / "missing.safetensors", tmp_path / "no" / "folder", tmp_path):
        with pytest.raises(ModelFileError, match=re.escape(str(path))):
            load_model(path)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ModelFileError, match="Cannot read"):
        load_model(tmp_path / "file" / "model")
    with pytest.raises(ModelFileError, match=r"file: this is no goodfit model"):
        load_model(tmp_path / "file")
    save_model(tmp_path / "model.safetensors", model)
    assert load_model(tmp_path).inspect() == load_model(str(tmp_path / "model.safetensors")).inspect()


# ---- whole files, rightly hashed, whose meaning is wrong ----


def edit(path, value):
    """Return a change of header or content: ``path`` leads to a place; ``...`` as value removes it."""

    def change(header, content, body):
        place = {"header": header, "content": content}
        for key in path[:-1]:
            place = place[key]
        if value is ...:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return header, content, body

    return change


WEIGHT = "member.0.hidden.0.weight"  # [4, 5]
ARCHITECTURE = ("content", "members", 0, "architecture")
LIES = {
    "newer": (edit(("content", "format"), 3), "format 3.*up to 2: update goodfit"),
    "no format": (edit(("content", "format"), ...), "unknown format, None"),
    "odd format": (edit(("content", "format"), "1"), "unknown format"),
    "format 0": (edit(("content", "format"), 0), "unknown format"),
    "unknown key": (edit(("content", "plugin"), "os.system"), "keys.*plugin"),
    "no schema": (edit(("content", "schema"), ...), "keys.*schema"),
    "empty schema": (edit(("content", "schema"), {}), "schema is damaged"),
    "damaged target": (edit(("content", "target", "classes"), [1, 2, 3]), "target is damaged"),
    "two classes of three": (edit(("content", "target", "classes"), ["no", "yes"]), "does not fit"),
    "members no list": (edit(("content", "members"), 3), "damaged"),
    "no members": (edit(("content", "members"), []), "no network|no member|holds"),
    "member no table": (edit(("content", "members", 0), 7), "damaged|described"),
    "unknown member key": (edit(("content", "members", 0, "module"), "os"), "described"),
    "record no table": (edit(("content", "record"), 5), "damaged"),
    "weight 0": (edit(("content", "members", 0, "weight"), 0.0), "weight"),
    "weight NaN": (edit(("content", "members", 0, "weight"), float("nan")), "weight"),
    "weight text": (edit(("content", "members", 0, "weight"), "much"), "damaged|weight"),
    "unknown activation": (edit((*ARCHITECTURE, "activation"), "exec"), "not know"),
    "unknown head": (edit((*ARCHITECTURE, "head"), "hydra"), "not know"),
    "unknown norm": (edit((*ARCHITECTURE, "norm"), "group"), "not know"),
    "unknown place": (edit((*ARCHITECTURE, "norm_position"), "beside"), "not know"),
    "no probabilities": (edit((*ARCHITECTURE, "head"), "identity"), "classes"),
    "endless scale": (edit((*ARCHITECTURE, "hidden_scale"), float("inf")), "not know"),
    "scale NaN": (edit((*ARCHITECTURE, "input_scale"), float("nan")), "not know"),
    "epsilon below 0": (edit((*ARCHITECTURE, "norm_epsilon"), -2.0), "not know"),
    "numbers spelt out": (edit(("content", "target", "class_kind"), "number"), "class"),
    "a class twice": (edit(("content", "target", "classes"), ["no", "no", "yes"]), "class"),
    "unknown part": (edit((*ARCHITECTURE, "skip"), True), "not known"),
    "lacking part": (edit((*ARCHITECTURE, "hidden_scale"), ...), "not known"),
    "wrong type": (edit((*ARCHITECTURE, "inputs"), "4"), "not known"),
    "true for a number": (edit((*ARCHITECTURE, "outputs"), True), "not known"),
    "wide layer": (edit((*ARCHITECTURE, "hidden"), [10**12]), "misshapen"),
    "nested layer": (edit((*ARCHITECTURE, "hidden"), [[5]]), "not know"),
    "no width": (edit((*ARCHITECTURE, "hidden"), [0]), "not know"),
    "more layers": (edit((*ARCHITECTURE, "hidden"), [5, 5]), "lacking"),
    "other inputs": (edit((*ARCHITECTURE, "inputs"), 5), "misshapen|fit"),
    "half floats": (edit(("header", WEIGHT, "dtype"), "F16"), "wrong type"),
    "bfloats": (edit(("header", WEIGHT, "dtype"), "BF16"), "wrong type"),
    "whole numbers": (edit(("header", WEIGHT, "dtype"), "I32"), "wrong type"),
    "no dtype": (edit(("header", WEIGHT, "dtype"), ...), "not described"),
    "turned": (edit(("header", WEIGHT, "shape"), [5, 4]), "misshapen"),
    "flat": (edit(("header", WEIGHT, "shape"), [20]), "misshapen"),
    "many pixels": (edit(("content", "schema", "image_shape"), [2000, 1000]), "fit"),
    "10 GiB": (edit(("header", WEIGHT, "shape"), [65536, 40960]), "wrong type, shape"),
    "10 GiB, said twice": (
        edit(("header", WEIGHT), {"dtype": "F32", "shape": [65536, 40960], "data_offsets": [0, 10 * GIB]}),
        "cut short|place",
    ),
    "endless shape": (edit(("header", WEIGHT, "shape"), [2] * 5000), "wrong type, shape"),
    "negative shape": (edit(("header", WEIGHT, "shape"), [-4, -5]), "wrong type, shape|not described"),
    "fractions": (edit(("header", WEIGHT, "shape"), [4.0, 5.0]), "wrong type, shape"),
    "true for a size": (edit(("header", WEIGHT, "shape"), [True, 20]), "wrong type, shape"),
    "shape no list": (edit(("header", WEIGHT, "shape"), 20), "not described"),
    "overlap": (edit(("header", WEIGHT, "data_offsets"), [0, 80]), "place"),
    "backwards": (edit(("header", WEIGHT, "data_offsets"), [80, 0]), "place"),
    "three offsets": (edit(("header", WEIGHT, "data_offsets"), [0, 80, 160]), "not described"),
    "entry no table": (edit(("header", WEIGHT), "F32"), "not described"),
    "lacking array": (edit(("header", WEIGHT), ...), "place"),
    "array of none": (edit(("header", "z"), {"dtype": "F32", "shape": [0], "data_offsets": [544, 544]}), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_lies(name, data):
    change, words = LIES[name]
    lie = put_together(*change(*take_apart(data)))
    assert peak_of(lambda: refused(lie)) < 2**20
    message = refused(lie)
    assert re.search(words, message), message


def test_the_parts_put_together_are_the_model(data, model):
    """Or the lies would be refused for another reason."""
    assert parse_model(put_together(*take_apart(data))).inspect() == model.inspect()


@pytest.mark.parametrize("metadata", [5, [], {}, {"goodfit": 1}, {"goodfit": "{"}, {"goodfit": "[]"}])
def test_metadata_that_says_nothing(metadata, data):
    header, content, body = take_apart(data)
    refused(put_together(header, content, body, metadata))
    refused(put_together(header, content, body, {"goodfit": json.dumps(content), "more": "text"}))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(value, data):
    header, content, body = take_apart(data)
    body = np.float32(value).tobytes() + body[4:]
    assert "not finite" in refused(put_together(header, content, body))


def test_variances_below_zero(data):
    header, content, body = take_apart(data)
    at = header["member.0.hidden.0.norm.var"]["data_offsets"][0]
    body = body[:at] + np.float32(-1).tobytes() + body[at + 4 :]
    assert "negative" in refused(put_together(header, content, body))


def test_numbers_need_a_plain_output(make_model):
    header, content, body = take_apart(model_bytes(make_model("regression")))
    for change in (
        edit((*ARCHITECTURE, "head"), "softmax"),
        edit(("content", "target", "y_scale"), float("nan")),
        edit(("content", "target", "y_mean"), None),
    ):
        refused(put_together(*change(copy.deepcopy(header), copy.deepcopy(content), body)))


def load_in_little_memory(path):
    """Load where 4 GiB are all there is, and return what was said."""
    code = f"""
import resource
from goodfit.errors import ModelFileError
from goodfit.model.file import load_model
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
try:
    load_model({str(path)!r})
except ModelFileError as error:
    print(error)
"""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs sparse files, /dev and limits of memory")
def test_huge_files_are_not_read(tmp_path, data):
    path = tmp_path / "model.safetensors"
    for start, words in ((b"", "not written by|not JSON"), (data, "belong to no array")):
        path.write_bytes(start)
        os.truncate(path, 10 * GIB)  # sparse: takes no room on the disk
        assert re.search(words, load_in_little_memory(path))
    assert "not a file" in load_in_little_memory("/dev/zero")


def test_memory_is_in_proportion_to_the_file(tmp_path, make_model):
    model = make_model(hidden=(1000, 1000), members=1)
    path = tmp_path / "model"
    save_model(path, model)
    size = path.stat().st_size
    assert size > 4e6
    assert peak_of(lambda: load_model(path)) < 4 * size + 2**20


# ---- anything ----

CALM = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@CALM
@given(st.binary(max_size=200))
def test_any_bytes(noise):
    refused(noise)


@CALM
@given(draw=st.data())
def test_any_damage(draw, data):
    """Cut, repeat, move, overwrite: refused, or still the same bytes."""
    damaged = data
    for _ in range(draw.draw(st.integers(1, 3))):
        start = draw.draw(st.integers(0, len(damaged)))
        stop = draw.draw(st.integers(start, min(len(damaged), start + 64)))
        new = draw.draw(st.one_of(st.binary(max_size=16), st.just(damaged[start:stop] * 2)))
        damaged = damaged[:start] + new + damaged[stop:]
    if damaged != data:
        refused(damaged)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from(["classification", "regression", "identity", "sigmoid", "batch", "number", "boolean",
                       "date", "category", "F32", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def places(value, path=()):
    """Return the paths to every value within a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [p for key, inner in pairs for p in places(inner, (*path, key))]


@settings(CALM, max_examples=400)
@given(draw=st.data())
def test_any_lie_is_refused_or_predicts(draw, data, columns):
    """A rightly hashed file with any value replaced raises nothing but errors of goodfit."""
    header, content, body = take_apart(data)
    path = draw.draw(st.sampled_from(places({"header": header, "content": content})[2:]))
    change = edit(path, draw.draw(st.one_of(JSON, st.just(...))))
    try:
        model = parse_model(put_together(*change(header, content, body)))
    except ModelFileError:
        return
    try:
        model.predict(columns(3))
    except GoodfitError:
        return
    json.dumps(model.inspect())
