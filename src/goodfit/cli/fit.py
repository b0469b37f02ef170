"""``goodfit fit``: from data to a model with its final exam."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from goodfit.cli.ending import INTERRUPTED, interrupts_held_back
from goodfit.cli.trainer import Cluster, Workers, trainer_of

_Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A .csv or .tsv file (.gz, too), a .parquet or .npz file; a folder of IDX files, or with one "
        "sub-folder of PNG or JPEG images a class; or a name: digits, wine, breast_cancer, diabetes, iris. "
        "With the environment variable GOODFIT_DATA set, also the data sets in that folder.",
    ),
]
_Target = Annotated[
    str | None,
    typer.Option(metavar="COL", help="The column to predict. Images and the named sets know theirs."),
]
_Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="How long to search: a time (45s, 2min, 1h), or '24 members' (networks) or '50000 steps' "
        "(updates, all networks together). Unless given: 30 s, 1 min or 5 min, by the number of rows.",
    ),
]
_Space = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A TOML file that says what may be tried: ranges and options by name (docs/search.md). Unless "
        "given: a space by the kind and size of the data.",
    ),
]
_Sampler = Annotated[
    str,
    typer.Option(metavar="NAME", help="What draws from the space: zoom, or tpe (needs goodfit[optuna])."),
]
_Metric = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The score to be good at: accuracy, balanced_accuracy, f1, log_loss or roc_auc for classes; "
        "r2, rmse or mae for numbers. Unless given: accuracy or r2.",
    ),
]
_Task = Annotated[
    str | None,
    typer.Option(
        metavar="TASK",
        help="classification or regression. Unless given: texts, and up to 20 distinct whole numbers, are "
        "classes; else numbers are predicted.",
    ),
]
_ClassWeight = Annotated[
    str | None,
    typer.Option(
        metavar="balanced",
        help="'balanced' makes rare classes count as much as common ones.",
    ),
]
_Positive = Annotated[
    str | None,
    typer.Option(
        metavar="LABEL",
        help="Of two classes, the one that f1 is about.",
    ),
]
_Valid = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Rows to compare networks on. Unless given: a fifth of DATA, after the sealed rows.",
    ),
]
_CV = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        help="Compare networks by K folds instead of a fifth of the rows: each candidate is K networks, and "
        "every row judges the one that has not seen it. With --group and --time the folds keep to these.",
    ),
]
_Repeats = Annotated[int, typer.Option(metavar="R", help="With --cv: so many times, split anew.")]
_Fold = Annotated[
    str | None,
    typer.Option(metavar="COL", help="A column that names each row's fold, instead of --cv; not an input."),
]
_Test = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Rows for the final exam. Unless given: a fifth of DATA is sealed: nothing looks at it "
        "before the exam.",
    ),
]
_KeepSealed = Annotated[
    bool,
    typer.Option("--keep-sealed", help="No exam yet; `goodfit unseal` holds it."),
]
_Group = Annotated[
    str | None,
    typer.Option(
        metavar="COL",
        help="Rows with the same value here (a patient, a household) stay on one side of every split.",
    ),
]
_Time = Annotated[
    str | None,
    typer.Option(
        metavar="COL",
        help="A date or number to split by: the latest rows are sealed, the ones before validate.",
    ),
]
_Weight = Annotated[
    str | None,
    typer.Option(metavar="COL", help="How much each row counts; not an input."),
]
_Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="COL", help="A column to leave out; may be given repeatedly."),
]
_Out = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="The folder for model and records. Unless given: goodfit-runs/NAME-HASH. The same command "
        "goes on with an unfinished run, and shows a finished one again.",
    ),
]
_Seed = Annotated[int, typer.Option(metavar="N", help="Fixes the splits and every draw.")]
_Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or gpu.")]
_Lanes = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Calls at once; changes the time, not the result. Unless given: one a core.",
    ),
]
_Chunk = Annotated[
    int | None,
    typer.Option(
        metavar="C",
        help="Networks a call; decides their last bits. Unless given: chosen by width (`goodfit doctor`).",
    ),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def fit(
    ctx: typer.Context,
    data: _Data,
    target: _Target = None,
    budget: _Budget = None,
    space: _Space = None,
    sampler: _Sampler = "zoom",
    metric: _Metric = None,
    task: _Task = None,
    class_weight: _ClassWeight = None,
    positive: _Positive = None,
    valid: _Valid = None,
    cv: _CV = None,
    repeats: _Repeats = 1,
    fold: _Fold = None,
    test: _Test = None,
    keep_sealed: _KeepSealed = False,
    group: _Group = None,
    time: _Time = None,
    weight: _Weight = None,
    ignore: _Ignore = None,
    out: _Out = None,
    seed: _Seed = 0,
    device: _Device = "auto",
    lanes: _Lanes = None,
    chunk: _Chunk = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: _AsJson = False,
) -> None:
    """Find, train and examine a network for DATA.

    Techniques are tried side by side until the budget is spent; the best networks become an ensemble; its
    score on the sealed rows, which nothing has seen, is the final exam. Ctrl-C ends the search early and
    keeps the best so far.
    """
    with interrupts_held_back():
        from goodfit.cli.live import live_events
        from goodfit.cli.output import print_json
        from goodfit.cli.report import try_report
        from goodfit.job import run_fit

    settings, trainer = _settings(ctx.params), trainer_of(workers, cluster)
    with live_events() as tell:
        started = (ctx.obj or {}).get("started")
        result = run_fit(settings, on_event=tell, started=started, trainer=trainer)
    try_report(result, out)
    if as_json:
        print_json(result)
    else:
        from goodfit.cli.show import show_result

        show_result(result, data, notes=not tell.visible)
    if result.get("interrupted"):
        raise typer.Exit(INTERRUPTED)


def _settings(params: dict[str, Any]) -> Any:
    """Return the job's settings from the command's options, which have their names."""
    from dataclasses import fields

    from goodfit.job import FitSettings
    from goodfit.search.space_file import read_space_text

    asked = {field.name: params[field.name] for field in fields(FitSettings)}
    space = None if asked["space"] is None else read_space_text(asked["space"])
    return FitSettings(**asked | {"ignore": tuple(asked["ignore"] or ()), "space": space})
