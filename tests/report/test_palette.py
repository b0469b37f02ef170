"""A technique looks the same everywhere, and apart from its neighbours for every eye and printer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from goodfit.report.palette import luminance, text_colour
from goodfit.report.style import colour, line_style, styles_for

GROUPS = {
    "update rules": ["SGD", "Momentum", "Nesterov", "AdaGrad", "RMSProp", "Adam", "AdamW"],
    "initial weights": ["σ = 1", "σ = 0.01", "Xavier", "He"],
    "batch norm": ["no batch norm", "batch norm", "batch norm before", "batch norm after"],
    "decay": ["no decay", "weight decay"],
    "dropout": ["no dropout", "dropout", "dropout (book)", "dropout (inverted)", "dropout (slip)"],
    "sets": ["training", "validation", "test"],
}
SEEN_BY = {  # Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
    "everyone": np.eye(3),
    "deuteranopes": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "protanopes": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(label: str, eye: str = "everyone") -> np.ndarray:
    """Return the colour of a label in CIE L*a*b*, as seen."""
    rgb = np.array([int(colour(label)[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(SEEN_BY[eye] @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", SEEN_BY)
@pytest.mark.parametrize("group", GROUPS)
def test_colours_of_a_group_stay_apart_for_every_eye(group, eye):
    for one, other in itertools.combinations(GROUPS[group], 2):
        assert np.linalg.norm(lab(one, eye) - lab(other, eye)) > 15, (one, other)


@pytest.mark.parametrize("group", GROUPS)
def test_colours_of_a_group_stay_apart_in_grey_and_differ_in_line_or_marker(group):
    for one, other in itertools.combinations(GROUPS[group], 2):
        assert abs(lab(one)[0] - lab(other)[0]) > 6, (one, other)
        assert line_style(one)["marker"] != line_style(other)["marker"], (one, other)


def test_the_test_of_colours_can_fail():
    assert np.linalg.norm(lab("Adam") - lab("batch norm")) == 0


@pytest.mark.parametrize(
    ("label", "known"),
    [
        ("adam", "Adam"),
        ("ADAM, learning rate 0.001", "Adam"),
        ("AdamW 0.01", "AdamW"),
        ("sigma 1", "σ = 1"),
        ("σ=0.01", "σ = 0.01"),
        ("Sigma = 0.01, tanh", "σ = 0.01"),
        ("none", "no batch norm"),
        ("dropout (book), test", "dropout (book)"),
        ("dropout 0.2", "dropout"),
    ],
)
def test_a_label_is_known_by_its_leading_words(label, known):
    assert line_style(label) == line_style(known)


@pytest.mark.parametrize("label", ["Adamantium", "σ = 1.5", "σ = 10", "hence", "testing", "my SGD"])
def test_a_label_that_only_looks_alike_is_not_taken_for_known(label):
    assert styles_for(["mine", label])[label] == styles_for(["mine", "yours"])["yours"]


@pytest.mark.parametrize(
    "labels",
    [
        [label for group in GROUPS.values() for label in group],
        ["Adam 0.1", "Adam 0.01", "Adam", "adam", "AdamW", "SGD", "none", "no batch norm"],
        [f"arm {i}" for i in range(40)],
        ["", "_", "$x_1$", "<b>", "SGD"],
    ],
)
def test_no_two_labels_of_a_figure_share_a_style(labels):
    styles = styles_for(labels)
    assert list(styles) == labels
    assert len({str(sorted(style.items(), key=str)) for style in styles.values()}) == len(labels)
    assert styles == styles_for(labels)


def test_a_technique_keeps_its_style_beside_unknown_labels():
    styles = styles_for(["mine", "yours", "Adam", "theirs", "SGD"])
    assert styles["Adam"] == line_style("Adam")
    assert styles["SGD"] == line_style("SGD")
    assert len({style["color"] for style in styles.values()}) == 5


@pytest.mark.parametrize("label", [label for group in GROUPS.values() for label in group])
def test_labels_are_readable_on_white(label):
    ink = text_colour(colour(label))
    assert 1.05 / (luminance([int(ink[i : i + 2], 16) for i in (1, 3, 5)]) + 0.05) >= 4.5
