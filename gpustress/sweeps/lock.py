"""One process a folder: a lock that ends with its owner, whatever ends that."""

from __future__ import annotations

import errno
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ..checksums import read_json
from ..errors import bad_argument

LOCK: Final = ".lock"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_HELD: Final = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


@dataclass(frozen=True)
class Owner:
    """Who holds a folder.

    Attributes
    ----------
    user, host : str
    pid : int
    boot_id : str
        Of the machine since it was started; "" where it does not say.
    """

    user: str
    host: str
    pid: int
    boot_id: str

    def __str__(self) -> str:
        """Return what a person looks for: process, host and user."""
        return f"process {self.pid} on {self.host} ({self.user})"


def this_process() -> Owner:
    """Who we are."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user that has no name
        user = str(os.getuid()) if hasattr(os, "getuid") else ""
    boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    return Owner(user, socket.gethostname(), os.getpid(), boot_id)


@contextmanager
def locked(folder: Path, argument: str = "out") -> Iterator[None]:
    """Hold a folder while the block runs.

    The lock is the operating system's, on a file that names the owner. It ends with the process that holds it, so
    that a dead owner's is simply free; a number of a process that came back, or a clock, plays no part.

    Raises
    ------
    InputError
        Another process holds the folder, or its file system has no locks.
    """
    file = folder / LOCK
    held = _acquire(file, folder, argument)
    try:
        os.ftruncate(held, 0)
        os.pwrite(held, json.dumps(asdict(this_process())).encode(), 0)
        yield
    finally:
        file.unlink(missing_ok=True)  # while it is held: nobody can hold a file that is on its way out
        os.close(held)


def owner(folder: Path) -> Owner | None:
    """Who holds a folder now; None where nobody does."""
    import fcntl

    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _named(folder / LOCK)
    finally:
        os.close(descriptor)
    return None


def _acquire(file: Path, folder: Path, argument: str) -> int:
    import fcntl

    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_same(descriptor, file):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno in _HELD:
                remedy = "Wait until it has ended, or end it, or name another folder."
                message = f"is being written by {_named(file) or 'another process'}"
                raise bad_argument(argument, str(folder), message, remedy) from error
            message = f"lies on a file system that can't lock files ({error.strerror})"
            raise bad_argument(argument, str(folder), message, "Name a folder on another one.") from error
        os.close(descriptor)


def _is_same(descriptor: int, file: Path) -> bool:
    """Whether the file that was locked is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except FileNotFoundError:
        return False


def _named(file: Path) -> Owner | None:
    """The owner that the file names."""
    found = read_json(file)
    try:
        return Owner(**found)
    except TypeError:
        return None
