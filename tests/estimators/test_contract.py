"""scikit-learn's contract for estimators."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from goodfit import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # the checks warn by design


@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
def test_contract(estimator, check):
    check(estimator)


def _expected(estimator: Any) -> dict[str, str]:
    """Return the checks that a trainer on mini-batches and folds fails, with the reason."""
    reason = "a row of weight 2 is in a batch and a fold once, and a row given twice is in two"
    kinds = ("dense_data", "sparse_data")
    return {f"check_sample_weight_equivalence_on_{kind}": reason for kind in kinds}


@parametrize_with_checks([TabularClassifier(), TabularRegressor()], expected_failed_checks=_expected)
def test_contract_of_tables(estimator, check):
    check(estimator)
