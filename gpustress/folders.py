"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import bad_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
        `folder` is a file, or holds something that is not replaceable.
    OSError
        The disk is full, or may not be written to.
    """
    target = Path(os.path.realpath(folder))
    if target.exists() and not target.is_dir():
        raise bad_argument("folder", str(folder), "is a file", "Name a folder, or a new one.")
    kept = (
        sorted(entry.name for entry in target.iterdir() if not replaceable(entry)) if target.exists() else []
    )
    if kept:
        holds = f"holds `{kept[0]}`" + (f" and {len(kept) - 1} more" if len(kept) > 1 else "")
        message = f"{holds}, which writing would take away"
        raise bad_argument("folder", str(folder), message, "Name a new folder, or move that elsewhere first.")
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    aside, old = (target.with_name(f".{target.name}.{mark}.{end}") for end in ("new", "old"))
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
