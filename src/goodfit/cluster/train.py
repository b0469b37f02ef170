"""Where a search trains: on a cluster, connected before anything is written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from goodfit.cluster.adapter import Adapter
from goodfit.cluster.attempts import FOLDER
from goodfit.cluster.packing import name_of, pack_problem
from goodfit.cluster.population import ClusterPopulation
from goodfit.engine.population import Population
from goodfit.errors import InputError, must_be
from goodfit.network import Network

RAY = "ray:"  # how the address of a Ray cluster begins


@contextmanager
def on_cluster(workers: int | None = None, address: str | None = None) -> Iterator[Callable[..., Population]]:
    """Give what makes a population on a cluster: of ``workers`` here, or the one that runs at ``address``.

    Raises:
        InputError: neither or both are given, or no worker is asked for.
        ClusterError: the cluster cannot be reached, has no worker, or they differ in version.
        MissingExtraError: Dask, or Ray, is not installed.
    """
    if (workers is None) == (address is None):
        raise InputError("Give --workers for processes on this machine, or --cluster for a cluster.")
    if workers is not None and workers < 1:
        raise must_be("--workers", "a whole number >= 1", workers)
    on_ray = address is not None and address.startswith(RAY)
    # Ray writes its troubles where results are told.
    with redirect_stdout(sys.stderr) if on_ray else nullcontext():
        adapter = _adapter(workers, address)
        made: list[ClusterPopulation] = []

        def populate(*args: Any, **rows: Any) -> ClusterPopulation:
            made.append(on_adapter(adapter, *args, **rows))
            return made[-1]

        try:
            yield populate
            for population in made:  # the run has come to its end, and all is written down
                population.close()
        finally:
            adapter.close()


def _adapter(workers: int | None, address: str | None) -> Adapter:
    if address is not None and address.startswith(RAY):
        from goodfit.cluster.ray import RayAdapter

        return RayAdapter(address.removeprefix(RAY))
    from goodfit.cluster.dask import DaskAdapter

    return DaskAdapter(workers=workers, address=address)


def on_adapter(
    adapter: Adapter, network: Network, folder: Path | None, tell: Callable[[str], None], **rows: Any
) -> ClusterPopulation:
    """Return the population of these rows, the arguments of `Population`, on an execution engine."""
    problem = pack_problem(network, rows)
    own = None
    if folder is not None:
        own = folder / FOLDER
        own.mkdir(parents=True, exist_ok=True)
    adapter.offer(problem, own)
    return ClusterPopulation(
        network, adapter=adapter, problem=name_of(problem), folder=own, tell=tell, **rows
    )
