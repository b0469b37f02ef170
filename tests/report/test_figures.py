"""Every figure on awkward input: nothing warns, nothing overlaps, names come out as they are."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.text import Text

from goodfit.report.figures import (
    Curve,
    Panel,
    curves,
    dots,
    effects,
    heatmap,
    histograms,
    new_figure,
    paths,
    save,
)
from goodfit.report.labels import GAP
from goodfit.report.style import svg

HOSTILE = [
    "$x_1$",
    "_hidden",
    '"><img src=x onerror=alert(1)>',
    "\\frac{a}{b} ^ & %",
    "長い名前",
    "a" * 300,
    "",
]
NAN = float("nan")


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def falling(seeds=3, points=40, floor=0.1, seed=0) -> Curve:
    x = np.arange(points)
    noise = np.random.default_rng(seed).normal(0, 0.02, (seeds, points))
    return Curve(x, floor + 2 * np.exp(-x / 8) + noise)


def diverging(seeds=3, points=40, at=5) -> Curve:
    curve = falling(seeds, points)
    curve.y[:, at:] = np.nan
    return curve


def texts(figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def boxes(figure, wanted=lambda text: True):
    """Return (text, box in pixels) of what is drawn; ticks beyond an axis' ends are not."""
    figure.draw_without_rendering()
    beyond = set()
    for axis in itertools.chain.from_iterable((ax.xaxis, ax.yaxis) for ax in figure.axes):
        low, high = sorted(axis.get_view_interval())
        beyond |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(t.get_text(), t.get_window_extent()) for t in found if t not in beyond and wanted(t)]


