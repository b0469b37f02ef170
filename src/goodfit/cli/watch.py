"""``goodfit watch``: the live page of a run."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Annotated

import typer


def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The folder of a `goodfit fit`, running or not.")],
    port: Annotated[
        int, typer.Option(metavar="N", help="On which port to serve; 0 takes a free one.", min=0, max=65535)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON object.")] = False,
) -> None:
    """Serve the live page of a run on this machine, and print its address; Ctrl-C ends it, not the run.

    The page follows the run's journal: progress, learning curves, rounds and ranges as they come, the whole
    report at the end. It is served on loopback only, to who has the token in the address, and changes
    nothing. From another machine: ssh -L PORT:127.0.0.1:PORT HOST. Needs an extra: pip install
    'goodfit[watch]'.
    """
    with suppress(AttributeError, OSError):  # the run goes first, where there are priorities
        os.nice(10)
    from goodfit.cli.output import print_json
    from goodfit.errors import RunFolderError
    from goodfit.store.run import RunFolder
    from goodfit.watch.feed import Feed
    from goodfit.watch.server import Server

    if not RunFolder(run).config_file.exists():
        raise RunFolderError(
            f"There is no run in {run} yet: start `goodfit fit … --out {run}` first, in another terminal."
        )
    feed = Feed(run)
    server = Server(feed, port)
    if as_json:
        print_json({"run": run, "address": server.address})
    else:
        typer.echo(server.address)
        typer.echo(f"Ctrl-C ends the page{'' if feed.finished else '; the run goes on'}.", err=True)
    with suppress(KeyboardInterrupt):
        server.run()
