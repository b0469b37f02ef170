"""Stochastic training with scikit-learn's rules for stopping, on the engine's population.

The rules look at each epoch's loss or score, but not after each epoch: with c epochs in a row that did not
improve, nothing can happen before epoch ``n_iter_no_change + 1 − c`` from now, so the engine runs as many
without coming back. The outcome is that of looking each time.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from goodfit.engine.legs import Evaluation, Legs, Member
from goodfit.engine.population import Population
from goodfit.estimators.epochs import Epochs
from goodfit.estimators.nets import Net

SLOWEST = 1e-6  # a learning rate that is not brought down further


@dataclass(frozen=True)
class Rules:
    """When training ends; the names are scikit-learn's."""

    max_iter: int
    tol: float
    n_iter_no_change: float
    early_stopping: bool
    adaptive: bool  # divide the learning rate by 5 instead of stopping
    incremental: bool = False  # one epoch
    verbose: bool = False
    told: Callable[[], bool] | None = None  # called after each epoch; true ends the training


@dataclass(frozen=True)
class Judge:
    """How an evaluation becomes a score: accuracy, or R² of all outputs together."""

    spread: float | None = None  # of numbers: their variance, summed over outputs and divided by their number

    def score(self, error: float) -> float:
        """Return the score of a share of wrong rows, or of a mean squared error."""
        if not np.isfinite(error):
            return float("nan")
        if self.spread is None:
            return 1.0 - error
        if self.spread == 0.0:
            return float(error == 0.0)
        return 1.0 - error / self.spread

    def error(self, score: float) -> float:
        """Return the error that has this score."""
        return (1.0 - score) * (1.0 if self.spread is None else self.spread)


@dataclass
class Run:
    """One network on its way: its member of the population, and its course."""

    net: Net
    member: Member
    epochs: Epochs
    rules: Rules
    judge: Judge | None
    done: bool = False
    read: int = 0  # losses taken in
    heard: int = 0  # evaluations taken in

    def ahead(self) -> int:
        """Return the epochs that can be run before any rule can apply."""
        course, rules = self.net.course, self.rules
        if rules.incremental or rules.told is not None:
            return 1
        patience = max(1.0, rules.n_iter_no_change + 1 - course.no_improvement)
        return int(min(rules.max_iter - course.n_iter, patience))

    def legs(self, epochs: int) -> Legs:
        """Return the engine's orders for so many epochs."""
        until = self.member.step + epochs * self.epochs.steps
        return Legs(until, self.epochs.steps if self.judge else until, keep_losses=True)

    def take_in(self) -> None:
        """Note the epochs that were run, and apply the rules."""
        sizes = self.epochs.rows_by_step()
        losses = self.member.loss_curve.astype(np.float64)
        evaluations = self.member.evaluations
        while self.read < len(losses):
            epoch = losses[self.read : self.read + len(sizes)]
            self.read += len(sizes)
            whole = len(epoch) == len(sizes)  # else it diverged on the way
            self._note(float(epoch @ sizes) / sizes.sum() if whole else float("nan"))
            if self.judge is not None:
                found = evaluations[self.heard] if self.heard < len(evaluations) else None
                self._note_scores(self.judge, found)
                self.heard += 1
        if self.member.diverged:
            self.done = True
        elif self.net.course.no_improvement > self.rules.n_iter_no_change:
            self._on_plateau()
        if not self.done and self.rules.incremental:
            self.done = True
        elif not self.done and self.net.course.n_iter >= self.rules.max_iter:
            self.done = True
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.rules.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _note(self, loss: float) -> None:
        course = self.net.course
        course.n_iter += 1
        course.t += int(self.epochs.rows_by_step().sum())
        course.loss = loss
        course.loss_curve.append(loss)
        if self.rules.verbose:
            print(f"Iteration {course.n_iter}, loss = {loss:.8f}")
        if not self.rules.early_stopping:
            worse = loss > course.best_loss - self.rules.tol
            course.no_improvement = course.no_improvement + 1 if worse else 0
            course.best_loss = loss if loss < course.best_loss else course.best_loss

    def _note_scores(self, judge: Judge, found: Evaluation | None) -> None:
        course = self.net.course
        nothing = float("nan")
        course.losses.append(nothing if found is None else float(found.loss[0]))
        score = nothing if found is None or self.member.diverged else judge.score(float(found.error[0]))
        course.scores.append(score)
        if self.rules.verbose:
            print(f"Validation score: {score:f}")
        if self.rules.early_stopping:
            worse = score < course.best_score + self.rules.tol
            course.no_improvement = course.no_improvement + 1 if worse else 0
        course.best_score = score if score > course.best_score else course.best_score

    def _on_plateau(self) -> None:
        rules = self.rules
        what = "Validation score" if rules.early_stopping else "Training loss"
        text = (
            f"{what} did not improve more than tol={rules.tol:f} for {rules.n_iter_no_change} "
            "consecutive epochs."
        )
        if not rules.adaptive:
            self.done, text = True, f"{text} Stopping."
        elif self._rate() <= SLOWEST:
            self.done, text = True, f"{text} Learning rate too small. Stopping."
        else:
            self.net.rate = self._rate() / 5.0
            recipe = self.member.recipe
            slower = dataclasses.replace(recipe.optimizer, lr=self.net.rate)  # type: ignore[type-var]
            self.member.recipe = dataclasses.replace(recipe, optimizer=slower)
            self.net.course.no_improvement = 0
            text = f"{text} Setting learning rate to {self.net.rate:f}"
        if rules.verbose:
            print(text)

    def _rate(self) -> float:
        return float(self.member.recipe.optimizer.lr)  # type: ignore[attr-defined]

    def settle(self, network: Any) -> None:
        """Hand the network what training reached: the last weights, or with early stopping the best ones."""
        state = self.member.state
        assert state is not None, "the member has not been trained"
        self.net.slots, self.net.step = jax.tree.map(np.array, state.slots), self.member.step
        params, running, step = self.member.weights(best=self.rules.early_stopping)
        if not step:  # a warm start that never improved on where it stood
            return
        moments = network.final_running(self.member.recipe, running, step)
        self.net.take(params, running, moments)


def descend(population: Population, runs: Sequence[Run]) -> None:
    """Train until every run is done; each network then stands where its rules left it.

    An interruption from the keyboard is told in a warning, and what was reached until then is kept.
    """
    rules = runs[0].rules
    try:
        while going := [run for run in runs if not run.done]:
            epochs = min(run.ahead() for run in going)
            population.advance([run.member for run in going], [run.legs(epochs) for run in going])
            for run in going:
                run.take_in()
            if rules.told is not None:
                for run in going:
                    run.settle(population.network)
                if rules.told():
                    break
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    for run in runs:
        if run.member.state is not None:
            run.settle(population.network)
