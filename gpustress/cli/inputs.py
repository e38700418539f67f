"""What a command reads before it works."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import InputError, bad_argument

if TYPE_CHECKING:
    import pyarrow as pa

    from ..system import System


def system_from(folder: str) -> System:
    """The system in a folder."""
    from ..system import read_system

    return read_system(folder)


def scenarios_from(file: str | None) -> pa.Table | None:
    """Scenarios from a table file; None where none was named."""
    if file is None:
        return None
    from pathlib import Path

    from ..errors import Problem
    from ..files import FORMATS, read_table

    if not os.path.isfile(file) or Path(file).suffix.lower() not in FORMATS:
        raise bad_argument(
            "--scenarios", file, "is no file of a table", f"Name a file: {', '.join(FORMATS)}."
        )
    problems: list[Problem] = []
    table = read_table(Path(file), "scenarios", problems)
    if problems:
        raise InputError(problems)
    return table


def split(effects: list[str]) -> tuple[str, ...]:
    """Effects of a repeated option, each of which may hold several between commas."""
    return tuple(part.strip() for option in effects for part in option.split(","))
