"""``goodfit study``: look at a run's search, go on with it, give it more budget, hand it to Optuna."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from goodfit.cli.ending import INTERRUPTED, interrupts_held_back
from goodfit.cli.trainer import Cluster, Workers, trainer_of

_Run = Annotated[str, typer.Argument(metavar="RUN", help="The folder of a `goodfit fit`.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

_STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}


def study_show(
    run: _Run,
    figure: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Also draw the ranges round by round: boxes.svg and boxes.png there."
        ),
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Tell what a search did: rounds, ranges, survivors, failures. Reads the journal; trains nothing."""
    from goodfit.cli.output import print_json
    from goodfit.cli.study_story import draw_story, show_story
    from goodfit.search.story import read_story
    from goodfit.store.run import RunFolder

    folder = RunFolder(run)
    config, story = folder.config(), read_story(run)
    if as_json:
        rounds = [
            {"wave": r.wave, "harvest": r.harvest, "steps": r.steps, "region": r.region, "reached": r.reached}
            | {"trials": list(r.trials.values())}
            for r in story.rounds
        ]
        print_json({"run": run, "seconds": story.seconds, "ended": story.ended, "rounds": rounds})
    else:
        show_story(run, config, story, folder.result())
    if figure is not None:
        paths = draw_story(story, figure)
        typer.echo(f"Drawn: {', '.join(map(str, paths))}", err=as_json)


def study_resume(
    ctx: typer.Context, run: _Run, workers: Workers = None, cluster: Cluster = None, as_json: _AsJson = False
) -> None:
    """Go on with a run that was stopped or killed, as its own command would."""
    _go_on(ctx, run, as_json, trainer_of(workers, cluster))


def study_extend(
    ctx: typer.Context,
    run: _Run,
    budget: Annotated[
        str, typer.Option(metavar="TEXT", help="How much more: of the kind that the run's own budget is.")
    ],
    space: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What the added budget searches: a TOML file (docs/search.md)."),
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: _AsJson = False,
) -> None:
    """Give a finished run more budget: the search goes on where it ended, in another space if one is given.

    The ensemble is chosen anew. If the model changes, its exam opens the sealed rows once more, and the
    result says so.
    """
    _go_on(ctx, run, as_json, trainer_of(workers, cluster), budget, space)


def study_export(
    run: _Run,
    storage: Annotated[
        str, typer.Option(metavar="URL", help="An Optuna storage, such as sqlite:///study.db; made if new.")
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the new study; the folder's name if not given.")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Write a run's search to an Optuna storage, where optuna-dashboard shows it. Changes nothing in the run.

    Needs Optuna: pip install 'goodfit[optuna]'.
    """
    from goodfit.cli.output import count, print_json
    from goodfit.store.run import RunFolder

    RunFolder(run).config()  # says what is no run
    from goodfit.neighbours.export import export_study

    study = export_study(run, storage, name)
    states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
    found = {word: states.count(state) for word, state in _STATES.items()}
    if as_json:
        print_json({"run": run, "storage": storage, "name": study.study_name, "trials": found})
        return
    parts = ", ".join(f"{number} {word}" for word, number in found.items())
    typer.echo(f"{count(len(states), 'trial')} ({parts}) written to {storage} as {study.study_name!r}.")
    typer.echo(f"To look at them: pip install optuna-dashboard && optuna-dashboard {shlex.quote(storage)}")


def _go_on(
    ctx: typer.Context,
    run: str,
    as_json: bool,
    trainer: Any,
    more: str | None = None,
    space: str | None = None,
) -> None:
    with interrupts_held_back():
        from goodfit.cli.live import live_events
        from goodfit.cli.output import print_json
        from goodfit.cli.report import try_report
        from goodfit.events import Event
        from goodfit.rerun import resume
        from goodfit.search.space_file import read_space_text

    text = None if space is None else read_space_text(space)
    unchanged: list[str] = []
    with live_events() as tell:

        def told(event: Event) -> None:
            tell(event)
            if event.kind == "unchanged":
                unchanged.append(event.data["text"])

        started = (ctx.obj or {}).get("started")
        result: dict[str, Any] = resume(
            run, more=more, space=text, on_event=told, started=started, trainer=trainer
        )
    try_report(result, run)
    for line in unchanged:
        typer.echo(line, err=as_json)
    if as_json:
        print_json(result)
    else:
        from goodfit.cli.show import show_result

        show_result(result)
    if result.get("interrupted"):
        raise typer.Exit(INTERRUPTED)
