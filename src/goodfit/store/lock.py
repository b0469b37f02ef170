"""One writer at a time: an advisory lock that ends with its process, however that ends."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from goodfit.errors import RunFolderError
from goodfit.store.atomic import check_writable_folder

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None


@contextmanager
def only_writer(folder: Path) -> Iterator[bool]:
    """Be the only one to write to a folder, made if need be, until the block ends.

    The kernel keeps the lock, on the file ``lock`` in the folder, and lets go of it when the process ends:
    none is ever left behind. Two threads exclude each other as two processes do; who only reads asks for
    none. Yields whether there is a lock: some network file systems have none, nor has Windows.

    Raises:
        RunFolderError: another process writes there, or the folder cannot be written.
    """
    path = check_writable_folder(folder) / "lock"
    try:
        handle, locked = _open_locked(path)
    except BlockingIOError:
        message = f"{folder} is in use by {_holder(path)}: wait until that ends, or end it, and try again."
        raise RunFolderError(message) from None
    except OSError as error:
        raise RunFolderError(f"Cannot write {path}: {error.strerror}.") from error
    try:
        yield locked
    finally:
        with suppress(OSError):  # a folder that is gone, or read-only by now
            path.unlink()
        os.close(handle)


def lock_file(handle: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed; return whether that is possible here.

    Raises:
        BlockingIOError: another has it, and ``wait`` is false.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return False
    return True


def writer(folder: Path) -> str | None:
    """Return who writes to a folder, such as ``process 12 on host``; None if nobody does.

    It takes no lock: a process of this machine is asked for by its number, another machine's is believed.
    """
    try:
        text = (folder / "lock").read_text()
    except (OSError, ValueError):
        return None
    found = re.fullmatch(r"process (\d+) on (.*)", text)
    if not found or (found[2] == platform.node() and not _lives(int(found[1]))):
        return None
    return text


def _lives(process: int) -> bool:
    if fcntl is None:  # where a signal of 0 is not a question
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _open_locked(path: Path) -> tuple[int, bool]:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = lock_file(handle, wait=False)
            if not locked or _is_still(handle, path):
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {platform.node()}".encode())
                return handle, locked
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # whoever had it removed it in this instant


def _is_still(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return path.read_text() or "another process"
    except (OSError, ValueError):
        return "another process"
