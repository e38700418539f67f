"""What every kind of contagion is asked with: equity, shares, and a batch of shocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from ..arguments import whole_number
from ..errors import LISTED_ROWS, InputError, Problem, bad_argument, shown
from ..exposures import EquityShocks
from .network import check_network
from .schema import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .network import Network

EACH: Final = "each"
SUM_OF_LARGEST: Final = 1e110  # more than a node's own amounts, of which none is above LARGEST, add up to
CELL_BYTES: Final = 64  # a node that a shock reaches: its result, twice while it is handed over, and a table


def numbers(argument: str, value: Any) -> NDArray[np.float64]:
    """Read an array of numbers.

    Raises
    ------
    InputError
        It is none: numpy would drop an imaginary part, a mask and a date's unit without a word.
    """
    remedy = "Give an array of numbers."
    if getattr(getattr(value, "dtype", None), "kind", "") in ("c", "m", "M", "V") or np.ma.is_masked(value):
        raise bad_argument(argument, value, "is no array of numbers", remedy)
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as fault:
        raise bad_argument(argument, value, "is no array of numbers", remedy) from fault


def by_node(
    argument: str,
    value: Any,
    names: Sequence[str],
    in_range: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    remedy: str,
    *,
    scalar: bool = False,
    largest: float = LARGEST,
) -> NDArray[np.float64]:
    """Read one finite number a node, (N,), that is at most `largest`; a `scalar` may stand for all.

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
    _refuse(argument, read, in_range, names, remedy, largest)
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


def read_equity(net: Network, equity: Any, *, above: bool) -> NDArray[np.float64]:
    """Equity of each node, currency, (N,): the network's own for None; above 0, or at least 0.

    Raises
    ------
    InputError
    """
    check_network(net)
    return by_node(
        "equity",
        net.equity if equity is None else equity,
        net.names,
        lambda capital: capital > 0.0 if above else capital >= 0.0,
        f"Write a number {'above' if above else 'of at least'} 0: who has less has failed before any shock.",
        largest=SUM_OF_LARGEST if equity is None else LARGEST,
    )


def _refuse(
    argument: str,
    values: NDArray[np.float64],
    in_range: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    names: Sequence[str],
    remedy: str,
    largest: float = LARGEST,
) -> None:
    """Refuse an array with cells at fault: the first of them, and how many more there are."""
    cells = np.argwhere(~((np.abs(values) <= largest) & in_range(values)))
    problems = [
        _fault(
            argument, int(cell[0]) if len(cell) > 1 else None, names[cell[-1]], values[tuple(cell)], remedy
        )
        for cell in cells[:LISTED_ROWS]
    ]
    _refuse_more(argument, len(cells), remedy, problems)


def _fault(argument: str, row: int | None, name: str, value: float, remedy: str) -> Problem:
    if LARGEST < value < np.inf:
        remedy = f"Write at most {LARGEST:g}."
    return Problem(argument, row, name, shown(float(value)), "is out of range", remedy)


def _refuse_more(argument: str, count: int, remedy: str, problems: list[Problem]) -> None:
    if count > LISTED_ROWS:
        more = f"{count - LISTED_ROWS} more values are out of range"
        problems.append(Problem(argument, None, None, "", more, remedy))
    if problems:
        raise InputError(problems)


