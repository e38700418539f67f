"""Answers as plain data, ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa


def fields_as_json(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an answer: tables as lists of rows, numbers that JSON lacks as null."""
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, pa.Table):
        return _plain(value.to_pylist())
    if isinstance(value, Mapping):
        return fields_as_json(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
