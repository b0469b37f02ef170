"""How a command ends: its exit code, and what is said when it fails."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from goodfit.errors import GoodfitError

USER, INTERRUPTED, BUG = 2, 130, 1
EXIT_CODES = (
    "Exit codes: 0 done; 2 the input or an option cannot be used (one line on stderr says why, and nothing "
    "has been written); 130 interrupted (what was found so far is kept); 1 a bug in goodfit."
)


def fail(message: str, code: int) -> NoReturn:
    """Say one line on stderr and end with ``code``."""
    typer.echo(" ".join(message.split()), err=True)
    raise typer.Exit(code)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command so that every way of failing has its exit code and its words."""

    @functools.wraps(command)  # typer reads the wrapped signature
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except GoodfitError as error:
            fail(str(error), USER)
        except KeyboardInterrupt:
            fail("Interrupted. A `goodfit fit` goes on when its command is repeated.", INTERRUPTED)
        except (typer.Exit, BrokenPipeError):  # a reader that has seen enough (`| head`) is no failure
            raise
        except Exception:
            import traceback

            typer.echo(traceback.format_exc(), err=True, nl=False)
            fail("This is a bug in goodfit: please report it with the lines above.", BUG)

    return run


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Raise a Ctrl-C of the block at its end: within an import, one of JAX's callbacks can swallow it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