def read_shocks(shocks: Any, names: Sequence[str], equity: NDArray[np.float64]) -> EquityShocks:
    """A batch of shocks: who loses what, or fails, in round 0.

    Parameters
    ----------
    shocks : "each", or array_like or sparse array of scipy's (S, N), or array_like (N,), of bool or of numbers
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
        return ShockRows(shocks, names, equity).rows(0, len(names))
    remedy = "Write a loss in currency, at least 0; or give booleans, for who fails."
    if sparse.issparse(shocks):
        batch, imposed = _read_sparse(shocks, names, remedy), shocks.dtype == np.bool_
    else:
        batch = sparse.csr_array(batch_of("shocks", shocks, names, lambda loss: loss >= 0.0, remedy))
        imposed = _says_who_fails(shocks)
    return EquityShocks.of(batch, equity if imposed else None)


def _says_who_fails(shocks: Any) -> bool:
    """Whether shocks are booleans; of an array of objects, every one of them.

    Raises
    ------
    InputError
        Some are and others not: True would be taken for a loss of 1.
    """
    given = np.asarray(shocks)
    if given.dtype != np.object_:
        return given.dtype == np.bool_
    booleans = [isinstance(each, bool | np.bool_) for each in given.flat]
    if any(booleans) and not all(booleans):
        raise bad_argument("shocks", shocks, "mixes losses with booleans", "Write losses, or who fails.")
    return all(booleans)


@dataclass(frozen=True)
class ShockRows:
    """A batch of shocks as it was given, of which some are read at a time.

    Attributes
    ----------
    given : as of `read_shocks`
    names : sequence of str, length N
    equity : ndarray (N,)
    """

    given: Any
    names: Sequence[str]
    equity: NDArray[np.float64]

    @staticmethod
    def of(shocks: Any, names: Sequence[str], equity: NDArray[np.float64]) -> ShockRows:
        """A batch, with rows that can be cut where it has any."""
        if sparse.issparse(shocks):
            return ShockRows(shocks.tocsr(), names, equity)
        if not isinstance(shocks, list | tuple):
            return ShockRows(shocks, names, equity)
        try:
            return ShockRows(np.asarray(shocks), names, equity)
        except ValueError as fault:
            remedy = f"Give a row of {len(names)} numbers for each shock."
            raise bad_argument("shocks", shocks, "is no array of numbers", remedy) from fault

    @property
    def _is_each(self) -> bool:
        return isinstance(self.given, str) and self.given == EACH

    @property
    def count(self) -> int:
        """How many; at least 1, so that a batch without any is looked at, and refused."""
        if self._is_each:
            return len(self.names)
        shape: tuple[int, ...] = getattr(self.given, "shape", ())
        return max(1, shape[0]) if len(shape) > 1 else 1

    @property
    def takes_memory(self) -> bool:
        """Whether rows of it are arrays of N, of which only as many are to be read as fit."""
        return not (self._is_each or sparse.issparse(self.given))

    def rows(self, first: int, end: int) -> EquityShocks:
        """The shocks from `first` to before `end`.

        Raises
        ------
        InputError
        """
        if self._is_each:
            node = np.arange(first, end, dtype=np.int32)
            start = np.arange(end - first + 1)
            return EquityShocks(len(self.equity), start, node, self.equity[first:end], imposed=True)
        whole = len(getattr(self.given, "shape", ())) < 2
        return read_shocks(self.given if whole else self.given[first:end], self.names, self.equity)


def read_block(block: int | None, shocks: Any, batch: str = f'an array, "{EACH}"') -> int | None:
    """Read how many shocks a block is to have; `batch` says what may be given.

    Raises
    ------
    InputError
        `block` is no number of shocks, or means nothing; or there are no shocks to cut.
    """
    if not is_batch(shocks) and not isinstance(shocks, Iterable):
        remedy = f"Give {batch}, or an iterable of such."
        raise bad_argument("shocks", shocks, "are no shocks, and no blocks of them", remedy)
    if block is None:
        return None
    size = whole_number(block)
    if size is None or size < 1:
        raise bad_argument("block", block, "is no number of shocks", "Give a whole number of at least 1.")
    if not is_batch(shocks):
        remedy = "Leave it out: each item of `shocks` is a block."
        raise bad_argument("block", block, "means nothing where blocks are given", remedy)
    return size


def is_batch(shocks: Any) -> bool:
    """Whether shocks are given all at once, and not as an iterable of blocks."""
    return isinstance(shocks, str | list | tuple) or hasattr(shocks, "__array__") or sparse.issparse(shocks)


def _read_sparse(shocks: Any, names: Sequence[str], remedy: str) -> sparse.csr_array:
    if shocks.ndim != 2 or shocks.shape[1] != len(names) or shocks.shape[0] == 0:
        shape = f"Give a row for each shock, with {len(names)} values: {', '.join(names[:3])}, ..."
        raise bad_argument("shocks", shocks.shape, "has to have shape (S, N)", shape)
    if shocks.dtype.kind == "c":
        raise bad_argument("shocks", shocks.dtype, "is no array of numbers", "Give real numbers.")
    try:
        batch = sparse.csr_array(shocks, dtype=np.float64, copy=True)
    except (TypeError, ValueError) as fault:
        raise bad_argument("shocks", shocks.dtype, "is no array of numbers", "Give numbers.") from fault
    batch.sum_duplicates()
    batch.eliminate_zeros()
    entries = batch.tocoo()
    wrong = np.flatnonzero(~((batch.data <= LARGEST) & (batch.data >= 0.0)))
    problems = [
        _fault("shocks", int(entries.row[place]), names[entries.col[place]], batch.data[place], remedy)
        for place in wrong[:LISTED_ROWS]
    ]
    _refuse_more("shocks", len(wrong), remedy, problems)
    return batch