def overlaps(found) -> list[tuple[str, str]]:
    return [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(found, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 1
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    ]


def beside(text) -> bool:
    """Is this a direct label: right of its panel's frame?"""
    return text.axes is not None and text.get_window_extent().x0 > text.axes.get_window_extent().x1 + GAP / 2


def panel(arms, **changes) -> Panel:
    return Panel("", arms, changes.pop("x_label", "epoch"), changes.pop("y_label", "loss"), **changes)


NO_NUMBER = {"a": np.array([NAN]), "b": np.full(3, NAN)}
ABC = {"row_title": "a", "column_title": "b", "value_label": "c"}
MANY = [str(i) for i in range(30)]
GONE = {"SGD": np.array([[-7, 2], [1e30, 0], [NAN, 1]]), "no": np.full((2, 2), NAN), "c": np.zeros((3, 2))}
AWKWARD = {
    "one seed": lambda: curves([panel({"SGD": falling(1)})]),
    "one point": lambda: curves([panel({"SGD": Curve(np.ones(1), np.ones((1, 1)))}, x_log=True, y_log=True)]),
    "no point": lambda: curves([panel({"SGD": falling(points=0)})]),
    "no arm": lambda: curves([panel({})]),
    "all diverged": lambda: curves([panel({"SGD": diverging(at=0)}, y_log=True)]),
    "some diverged": lambda: curves([panel({"SGD": diverging(), "Adam": falling(), "He": diverging(at=0)})]),
    "constant": lambda: curves([panel({"a": Curve(np.arange(5), np.ones((2, 5)))}, y_log=True)]),
    "zeros": lambda: curves([panel({"a": Curve(np.arange(5), np.zeros((2, 5)))}, x_log=True, y_log=True)]),
    "infinite": lambda: curves([panel({"a": Curve(np.arange(4), np.array([[1, np.inf, 2, 1e300]]))})]),
    "seven arms": lambda: curves([panel({f"arm {i}": falling(seed=i) for i in range(7)})]),
    "thirty arms": lambda: curves([panel({f"arm {i}": falling(seed=i) for i in range(30)})]),
    "16 panels": lambda: curves([panel({"He": falling(1)}, note="x" * 90)] * 16, columns=4, share_y=True),
    "5 in 3 columns": lambda: curves([panel({"He": falling()}, levels={"$": 1.0})] * 5, columns=3),
    "hostile curves": lambda: curves(
        [Panel(HOSTILE[2], {n: falling() for n in HOSTILE}, HOSTILE[0], HOSTILE[5], levels={"_": 1.0})]
    ),
    "hostile legend": lambda: curves([panel({name: falling() for name in HOSTILE})] * 3, columns=3),
    "hostile dots": lambda: dots(dict.fromkeys(HOSTILE, np.ones(2)), x_label=HOSTILE[0], levels={"_$": 1.0}),
    "dots of one seed": lambda: dots({"a": np.array([1.0])}, x_label="x"),
    "dots without a number": lambda: dots(NO_NUMBER, x_label="x", x_log=True),
    "dots below 0 on a log axis": lambda: dots({"a": np.array([-1.0, 1e-9, 1.0])}, x_label="x", x_log=True),
    "dots with intervals": lambda: dots({"a": np.ones(2)}, x_label="x", intervals={"a": (1.0, NAN, NAN)}),
    "one cell": lambda: heatmap(
        np.ones((1, 1)), row_labels=["$"], column_labels=["_"], mark=np.ones((1, 1), bool), **ABC
    ),
    "cells without a number": lambda: heatmap(
        np.full((2, 3), NAN), row_labels=HOSTILE[:2], column_labels=HOSTILE[:3], title=HOSTILE[4], **ABC
    ),
    "many cells": lambda: heatmap(
        np.arange(900.0).reshape(30, 30), row_labels=MANY, column_labels=MANY, **ABC
    ),
    "empty histograms": lambda: histograms(
        {"a": [np.zeros(3)], "$b$": [np.array([1, 0, 0]), np.full(3, NAN)]},
        np.arange(4),
        x_label="$x$",
        notes={"a": ["$std_1$"]},
    ),
    "histograms of own edges": lambda: histograms({"a": [np.arange(3)]}, {"a": [np.arange(4)]}, x_label="x"),
    "one path": lambda: paths(VALLEY, {"$a_1$": np.array([[-7.0, 2.0]])}, notes={"$a_1$": "x" * 300}),
    "paths that diverge": lambda: paths(VALLEY, GONE),
    "effects": lambda: effects(
        [("$x$ " * 40, 0.1, NAN, NAN, "holds"), ("b", NAN, NAN, NAN, ""), ("c", -1, -2, 0.5, "cannot tell")],
        x_label="$d$",
    ),
}
x, y = np.linspace(-10, 10, 40), np.linspace(-5, 5, 30)
VALLEY = (x, y, x[None] ** 2 / 20 + y[:, None] ** 2)


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_input_is_drawn_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the drawing functions must not; a bare draw may
        figure = AWKWARD[name]()
        found = svg(figure)
    assert found.startswith(b"<?xml")
    assert figure.get_size_inches()[0] <= 11
    assert min(text.get_fontsize() for text in figure.findobj(Text)) >= 8 - 1e-9


def test_names_come_out_as_they_are():
    names = ["$x_1$", "_hidden", "a_b^c", "\\alpha"]
    arms = {name: falling() for name in names}
    direct = curves([Panel("$t$", arms, "x_i", "$y$", note="$note_1$")])
    legend = curves([panel(arms)], direct_labels=False)
    assert {*names, "$t$", "x_i", "$y$", "$note_1$"} <= set(texts(direct))
    assert set(names) <= set(texts(legend))
    assert not any(text.get_parse_math() or text.get_usetex() for text in direct.findobj(Text))
    assert set(names) <= set(texts(dots({name: np.arange(3.0) for name in names}, x_label="x")))


def test_direct_labels_do_not_overlap_and_keep_the_order_of_the_lines():
    arms = {f"arm number {i}": falling(floor=0.1 + 0.001 * i, seed=1) for i in range(8)}
    for axis in ({}, {"y_log": True}):
        figure = curves([panel(arms, levels={"a level": 0.1}, **axis)])
        labels = boxes(figure, beside)
        assert len(labels) == 9
        assert not overlaps(labels)
        heights = [box.y0 for text, box in labels if text.startswith("arm")]
        assert heights == sorted(heights)
        width, height = figure.get_size_inches() * figure.dpi
        assert all(box.x1 <= width and box.y0 >= 0 and box.y1 <= height for _, box in labels)


def thirds(names) -> dict[str, np.ndarray]:
    return {name: np.arange(3.0) / 3 for name in names}


READABLE = {
    "four panels": lambda: curves(
        [panel({"SGD": diverging(), "Adam": falling()}, y_log=True)] * 4, columns=2
    ),
    "16 panels": lambda: curves(
        [panel({"SGD": diverging(), "Adam": falling(), "He": falling()})] * 16, columns=4, share_y=True
    ),
    "long labels": lambda: curves([panel({"a long name " * 4: falling(), "another " * 9: falling()})]),
    "dots": lambda: dots(
        thirds(f"an arm of some length {i}" for i in range(6)),
        x_label="accuracy",
        levels={"a": 1.0, "b": 2.0},
    ),
    "heatmap": lambda: heatmap(
        np.random.default_rng(0).random((6, 9)),
        row_labels=[f"{i}" for i in range(6)],
        column_labels=[f"0.99{i}" for i in range(9)],
        row_title="β1",
        column_title="β2",
        value_label="loss",
        title="outlined: best",
    ),
    "histograms": lambda: histograms(
        {arm: [np.arange(30)] * 5 for arm in ("Xavier", "He")},
        np.linspace(0, 1, 31),
        x_label="activation",
        notes={"Xavier": ["std 0.12"] * 5},
    ),
    "paths": lambda: paths(
        VALLEY,
        dict.fromkeys(("SGD", "Momentum", "AdaGrad", "Adam"), np.zeros((3, 2))),
        notes={"SGD": "path 1.9× the straight way, y changes sign 28×"},
    ),
    "effects": lambda: effects(
        [("a claim that is rather long and needs two lines", 0.1, 0.0, 0.2, "cannot tell at 10 seeds")] * 4,
        x_label="loss",
    ),
}


@pytest.mark.parametrize("name", READABLE)
def test_no_two_texts_overlap_and_none_leaves_the_figure(name):
    figure = READABLE[name]()
    shown = boxes(figure)
    assert len(shown) > 8
    assert not overlaps(shown)
    width, height = figure.get_size_inches() * figure.dpi
    inside = [b.x0 > -1 and b.y0 > -1 and b.x1 < width + 1 and b.y1 < height + 1 for _, b in shown]
    assert all(inside), [text for (text, _), good in zip(shown, inside, strict=True) if not good]


def test_diverged_members_are_counted_and_never_drawn():
    some = falling(4)
    some.y[:3, 20:] = np.nan
    said = " ".join(texts(curves([panel({"SGD": diverging(4, at=0), "Adam": some})])))
    assert "SGD: 4 of 4 diverged" in said
    assert "Adam: 3 of 4 diverged" in said
    assert "diverged" not in " ".join(texts(curves([panel({"Adam": some}, note="mine")])))
    rate = Curve(np.array([0.01, 0.1, 1.0]), np.array([[1.0, 2.0, NAN], [1.0, NAN, NAN]]))
    said = " ".join(" ".join(texts(curves([panel({"Adam": rate}, x_label="learning rate")]))).split())
    assert "up to 2 of 2 diverged from 0.1 to 1" in said
    said = texts(dots({"a": np.array([1.0, NAN]), "b": np.array([NAN])}, x_label="x"))
    assert "diverged" in said
    assert any("1 of 2 diverged" in text for text in said)
    cells = heatmap(np.array([[1.0, NAN]]), row_labels=["r"], column_labels=["a", "b"], row_title="r",
                    column_title="c", value_label="v")  # fmt: skip
    assert "Hatched: diverged." in texts(cells)


def test_the_line_is_the_median_and_the_band_what_the_small_print_says():
    few = Curve(np.arange(3), np.array([[1.0, 2, 3], [2, 3, 4], [9, 9, 9]]))
    figure = curves([panel({"a": few})])
    drawn = [
        line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 3 and line.get_marker() == "o"
    ]
    assert drawn[0].get_ydata().tolist() == [2, 3, 4]
    assert any("median of 3 seeds" in text and "lowest to the highest" in text for text in texts(figure))
    assert any("10th to 90th" in text for text in texts(curves([panel({"a": falling(6)})])))
    assert "One seed." in texts(curves([panel({"a": falling(1)})]))


def test_columns_not_measured_are_passed_over_in_time_and_left_open_in_settings():
    values = np.array([[1.0, NAN, 3.0]] * 2)
    for label, points in (("epoch", 2), ("learning rate", 3)):
        ax = curves([panel({"a": Curve(np.arange(1, 4), values)}, x_label=label)]).axes[0]
        assert len(ax.get_lines()[0].get_xdata()) == points


def test_an_arm_takes_the_line_of_another_dashed_for_test():
    arms = {f"weight decay, {part}": falling() for part in ("training", "test")}
    lines = curves([panel(arms, line_of=dict.fromkeys(arms, "weight decay"))]).axes[0].get_lines()
    solid, dashed = [line for line in lines if line.get_marker() == "s"]
    assert solid.get_color() == dashed.get_color()
    assert (solid.is_dashed(), dashed.is_dashed()) == (False, True)


def test_shared_axes_are_labelled_at_the_outside_only():
    axes = curves([panel({"He": falling()})] * 4, columns=2, direct_labels=False, share_y=True).axes
    shown = [(bool(ax.get_xlabel()), bool(ax.get_ylabel())) for ax in axes]
    assert shown == [(False, True), (False, False), (True, True), (True, False)]


def test_one_full_bin_does_not_flatten_the_others():
    dead = np.r_[1000, np.zeros(29)]
    alive = np.r_[500, np.full(29, 17.0)]
    figure = histograms({"σ = 0.01": [dead] * 2, "He": [alive] * 2}, np.linspace(0, 1, 31), x_label="x")
    assert figure.axes[0].get_ylim()[1] < 0.2
    assert any("peak 100 %" in text for text in texts(figure))
    even = histograms({"Xavier": [alive[1:]] * 2}, np.linspace(0, 1, 30), x_label="x")
    assert not any("peak" in text for text in texts(even))


def test_numbers_in_cells_contrast_and_marked_cells_are_outlined():
    values = np.array([[0.0, 1.0]])
    figure = heatmap(values, row_labels=["r"], column_labels=["a", "b"], row_title="r", column_title="c",
                     value_label="v", mark=np.array([[True, False]]))  # fmt: skip
    dark, light = (text for text in figure.axes[0].texts if text.get_text() in ("0.000", "1.000"))
    assert (dark.get_color(), light.get_color()) == ("white", "black")
    assert len([patch for patch in figure.axes[0].patches if not patch.get_fill()]) == 2


def test_verdicts_differ_in_word_and_marker():
    claims = [
        ("a", 1.0, 0.5, 1.5, "holds"),
        ("b", 1.0, 0.5, 1.5, "does not hold"),
        ("c", 1, 0, 2, "cannot tell"),
    ]
    figure = effects(claims, x_label="x")
    markers = [line.get_marker() for line in figure.axes[0].get_lines() if line.get_marker() != "None"]
    assert len(set(markers)) == len(markers) == 3
    assert all(any(claim[4] in text for text in texts(figure)) for claim in claims)


def test_files_have_equal_bytes_whatever_the_users_settings_are(tmp_path):
    def draw(folder):
        return [
            path.read_bytes() for path in save(curves([panel({"$a$": falling(), "b": falling()})]), folder)
        ]

    first = draw(tmp_path / "a")
    before = dict(rcParams)
    rcParams["lines.linewidth"] = 9.0
    rcParams["font.family"] = ["monospace"]
    try:
        second = draw(tmp_path / "b")
    finally:
        rcParams.update({key: before[key] for key in ("lines.linewidth", "font.family")})
    assert first == second
    assert dict(rcParams) == before
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["figure.png", "figure.svg"]
    assert b"<text" not in first[0]
    assert b"<dc:date>" not in first[0]


def test_an_empty_figure_has_the_house_look():
    figure = new_figure(4, 3)
    assert figure.get_size_inches().tolist() == [4, 3]
    assert svg(figure)
