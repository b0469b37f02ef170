"""``goodfit diagnose``: train one network and say what its layers show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from goodfit.cli.ending import interrupts_held_back

if TYPE_CHECKING:
    from goodfit.recipe import Recipe
    from goodfit.techniques.initializers import Initializer
    from goodfit.techniques.optimizers import Optimizer

_Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A table, images or a name, as for `goodfit fit`.")
]
_Target = Annotated[str | None, typer.Option(metavar="COL", help="The column to predict.")]
_Hidden = Annotated[
    str | None,
    typer.Option(
        metavar="WIDTHS",
        help="Widths of the hidden layers, such as 100,100,100 (unless given), or none for a linear model.",
    ),
]
_Activation = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="relu (unless given), leaky_relu, sigmoid, tanh, gelu, silu, selu, mish or identity.",
    ),
]
_Optimizer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="sgd, momentum, nesterov, adagrad, rmsprop, adam (unless given) or adamw.",
    ),
]
_Rate = Annotated[
    float | None, typer.Option("--lr", metavar="LR", help="Learning rate; unless given, the optimizer's own.")
]
_Init = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="First weights: auto (unless given: by activation), he, xavier, glorot, lecun, or a standard "
        "deviation such as 0.01.",
    ),
]
_BatchNorm = Annotated[bool, typer.Option("--batch-norm", help="Batch norm before each activation.")]
_LayerNorm = Annotated[bool, typer.Option("--layer-norm", help="Layer norm before each activation.")]
_Dropout = Annotated[float | None, typer.Option(metavar="R", help="Share of hidden units dropped.")]
_Decay = Annotated[float | None, typer.Option(metavar="L", help="λ of ½·λ·Σ‖W‖², added to the loss.")]
_BatchSize = Annotated[int | None, typer.Option(metavar="B", help="Rows in a mini-batch; unless given, 128.")]
_Steps = Annotated[int | None, typer.Option(metavar="N", help="Updates; unless given, 300.")]
_Seed = Annotated[int, typer.Option(metavar="N", help="Of split, first weights, batches and dropout.")]
_Model = Annotated[
    str | None,
    typer.Option(
        metavar="RUN", help="Take the recipe of this finished run's winner instead of the options above."
    ),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
_NOT_RECIPE = ("data", "target", "steps", "seed", "model", "as_json")


def diagnose(
    ctx: typer.Context,
    data: _Data,
    target: _Target = None,
    hidden: _Hidden = None,
    activation: _Activation = None,
    optimizer: _Optimizer = None,
    lr: _Rate = None,
    init: _Init = None,
    batch_norm: _BatchNorm = False,
    layer_norm: _LayerNorm = False,
    dropout: _Dropout = None,
    weight_decay: _Decay = None,
    batch_size: _BatchSize = None,
    model: _Model = None,
    steps: _Steps = None,
    seed: _Seed = 0,
    as_json: _AsJson = False,
) -> None:
    """Train one network on DATA and say what its layers show.

    Dead or saturated units, gradients that vanish or explode, activations that shrink with depth, updates
    too large or too small for the weights, a loss that is stuck: since when, what to try, and who says so.
    Only training rows are read; the rows that `goodfit fit` would seal or validate on are not.
    """
    with interrupts_held_back():
        from goodfit.cli.output import print_json
        from goodfit.data.prepare import Request, prepare
        from goodfit.engine.diagnose import diagnose_rows
        from goodfit.engine.train import check_whole
        from goodfit.model.problem import make_problem

    recipe = _recipe(ctx.params)
    steps = check_whole(steps, "--steps")
    prepared = prepare(Request(data, target=target, seed=_checked_seed(seed)))
    problem, rows = make_problem(prepared, None), prepared.train
    given = problem.network, recipe, rows.x, problem.targets(rows), rows.loss_weight
    found = diagnose_rows(*given, seed=seed, steps=steps, columns=prepared.schema.features)
    if as_json:
        print_json({"data": data, "target": prepared.target, **found.to_json()})
    else:
        typer.echo(f"{data}: {problem.task} of {prepared.target}\n{found.text()}")


def _checked_seed(seed: int) -> int:
    from goodfit.errors import must_be

    if seed < 0:
        raise must_be("--seed", "a whole number >= 0", seed)
    return seed


def _recipe(options: dict[str, Any]) -> Recipe:
    """Return the recipe that the options describe, or that of the run named by ``--model``."""
    from goodfit.errors import InputError
    from goodfit.recipe import Recipe

    given = {
        name: value
        for name, value in options.items()
        if name not in _NOT_RECIPE and value is not None and value is not False
    }
    if options["model"] is not None:
        if given:
            names = ", ".join("--" + name.replace("_", "-") for name in given)
            raise InputError(f"--model brings its own recipe: leave out {names}, or leave out --model.")
        return _recipe_of_run(options["model"])
    lr = given.pop("lr", None)
    changes: dict[str, Any] = {
        **given,
        "hidden": _widths(given.get("hidden", "100,100,100")),
        "optimizer": _optimizer(given.get("optimizer", "adam"), lr),
        "init": _initial(given.get("init", "auto")),
    }
    return Recipe(**changes)


def _recipe_of_run(run: str) -> Recipe:
    from goodfit.errors import RunFolderError
    from goodfit.recipe import Recipe
    from goodfit.store.run import RunFolder

    result = RunFolder(run).result()
    if result is None:
        raise RunFolderError(f"--model {run}: no finished run of `goodfit fit` is there.")
    return Recipe.from_json(result["winner"]["recipe"])


def _widths(text: str) -> tuple[int, ...]:
    from goodfit.errors import must_be

    if text.strip().lower() in ("", "none", "0"):
        return ()
    parts = [part.strip() for part in text.lower().replace("x", ",").split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise must_be("--hidden", "widths such as 100,100,100, or none", text)
    return tuple(int(part) for part in parts)


def _optimizer(name: str, lr: float | None) -> Optimizer:
    from goodfit.errors import must_be, nearest
    from goodfit.techniques.optimizers import OPTIMIZERS

    by_lower = {known.lower(): kind for known, kind in OPTIMIZERS.items()}
    if name.lower() not in by_lower:
        raise must_be("--optimizer", f"one of {', '.join(by_lower)}{nearest(name, by_lower)}", name)
    kind = by_lower[name.lower()]
    return kind() if lr is None else kind(lr=lr)  # type: ignore[call-arg]


def _initial(text: str) -> Initializer | str:
    from goodfit.errors import must_be, nearest
    from goodfit.techniques.initializers import Gaussian, Glorot, He, LeCun, Xavier

    rules = {"he": He, "xavier": Xavier, "glorot": Glorot, "lecun": LeCun}
    if text.lower() == "auto":
        return "auto"
    if text.lower() in rules:
        return rules[text.lower()]()
    try:
        sigma = float(text)
    except ValueError:
        known = ["auto", *rules]
        allowed = f"one of {', '.join(known)}, or a standard deviation such as 0.01{nearest(text, known)}"
        raise must_be("--init", allowed, text) from None
    return Gaussian(sigma)
