"""What arguments of several functions have in common."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection


def whole_number(value: Any) -> int | None:
    """An integer of Python's or numpy's as Python's; None for anything else."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def one_of(value: Any, known: Collection[str]) -> bool:
    """Whether a value is text, and one of the `known` names: an array, say, can't be looked up among names."""
    return isinstance(value, str) and value in known
