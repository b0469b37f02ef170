"""The rows: what is run, against whom, which ratios goodfit should reach, and when scores agree."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    """Who takes part in a row, and what goodfit should reach.

    ``prepare`` is the address MODULE:FUNCTION of what `race.worker` calls. Of a peer ``floor`` is how many
    times as long it should take as goodfit. Of goodfit's own, ``most`` are seconds and ``share`` a share of
    the matrix product's peak. Scores are compared ``by`` their mean or their best; ``tolerance`` is another
    one than the row's.
    """

    name: str
    prepare: str
    ours: bool = False
    floor: float | None = None
    most: float | None = None
    share: float | None = None
    by: str = "mean"
    tolerance: float | None = None


@dataclass(frozen=True)
class Row:
    """A row of the benchmark: one piece of work, one way to score it."""

    key: str
    title: str
    contestants: tuple[Contestant, ...]  # goodfit first
    score: str = "loss"
    tolerance: float = 0.0  # by which the scores' means may differ
    why: str = ""  # the tolerance is this one
    minutes: float = 1.0  # of five rounds, about
    counted: bool = False  # work is counted: rates are told
    rounds: int | None = None  # so many at most

    @property
    def ours(self) -> tuple[Contestant, ...]:
        """Goodfit's own contestants."""
        return tuple(c for c in self.contestants if c.ours)


def _ours(prepare: str, name: str = "goodfit", **more: float) -> Contestant:
    return Contestant(name, prepare, ours=True, **more)


_A = Row(
    "a",
    "100 networks 784-100×6-10, batch 100, SGD at 0.01, 200 steps",
    (
        _ours("race.task:goodfit", share=0.75),
        Contestant("JAX, vmap of scan by hand", "race.with_jax:by_hand", floor=1.6),
        Contestant("PyTorch, eager", "race.with_torch:eager", floor=2.7),
        Contestant("PyTorch, eager, 2 processes", "race.with_torch:processes"),
        Contestant("PyTorch, compiled", "race.with_torch:compiled"),
        Contestant("PyTorch, torch.func ensemble", "race.with_torch:ensemble"),
        Contestant("the book's code", "race.others:book", floor=8.0),
    ),
    "mean loss of the last epoch",
    1e-3,
    "the same arithmetic but for rounding",
    minutes=9,
    counted=True,
)
_B = Row(
    "b",
    "64 networks 64-32-32-10 on digits, batch 32, Adam at 0.001, 50 epochs",
    (
        _ours("race.task:goodfit"),
        Contestant("scikit-learn, one by one", "race.others:sklearn", floor=25.0),
        Contestant("scikit-learn, 2 processes", "race.others:sklearn_processes"),
        Contestant("PyTorch, eager", "race.with_torch:eager", floor=35.0),
        Contestant("PyTorch, eager, 2 processes", "race.with_torch:processes"),
        Contestant("PyTorch, torch.func ensemble", "race.with_torch:ensemble"),
        Contestant("JAX and optax, vmap of scan", "race.with_jax:with_optax", floor=1.6),
    ),
    "mean accuracy on 360 rows held out",
    0.01,
    "rounding grows over 2,250 steps; scikit-learn draws for itself",
    minutes=6,
    counted=True,
)
_C = Row(
    "c",
    "one network 784-100×4-10, batch 128, Adam at 0.001, 2,000 steps",
    (
        _ours("race.task:goodfit"),
        Contestant("PyTorch, eager", "race.with_torch:eager", floor=1.5),
        Contestant("PyTorch, compiled", "race.with_torch:compiled"),
        Contestant("JAX, scan by hand", "race.with_jax:by_hand", floor=0.95),
    ),
    "mean loss of all steps",
    5e-3,
    "rounding grows over 2,000 steps of Adam",
    minutes=2,
    counted=True,
)
_D = Row(
    "d",
    "100 networks as (a) with batch norm and dropout 0.2",
    (
        _ours("race.task:goodfit"),
        Contestant("JAX and optax, vmap of scan", "race.with_jax:with_optax", floor=1.6),
        Contestant("PyTorch, eager", "race.with_torch:eager"),
    ),
    "mean loss of the last epoch",
    0.03,
    "dropout draws other masks",
    minutes=5,
    counted=True,
)
_E = [
    Row(
        f"e{count}",
        f"{what} of RealMLP-TD's form, 256×3, on the table letter, 10 epochs",
        (
            _ours("race.realmlp:goodfit"),
            Contestant("pytabkit RealMLP-TD", "race.realmlp:pytabkit", floor=2.0),
        ),
        "mean accuracy on 5,000 rows held out",
        0.02,
        "first weights and batches are each one's own",
        minutes=minutes,
    )
    for count, what, minutes in ((1, "one network", 1.5), (8, "eight networks", 2.5))
]
_F1 = Row(
    "f1",
    "a random search on digits, 27 candidates × 3 folds, 50 epochs of 64-32-32-10, batch 32; process ready",
    (
        _ours("race.searches:goodfit"),
        Contestant("scikit-learn RandomizedSearchCV", "race.searches:sklearn", floor=12.0),
        Contestant("Optuna TPE, PyTorch", "race.searches:optuna", by="best", tolerance=0.01),
    ),
    "mean of the candidates' accuracies in 3 folds",
    0.02,
    "first weights and batches are each one's own; learning rates up to 0.1",
    minutes=4,
)
_F2 = Row(
    "f2",
    "the search of (f1) as a script, from its start to its exit",
    (
        _ours("race.searches:goodfit_cold", "goodfit, empty cache"),
        _ours("race.searches:goodfit_known", "goodfit, programs known"),
        Contestant("scikit-learn RandomizedSearchCV", "race.searches:sklearn_whole", floor=4.0),
    ),
    _F1.score,
    _F1.tolerance,
    _F1.why,
    minutes=4,
)
_G = Row(
    "g",
    "`goodfit fit digits --budget 20s` until its first score stands on the screen",
    (
        _ours("race.first_score:cold", "goodfit, empty cache", most=3.0),
        _ours("race.first_score:warm", "goodfit, programs known", most=1.8),
    ),
    minutes=1.5,
)
_H = Row(
    "h",
    "`goodfit lab run 1b 2d 3b 4a 5a --quick`, the whole command",
    (
        _ours("race.chapter:goodfit"),
        Contestant("the book's code, estimated", "race.chapter:book"),
    ),
    minutes=3,
    rounds=1,
)
_I = Row(
    "i",
    "8 convolutional networks, 16 and 32 channels, 64 units, on 28×28, batch 128, Adam at 0.001, 60 steps",
    (
        _ours("race.task:goodfit"),
        Contestant("PyTorch, eager", "race.images:eager", floor=1.5),
    ),
    "mean loss of all steps",
    5e-3,
    "the same arithmetic but for rounding, which Adam enlarges",
    minutes=1.5,
)

ROWS = {row.key: row for row in (_A, _B, _C, _D, *_E, _F1, _F2, _G, _H, _I)}


def rows_for(letters: str | None) -> list[Row]:
    """Return the rows whose key begins with one of the letters, (f1) and (f2) for f; all without letters.

    Raises:
        ValueError: a letter that no row has.
    """
    wanted = list(dict.fromkeys((letters or "").replace(",", "").replace(" ", ""))) if letters else []
    unknown = [letter for letter in wanted if not any(key.startswith(letter) for key in ROWS)]
    if unknown:
        raise ValueError(f"there is no row {unknown[0]!r}: {', '.join(ROWS)}")
    return [row for key, row in ROWS.items() if not wanted or key[0] in wanted]
