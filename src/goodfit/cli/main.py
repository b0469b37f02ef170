"""The command ``goodfit``: its commands, its version, and where its clock starts."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from goodfit.cli.diagnose import diagnose
from goodfit.cli.doctor import doctor
from goodfit.cli.ending import EXIT_CODES, guarded
from goodfit.cli.export import export
from goodfit.cli.fit import fit
from goodfit.cli.inspect import inspect
from goodfit.cli.lab import lab_draw, lab_list, lab_run
from goodfit.cli.predict import predict
from goodfit.cli.refit import refit
from goodfit.cli.report import report
from goodfit.cli.study import study_export, study_extend, study_resume, study_show
from goodfit.cli.unseal import unseal
from goodfit.cli.watch import watch

app = typer.Typer(
    name="goodfit",
    help="Train neural networks well: every technique side by side on your own data, with honest numbers.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _group(name: str, help_text: str, commands: dict[str, Callable[..., Any]]) -> typer.Typer:
    """Return a command of commands."""
    group = typer.Typer(
        name=name, help=help_text, epilog=EXIT_CODES, no_args_is_help=True, rich_markup_mode=None
    )
    for word, command in commands.items():
        group.command(word, epilog=EXIT_CODES)(guarded(command))
    return group


for _command in (fit, predict, inspect, export, report, watch, refit, unseal, diagnose, doctor):
    app.command(epilog=EXIT_CODES)(guarded(_command))
app.add_typer(
    _group(
        "lab",
        "See each technique at work: the chapter's comparisons on MNIST or on your own data, judged.",
        {"list": lab_list, "run": lab_run, "draw": lab_draw},
    )
)
app.add_typer(
    _group(
        "study",
        "Look at the search of a run, go on with it, give it more budget, or hand it to Optuna.",
        {"show": study_show, "resume": study_resume, "extend": study_extend, "export": study_export},
    )
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import goodfit

        typer.echo(f"goodfit {goodfit.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):  # on a terminal without Unicode, a table with "?" beats none
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # A time budget counts from the start of the process; until here the interpreter alone has worked.
    app(obj={"started": time.time() - time.process_time()})
