"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .arguments import has_utf8
from .errors import InputError, Problem, bad_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_NAME: Final = 255  # bytes, on every file system in use
_ELSEWHERE: Final = "Name a new folder, e.g. results/first."


def target_of(folder: str | os.PathLike[str], argument: str = "folder") -> Path:
    """The absolute path of a folder that is to be written, or replaced.

    Parameters
    ----------
    folder : path
    argument : str
        As errors name it.

    Raises
    ------
    InputError
        It is no path, or a file, or lies below one; its name is too long; or it is the working directory, or
        a folder that holds that.
    """
    text = _path_text(folder, argument, _ELSEWHERE)
    try:
        target = Path(os.path.realpath(text))
        home = Path(os.path.realpath(os.getcwd())) if os.path.exists(os.curdir) else None
        mode = _mode(target)
    except NotADirectoryError as error:
        raise bad_argument(argument, text, "lies below a file", _ELSEWHERE) from error
    except OSError as error:
        raise bad_argument(argument, text, f"can't be written: {error.strerror}", _ELSEWHERE) from error
    if mode is not None and not stat.S_ISDIR(mode):
        raise bad_argument(argument, text, "is a file", "Name a folder, or a new one.")
    if home is not None and (target == home or target in home.parents):
        message = "is the working directory" if target == home else "holds the working directory"
        raise bad_argument(argument, text, f"{message}, which is not replaced", _ELSEWHERE)
    if os.path.ismount(target):
        raise bad_argument(argument, text, "is a mount point, which can't be replaced", _ELSEWHERE)
    return target


def folder_at(folder: str | os.PathLike[str], remedy: str, argument: str = "folder") -> Path:
    """The path of a folder that is to be read.

    Raises
    ------
    InputError
        It is no path, or there is no such folder, or it may not be read.
    """
    path = Path(_path_text(folder, argument, remedy))
    if not os.path.isdir(path):
        raise bad_argument(argument, str(folder), "is no folder", remedy)
    if not os.access(path, os.R_OK | os.X_OK):
        raise bad_argument(argument, str(folder), "may not be read: permission denied", "Make it readable.")
    return path


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Name the file of a folder that may not be read.

    Raises
    ------
    InputError
    """
    try:
        yield
    except PermissionError as error:
        name, message = Path(error.filename or folder).name, "may not be read: permission denied"
        raise InputError([Problem(name, None, None, "", message, "Make it readable.")]) from error


@contextmanager
def consistent(folder: Path, manifest: str, remedy: str) -> Iterator[None]:
    """Say of a folder of results what may not be read, or that the files do not fit each other.

    Raises
    ------
    InputError
    """
    import pyarrow as pa

    try:
        with readable(folder):
            yield
    except (pa.ArrowException, LookupError, AttributeError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        message = f"does not fit the files beside it ({error})"
        raise InputError([Problem(manifest, None, None, "", message, remedy)]) from error


def check_page(path: str | os.PathLike[str], argument: str = "path") -> Path:
    """The absolute path of a file that is to be written, or replaced, in a folder that is there.

    Raises
    ------
    InputError
        It is no path, or a folder; or its folder is not there or may not be written to.
    """
    remedy = "Name a file in a folder that is there and writable, e.g. report.html."
    target = Path(_path_text(path, argument, remedy)).absolute()
    try:
        if target.is_dir():
            raise bad_argument(argument, str(target), "is a folder", remedy)
        os.rmdir(tempfile.mkdtemp(prefix=".gpustress-", dir=target.parent))
    except OSError as error:
        message = f"can't be written: {error.strerror}"
        raise bad_argument(argument, str(target), message, remedy) from error
    return target


def _path_text(path: str | os.PathLike[str], argument: str, remedy: str) -> str:
    """A path as text that a file system takes."""
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise bad_argument(argument, path, "is no path", remedy) from error
    if not text:
        raise bad_argument(argument, text, "is empty", remedy)
    if "\0" in text or not has_utf8(text):
        raise bad_argument(argument, text, "holds a character that has no place in a name", remedy)
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(text).parts):
        raise bad_argument(argument, text, f"has a name longer than {LONGEST_NAME} bytes", remedy)
    return text


def check_writable(target: Path, argument: str = "folder") -> None:
    """Try whether a folder can be made at `target`; leaves nothing there.

    Raises
    ------
    InputError
        It can't, or what is there may not be replaced.
    """
    place = next(parent for parent in target.parents if parent.exists())
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".gpustress-", dir=place))
    except OSError as error:
        message = f"can't be written: {error.strerror}"
        raise bad_argument(argument, str(target), message, "Make it writable, or name another.") from error
    if target.exists() and not os.access(target, os.R_OK | os.W_OK | os.X_OK):
        message = "may not be read and replaced"
        raise bad_argument(argument, str(target), message, "Make it writable, or name another.")


def _mode(path: Path) -> int | None:
    """What kind of file it is; None where there is none."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


@contextmanager
def whole_folder(folder: str | os.PathLike[str], replaceable: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a new folder to write into, which takes the place of `folder` at the end.

    Until then, and if anything fails, `folder` stays as it was.

    Parameters
    ----------
    folder : path
        What is to be written. Its parents are made where they are missing.
    replaceable : function of a path
        Whether an entry of a folder that is there already may go. Where one may not, nothing is written.

    Yields
    ------
    Path
        An empty folder beside `folder`.

    Raises
    ------
    InputError
        `folder` is none that may be written, see `target_of`, or holds something that is not replaceable.
    OSError
        The disk is full, or may not be written to.
    """
    target = target_of(folder)
    try:
        kept = sorted(each.name for each in target.iterdir() if not replaceable(each))
    except FileNotFoundError:
        kept = []
    except PermissionError as error:
        message = "may not be read, to see what writing would take away"
        raise bad_argument("folder", str(folder), message, "Make it readable, or name a new one.") from error
    if kept:
        holds = f"holds `{kept[0]}`" + (f" and {len(kept) - 1} more" if len(kept) > 1 else "")
        message = f"{holds}, which writing would take away"
        raise bad_argument("folder", str(folder), message, "Name a new folder, or move that elsewhere first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    aside, old = (target.with_name(f".gpustress-{mark}.{end}") for end in ("new", "old"))
    aside.mkdir()
    try:
        yield aside
        if target.exists():
            target.rename(old)
        aside.rename(target)
    finally:
        if old.exists() and not target.exists():  # whatever came between the two renames
            old.rename(target)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
