"""What every kind of contagion is asked with: equity, shares, and a batch of shocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .errors import LISTED_ROWS, InputError, Problem, bad_argument, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

EACH: Final = "each"


def numbers(argument: str, value: Any) -> NDArray[np.float64]:
    """Read an array of numbers.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as fault:
        remedy = "Give an array of numbers."
        raise bad_argument(argument, value, "is no array of numbers", remedy) from fault


def by_node(
    argument: str,
    value: Any,
    names: Sequence[str],
    in_range: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    remedy: str,
    *,
    scalar: bool = False,
) -> NDArray[np.float64]:
    """Read one finite number a node, (N,); a `scalar` may stand for all.

    Raises
    ------
    InputError
    """
    read = numbers(argument, value)
    if scalar and read.ndim == 0:
        if not (np.isfinite(read) and in_range(read)):
            raise bad_argument(argument, value, "is out of range", remedy)
        return np.full(len(names), read)
    if read.shape != (len(names),):
        shape = f"Give {len(names)} numbers, one for each node{', or one for all' if scalar else ''}."
        raise bad_argument(argument, read.shape, "has to have shape (N,)", shape)
    _refuse(argument, read, in_range, names, remedy)
    return read


def batch_of(
    argument: str,
    value: Any,
    names: Sequence[str],
    in_range: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    remedy: str,
) -> NDArray[np.float64]:
    """Read a row of finite numbers for each shock, (S, N); one row alone may be (N,).

    Raises
    ------
    InputError
    """
    read = np.atleast_1d(numbers(argument, value))
    if read.ndim > 2 or read.shape[-1] != len(names) or len(read) == 0:
        shape = f"Give a row for each shock, with {len(names)} values: {', '.join(names[:3])}, ..."
        raise bad_argument(argument, read.shape, "has to have shape (S, N) or (N,)", shape)
    batch = np.atleast_2d(read)
    _refuse(argument, batch, in_range, names, remedy)
    return batch


def _refuse(
    argument: str,
    values: NDArray[np.float64],
    in_range: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    names: Sequence[str],
    remedy: str,
) -> None:
    """Refuse an array with cells at fault: the first of them, and how many more there are."""
    cells = np.argwhere(~(np.isfinite(values) & in_range(values)))
    problems = [
        Problem(
            argument,
            int(cell[0]) if len(cell) > 1 else None,
            names[cell[-1]],
            shown(float(values[tuple(cell)])),
            "is out of range",
            remedy,
        )
        for cell in cells[:LISTED_ROWS]
    ]
    if len(cells) > LISTED_ROWS:
        more = f"{len(cells) - LISTED_ROWS} more values are out of range"
        problems.append(Problem(argument, None, None, "", more, remedy))
    if problems:
        raise InputError(problems)


def read_shocks(
    shocks: Any, names: Sequence[str], equity: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A batch of shocks as losses in round 0 and as who fails then, both (N, S).

    Parameters
    ----------
    shocks : "each", or array_like (S, N) or (N,) of bool or of numbers
        Booleans: who fails, losing all of its equity. Numbers: losses, currency. "each": every node fails alone.
    names : sequence of str, length N
    equity : ndarray (N,)

    Raises
    ------
    InputError
    """
    if isinstance(shocks, str):
        if shocks != EACH:
            raise bad_argument("shocks", shocks, "is not known", f'Write "{EACH}", or give an array.')
        shocks = np.eye(len(names), dtype=bool)
    remedy = "Write a loss in currency, at least 0; or give booleans, for who fails."
    batch = batch_of("shocks", shocks, names, lambda loss: loss >= 0.0, remedy)
    losses = np.ascontiguousarray(batch.T)
    if np.asarray(shocks).dtype != np.bool_:
        return losses, np.zeros(losses.shape, dtype=bool)
    fails = losses > 0.0
    return np.where(fails, equity[:, None], 0.0), fails
