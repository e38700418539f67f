"""Numbers on the command line: written as people write them, alike in every option."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import typer

_WHOLE: Final = re.compile(r"[+-]?[0-9]+")


def whole(least: int | None = None) -> Callable[[str | int], int]:
    """A parser of whole numbers of at least `least`: digits alone.

    Python's own takes 1_0 for 10, and digits of any script.

    Parameters
    ----------
    least : int, optional

    Returns
    -------
    function of str or int
        It raises typer.BadParameter. Defaults come as they are.
    """

    def parse(given: str | int) -> int:
        if isinstance(given, str) and not _WHOLE.fullmatch(given):
            raise typer.BadParameter(f"{given!r} is no whole number.")
        try:
            number = int(given)
        except ValueError as error:  # more digits than Python reads
            raise typer.BadParameter("It has too many digits.") from error
        if least is not None and number < least:
            raise typer.BadParameter(f"{number} is less than {least}.")
        return number

    return parse


def real(given: str | float) -> float:
    """Parse a number, which may have a point and an exponent.

    Raises
    ------
    typer.BadParameter
        It is none.
    """
    number = number_in(given) if isinstance(given, str) else given
    if number is None:
        raise typer.BadParameter(f"{given!r} is no number.")
    return number


def number_in(text: str) -> float | None:
    """The number that a text is; None where it is none: Python's own takes 1_0 for 10, and digits of any script."""
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None
