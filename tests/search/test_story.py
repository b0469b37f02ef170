"""A study's story: its trials stand in the order in which the search ranks them."""

from __future__ import annotations

import pytest

from goodfit.search.story import RoundStory, Story


def round_of(wave, steps, *trials):
    keys = ("number", "step", "error", "loss")
    found = {t[0]: dict(zip(keys, t, strict=True), result="trained", keys=[]) for t in trials}
    region = {"ranges": {}, "options": {}, "log": []}
    return RoundStory(wave, wave > 0, region, (steps // 9, steps // 3, steps), found)


@pytest.mark.parametrize(("by_error", "order"), [(True, [2, 0, 3, 1]), (False, [0, 3, 2, 1])])
def test_full_runs_are_ranked_together_however_long_they_are(by_error, order):
    """Where time is short a harvest has shorter full runs; the best of them may be the best of all."""
    long = round_of(0, 90, (0, 90, 0.034, 0.1), (1, 30, 0.02, 0.05))
    short = round_of(1, 60, (2, 60, 0.032, 0.3), (3, 60, 0.05, 0.2))
    story = Story((long, short), 1.0, True, False)
    assert [t["number"] for t in story.ranked(by_error)] == order
