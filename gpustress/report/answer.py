"""What else was asked about a run, for its report to tell."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import bad_argument

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True)
class Answer:
    """One question about a run with the figure that answers it, e.g. of a reverse stress test.

    Attributes
    ----------
    question : str
        As it follows "What would avert it?", e.g. "AI revenue, as a multiple of what is assumed, at which ai_net
        breaks even in the mean".
    value : float or None
        None: there is no such value within the bounds that were searched.
    low, high : float, optional
        Its 95 % interval; infinite, or None beside the other, on a side that is open.
    unit : str
        Written behind the figure; "" where the question says it.
    """

    question: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""


def answer_of_reverse(file: str | PathLike[str]) -> Answer:
    """The answer of a reverse stress test, from what ``gpustress reverse --json`` printed.

    Parameters
    ----------
    file : path

    Raises
    ------
    InputError
        The file holds something else.
    """
    try:
        with open(file, encoding="utf-8") as stream:
            found = json.load(stream)
        question = f"{found['moved']}, at which the {found['statistic']} is {_finite(found['target']):,.6g}"
        root = None if found["root"] is None else _finite(found["root"])
        low, high = (_end(found[key], open_end) for key, open_end in (("low", -math.inf), ("high", math.inf)))
    except OSError as error:
        raise bad_argument(
            "--reverse", str(file), f"may not be read: {error.strerror}", "Name a file."
        ) from error
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise bad_argument("--reverse", str(file), "is not what a reverse stress test found",
                           "Make it by `gpustress reverse ... --json > FILE`.") from error  # fmt: skip
    return Answer(question, root) if root is None else Answer(question, root, low, high)


def _end(value: Any, open_end: float) -> float:
    """An end of the interval of a root; JSON has null for what is infinite."""
    return open_end if value is None else _finite(value)


def _finite(value: Any) -> float:
    """A number of the file; JSON as Python reads it may hold some that are not finite."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
