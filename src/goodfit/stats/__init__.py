"""Scores, intervals, paired tests, ranks with NaN last (numpy, scipy)."""
