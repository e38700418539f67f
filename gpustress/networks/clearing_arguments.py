"""What clearing is asked with: the method and its costs, and the shocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..arguments import is_number, one_of
from ..errors import LISTED_ROWS, InputError, Problem, bad_argument, nearest, shown
from .contagion_arguments import numbers
from .schema import LARGEST

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .network import Network

METHODS: Final = ("eisenberg_noe", "rogers_veraart")
_AT_ONCE: Final = 1 << 16  # numbers that are looked at together: they stay in a cache
_FAULTS: Final[tuple[tuple[Callable[[NDArray[np.float64]], Any], str, str], ...]] = (
    (lambda array: ~np.isfinite(array), "is not a finite number", "Write a number of at least 0."),
    (lambda array: array < 0.0, "is negative", "Write 0, and what is owed among the external liabilities."),
    (
        lambda array: (array > LARGEST) & np.isfinite(array),
        "is too large",
        f"Write at most {LARGEST:g}.",
    ),
)


def read_costs(method: str, alpha: float, beta: float) -> tuple[float, float]:
    """Read alpha and beta.

    Raises
    ------
    InputError
        There is no such method, a share is none, or a cost is given to a method that has none.
    """
    if not one_of(method, METHODS):
        raise bad_argument("method", method, "is no method", nearest(str(method), METHODS))
    problems = []
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not is_number(value) or not 0.0 <= value <= 1.0:
            remedy = "Give a number from 0 to 1: 1 for no costs."
            problems.append(Problem(name, None, None, shown(value), "is no share", remedy))
        elif method == "eisenberg_noe" and value != 1.0:
            remedy = 'Leave it out, or take method="rogers_veraart".'
            problems.append(
                Problem(name, None, None, shown(value), "is a default cost, which this has not", remedy)
            )
    if problems:
        raise InputError(problems)
    return float(alpha), float(beta)


def read_external_assets(net: Network, given: ArrayLike | None) -> NDArray[np.float64]:
    """The external assets of each shock, (S, N), an array of one's own.

    Raises
    ------
    InputError
        With every fault.
    """
    argument, nodes = "external_assets", len(net.names)
    array = np.atleast_2d(numbers(argument, net.external_assets if given is None else given))
    if array.ndim != 2 or array.shape[1] != nodes or len(array) == 0:
        remedy = f"Give a row of {nodes} numbers, one for each node, for each shock."
        raise bad_argument(argument, array.shape, "has the wrong shape", remedy)
    return _checked(net, argument, array)


def _checked(net: Network, argument: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    step = max(1, _AT_ONCE // max(1, array.shape[1]))
    blocks = (array[first : first + step] for first in range(0, len(array), step))
    if all(block.min(initial=0.0) >= 0.0 and block.max(initial=0.0) <= LARGEST for block in blocks):
        return array
    problems = []
    for at_fault, message, remedy in _FAULTS:
        listed: list[tuple[int, int]] = []
        count = 0
        for first in range(0, len(array), step):
            found = at_fault(array[first : first + step])
            if found.any():
                places = np.argwhere(found)
                listed += [(first + row, node) for row, node in places[: LISTED_ROWS - len(listed)].tolist()]
                count += len(places)
        for shock, node in listed:
            value = shown(float(array[shock, node]))
            problems.append(Problem(argument, shock, net.names[node], value, message, remedy))
        if (more := count - LISTED_ROWS) > 0:
            problems.append(Problem(argument, None, None, "", f"{more} more: {message}", remedy))
    if problems:
        raise InputError(problems)
    return array
