"""What arguments of several functions have in common."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np


def whole_number(value: Any) -> int | None:
    """An integer of Python's or numpy's as Python's; None for anything else."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
