"""The options that say where a search trains."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Train in N processes on this machine, with Dask (pip install 'goodfit[cluster]'): the same "
        "networks, bit for bit. Unless given: in this process, a lane a core.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Train on the workers of a Dask scheduler, tcp://HOST:PORT or its scheduler file, or on a Ray "
        "cluster that this machine is part of, ray:HOST:PORT or ray:auto (pip install 'goodfit[ray]').",
    ),
]


def trainer_of(workers: int | None, cluster: str | None) -> Any:
    """Return the trainer that was asked for; None: this process."""
    if workers is None and cluster is None:
        return None
    from goodfit.cluster.train import on_cluster

    return on_cluster(workers, cluster)
