"""What trains: JAX's devices, and how much memory programs may use on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax


class Hardware(NamedTuple):
    """Devices of one kind.

    Args:
        platform: JAX's word for the kind: ``cpu``, ``gpu``.
        devices: how many there are.
        memory: bytes that programs may use on each; None: the device does not tell, as a CPU.
    """

    platform: str
    devices: int
    memory: int | None

    @property
    def on_host(self) -> bool:
        """Whether the processor itself trains, in as many lanes as it has cores."""
        return self.platform == "cpu"


def default_devices() -> tuple[Any, ...]:
    """Return JAX's devices to train on: all of an accelerator, but one CPU, which has its lanes."""
    chosen = jax.config.jax_default_device  # type: ignore[attr-defined]
    if chosen is not None:
        return (jax.devices(chosen)[0] if isinstance(chosen, str) else chosen,)
    found = jax.local_devices()
    return tuple(found[:1] if found[0].platform == "cpu" else found)


def hardware_of(devices: Sequence[Any]) -> Hardware:
    """Return what these JAX devices, at least one, are."""
    told = [(device.memory_stats() or {}).get("bytes_limit") for device in devices]
    known = [limit for limit in told if limit is not None]
    return Hardware(devices[0].platform, len(devices), min(known, default=None))


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether something failed because memory ran out, whoever noticed."""
    text = str(error)
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text or "Out of memory" in text


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise what JAX raises where memory runs out as `MemoryError`."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(str(error)) from None
