"""scikit-learn's own tests of its multi-layer perceptrons, with the import changed and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import sklearn.neural_network

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
PRIVATE = {  # look into private attributes, gradients or optimisers of scikit-learn's own classes
    "test_fit",
    "test_gradient",
    "test_learning_rate_warmstart",
    "test_adaptive_learning_rate",
    "test_n_iter_no_change",
    "test_n_iter_no_change_inf",
}

_file = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
_source = _file.read_text(encoding="utf-8")
assert _source.count(IMPORT) == 1
_own: dict[str, object] = {"__name__": __name__}
exec(compile(_source.replace(IMPORT, "from goodfit import MLPClassifier, MLPRegressor"), _file, "exec"), _own)
globals().update(
    {name: one for name, one in _own.items() if name.startswith("test_") and name not in PRIVATE}
)

pytestmark = pytest.mark.slow


@pytest.fixture(params=[0])
def global_random_seed(request):
    return request.param


def test_the_private_ones_are_there():
    assert set(_own) >= PRIVATE
