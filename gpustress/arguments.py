"""What arguments of several functions have in common."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from .errors import bad_argument

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def whole_number(value: Any) -> int | None:
    """An integer of Python's or numpy's as Python's; None for anything else."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def is_number(value: Any) -> bool:
    """Whether a value is a finite number of Python's or numpy's, and no bool."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no double holds
        return False


def has_utf8(text: str) -> bool:
    """Whether a text has a UTF-8 form: half a surrogate pair has none."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def is_name(value: Any) -> TypeGuard[str]:
    """Whether a value can be a name: text that is not empty and can be written down."""
    return isinstance(value, str) and value != "" and has_utf8(value)


def names_in(argument: str, value: Any) -> tuple[str, ...]:
    """One name or several as a tuple.

    Raises
    ------
    InputError
        It is neither.
    """
    if isinstance(value, str):
        return (value,)
    if value is None or not isinstance(value, Iterable):
        raise bad_argument(argument, value, "is no name, and no list of names", "Give names as text.")
    return tuple(str(name) for name in value)


def one_of(value: Any, known: Collection[str]) -> bool:
    """Whether a value is text, and one of the `known` names: an array, say, can't be looked up among names."""
    return isinstance(value, str) and value in known


def rows_at_a_time(argument: str, array: Any, size: int) -> Iterator[Any]:
    """So many rows of an array, or of lists of numbers, at a time; what has no rows as it is.

    Raises
    ------
    InputError
        Lists are of different lengths.
    """
    try:
        rows = array if hasattr(array, "__array__") else np.asarray(array)
    except ValueError as fault:
        raise bad_argument(
            argument, array, "is no array of numbers", "Give rows of the same length."
        ) from fault
    if rows.ndim < 2:
        return iter((rows,))
    return (rows[first : first + size] for first in range(0, max(1, len(rows)), size))
