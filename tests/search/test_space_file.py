"""Spaces as TOML: what is written is read back, and every mistake is told where it stands."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.errors import InputError
from goodfit.search import space_file
from goodfit.search.space import Choice, Range, Space, choice, integer, log_uniform, uniform
from goodfit.search.space_file import parse_space, read_space


def value_text(value):
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def node_text(node):
    """TOML for a range, a choice or a value, all in one line."""
    if isinstance(node, Range):
        entries = {k: v for k, v in vars(node).items() if v is not None}
        return "{" + ", ".join(f"{k} = {value_text(v)}" for k, v in entries.items()) + "}"
    if isinstance(node, Choice) and any(node.under):
        parts = []
        for option, below in zip(node.options, node.under, strict=True):
            inner = ", ".join(f"{name} = {node_text(n)}" for name, n in below.items())
            parts.append(f'"{"none" if option is None else option}" = {{{inner}}}')
        return "{" + ", ".join(parts) + "}"
    if isinstance(node, Choice):
        return value_text(node.options)
    return value_text(node)


def text_of(tree):
    return "\n".join(f"{name} = {node_text(node)}" for name, node in tree.items())


names = st.sampled_from(["alpha", "beta_2", "c-d", "e"])
ranges = st.one_of(
    st.builds(uniform, st.floats(-5, 0), st.floats(0.01, 9), floor=st.sampled_from([None, -9.0])),
    st.builds(log_uniform, st.floats(1e-9, 1e-3), st.floats(1e-2, 1e3), ceiling=st.sampled_from([None, 1e5])),
    st.builds(integer, st.integers(1, 4), st.integers(5, 300), log=st.booleans()),
)
values = st.one_of(
    st.booleans(), st.integers(-9, 9), st.none(), st.sampled_from(["relu", "Adam"]), st.just((64, 32))
)
lists = st.lists(values, min_size=1, max_size=4, unique_by=str).map(lambda v: choice(*v))


def trees(depth=2):
    leaf = st.one_of(ranges, lists, values.filter(lambda v: not isinstance(v, tuple)))
    if depth == 0:
        return st.dictionaries(names, leaf, max_size=2)
    options = st.dictionaries(st.sampled_from(["x", "y z", None]), trees(depth - 1), min_size=1, max_size=3)
    tables = options.map(choice).filter(lambda c: any(c.under))
    return st.dictionaries(names, st.one_of(leaf, tables), max_size=3)


@given(trees().filter(bool))
@settings(max_examples=150)
def test_a_space_written_as_toml_is_read_back(tree):
    assert parse_space(text_of(tree)) == Space(tree)


def test_the_example_of_the_module_is_read():
    example = "\n".join(line[4:] for line in space_file.__doc__.splitlines() if line.startswith("    "))
    assert parse_space(example) == Space(
        {
            "hidden": choice((64, 64), (128, 128)),
            "dropout": uniform(0.0, 0.5),
            "weight_decay": log_uniform(1e-6, 1e-2),
            "batch_size": 64,
            "optimizer": choice(
                {"Momentum": {"lr": log_uniform(1e-3, 0.3)}, "Adam": {"lr": log_uniform(3e-4, 0.02)}}
            ),
        }
    )


def test_none_stands_for_no_such_technique_everywhere():
    space = parse_space(
        'schedule = ["Cosine", "none"]\nclip_norm = "none"\n[dropout.none]\n[dropout.Dropout]'
    )
    assert space.choices["schedule"].options == ("Cosine", None)
    assert space.choices["clip_norm"].options == (None,)
    assert space.choices["dropout"].options == (None, "Dropout")


def test_a_file_is_read(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text("dropout = {low = 0.0, high = 0.5}", encoding="utf-8")
    assert read_space(path) == read_space(str(path)) == Space({"dropout": uniform(0.0, 0.5)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"\xff\xfe", "cannot be read: it is not UTF-8 text."),
        (b"lr = ", "is not TOML: "),
        (b"", "is empty: give at least one range or list of options."),
    ],
)
def test_a_file_that_holds_no_space_is_named(tmp_path, content, message):
    path = tmp_path / "space.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read_space(path)
    assert str(error.value).startswith(f"The space in {path} ")


def test_a_folder_is_no_space(tmp_path):
    with pytest.raises(InputError, match="Is a directory"):
        read_space(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = []", "a in s.toml has no options."),
        ("a = {}", "a in s.toml must be a range {low = …, high = …} or a table of options"),
        ("a = {lr = 3}", "a in s.toml must be a range {low = …, high = …} or a table of options"),
        ("[a.Adam]\nlr = []", "a.Adam.lr in s.toml has no options."),
        ("a = {low = 1}", "a in s.toml has no high: a range takes both low and high."),
        ("a = {high = 1}", "a in s.toml has no low: a range takes both low and high."),
        ('a = {low = "1", high = 2}', "a.low in s.toml must be a number, got '1'."),
        ("a = {low = 0, high = true}", "a.high in s.toml must be a number, got True."),
        ("a = {low = 0, high = 1, floor = '0'}", "a.floor in s.toml must be a number, got '0'."),
        ("a = {low = 0, high = 1, log = 1}", "a.log in s.toml must be true or false, got 1."),
        (
            "a = {low = 0, high = 1, hihg = 3}",
            "a in s.toml has an unknown entry 'hihg' (did you mean 'high'?): a range takes low, high, ",
        ),
        ("a = {low = 0, high = 1, log = true}", "a in s.toml: A range must be finite, with floor <= low"),
        ("a = {low = 0, high = nan}", "a in s.toml: The ends and limits of a range must be numbers"),
        ("a = {low = 0.5, high = 3, whole = true}", "a in s.toml: The ends and limits of a range of whole"),
        ("a = [[64], [64]]", "a in s.toml: A choice has the option '64' twice"),
        ("[[a]]\nb = 1", "An option of a in s.toml must be a value or a list of values, got {'b': 1}."),
        ('"a.b" = 1', "The space in s.toml: A name in a space must be a non-empty text without a dot"),
    ],
)
def test_mistakes_are_told_where_they_stand(text, message):
    with pytest.raises(InputError) as error:
        parse_space(text, "s.toml")
    assert str(error.value).startswith(message)
    assert str(error.value).endswith(".")
