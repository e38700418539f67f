"""Matrices brought to given row and column sums: RAS, which keeps what is nearest to the matrix it starts from.

The fitted matrix is diag(a) W diag(b): among all matrices with these sums the one of least relative entropy to W.
Sweeps alone crawl where some cells have little room or none, so that what still moves is finished by Newton steps on
the convex dual, of which a sweep is one block descent.

Sources: Bacharach, "Estimating nonnegative matrices from marginal data", International Economic Review 6 (1965), for
RAS; Cohen, Madry, Tsipras and Vladu, "Matrix scaling and balancing via box constrained Newton's method and interior
point methods", FOCS (2017), for steps that are held to a box; Gale, "A theorem on flows in networks", Pacific Journal
of Mathematics 7 (1957), for what makes sums impossible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.linalg import solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE: Final = 1e-12  # of each sum, relative to itself; of an excess, relative to the total
SWEEPS: Final = 200  # after which Newton steps go on: most matrices rest after some dozens
STEPS: Final = 400  # a step divides what has to vanish by e at least, so that doubles end before
_DUST: Final = 4.0 * TOLERANCE  # of both its row and its column: a cell that no sum tells from 0
_RIDGE: Final = 1e-14  # relative: the dual does not change along a constant of each connected part


class InfeasibleError(Exception):
    """No matrix has these sums.

    Attributes
    ----------
    rows, columns : ndarray of int
        The rows' sums together exceed those of `columns`, the only ones in which the rows have cells.
    excess : float
        By how much.
    """

    def __init__(self, rows: NDArray[np.intp], columns: NDArray[np.intp], excess: float):
        super().__init__(f"rows exceed by {excess:g} the columns open to them")
        self.rows, self.columns, self.excess = rows, columns, excess


class UnfittedError(Exception):
    """The sums are possible, or too near to it to tell, and were not reached; `deviation` is relative."""

    def __init__(self, deviation: float):
        super().__init__(f"a sum is off by {deviation:g} of itself")
        self.deviation = deviation


def fit(start: sparse.csr_array, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> sparse.csr_array:
    """Scale the rows and columns of a matrix until they have the sums wanted.

    Parameters
    ----------
    start : csr_array (N, N)
        Positive cells; what is not stored stays 0.
    rows, columns : ndarray (N,)
        The sums, not negative; together they agree to a rounding.

    Returns
    -------
    csr_array (N, N)
        Cells of a row or column whose sum is 0 are left out. Each sum holds to TOLERANCE of itself.

    Raises
    ------
    InfeasibleError, UnfittedError
    """
    cells = start.tocoo()
    kept = (rows[cells.row] > 0.0) & (columns[cells.col] > 0.0)
    entries = (cells.data[kept], (cells.row[kept], cells.col[kept]))
    matrix = sparse.csr_array(entries, shape=start.shape)
    _refuse_excess(matrix, rows, columns, np.zeros(len(rows)))
    if rows.sum() == 0.0:
        return matrix
    columns = columns * (rows.sum() / columns.sum())
    transposed = matrix.T.tocsr()
    scale = (rows > 0.0).astype(np.float64)
    for _ in range(SWEEPS):
        weight = _ratio(columns, transposed @ scale)
        reached = matrix @ weight
        if (abs(scale * reached - rows) <= TOLERANCE * rows).all():
            return _scaled(matrix, scale, weight)
        scale = _ratio(rows, reached)
    return _newton(matrix, rows, columns, scale)


def _ratio(sums: NDArray[np.float64], reached: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(sums, reached, out=np.zeros_like(sums), where=sums > 0.0)


def _scaled(
    matrix: sparse.csr_array, scale: NDArray[np.float64], weight: NDArray[np.float64]
) -> sparse.csr_array:
    return sparse.csr_array(sparse.diags_array(scale) @ matrix @ sparse.diags_array(weight))


def _newton(
    matrix: sparse.csr_array,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> sparse.csr_array:
    """Go on from the rows' factors `scale`, on dense arrays of the rows and columns that have a sum.

    With the columns' sums met, the dual of the rows' logarithms u is sum_j c_j log(sum_i w_ij exp(u_i)) - r u; its
    gradient is what the rows' sums are off by, its Hessian diag(sums) - X diag(1/c) X'.
    """
    live_rows, live_columns = np.flatnonzero(rows), np.flatnonzero(columns)
    wanted, due = rows[live_rows], columns[live_columns]
    with np.errstate(divide="ignore"):
        logarithm = np.log(matrix[live_rows][:, live_columns].toarray())
    potential = np.log(scale[live_rows])
    deviation = np.inf
    for _ in range(STEPS):
        exponent = logarithm + potential[:, None]
        cells = np.exp(exponent - exponent.max(axis=0))
        cells *= due / cells.sum(axis=0)
        reached = cells.sum(axis=1)
        deviation = float((abs(reached - wanted) / wanted).max())
        if deviation <= TOLERANCE:
            fitted = np.zeros(matrix.shape)
            fitted[np.ix_(live_rows, live_columns)] = cells
            return _without_dust(sparse.csr_array(fitted), rows, columns)
        spread = np.full(len(rows), -np.inf)
        spread[live_rows] = potential
        _refuse_excess(matrix, rows, columns, spread)
        root = np.sqrt(reached)
        unit = cells / root[:, None] / np.sqrt(due)
        hessian = (1.0 + _RIDGE) * np.eye(len(wanted)) - unit @ unit.T
        step = solve(hessian, (wanted - reached) / root, assume_a="sym") / root
        potential = potential + step / max(1.0, abs(step).max())
    raise UnfittedError(deviation)


def _without_dust(
    matrix: sparse.csr_array, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> sparse.csr_array:
    """Leave out the cells that have no room at all, and have come down to nearly nothing."""
    cells = matrix.tocoo()
    kept = cells.data > _DUST * np.minimum(rows[cells.row], columns[cells.col])
    if kept.all():
        return matrix
    entries = (cells.data[kept], (cells.row[kept], cells.col[kept]))
    try:
        return fit(sparse.csr_array(entries, shape=matrix.shape), rows, columns)
    except (InfeasibleError, UnfittedError):  # a cell with just so little room
        return matrix


def _refuse_excess(
    matrix: sparse.csr_array,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    order: NDArray[np.float64],
) -> None:
    """Refuse sums of which some of the rows highest in `order` exceed the columns in which they have cells.

    Where sums are impossible the potentials drift apart, such rows upward.
    """
    empty = np.diff(matrix.indptr) == 0
    ranked = np.lexsort((-order, ~empty))  # rows with a sum and no cell are at fault whatever the order
    place = np.empty_like(ranked)
    place[ranked] = np.arange(len(ranked))
    cells = matrix.tocoo()
    first = np.full(len(columns), len(rows))
    np.minimum.at(first, cells.col, place[cells.row])
    open_to = np.cumsum(np.bincount(first, columns, minlength=len(rows) + 1))[:-1]
    excess = np.cumsum(rows[ranked]) - open_to
    worst = int(excess.argmax())
    if excess[worst] > TOLERANCE * rows.sum():
        among = ranked[: worst + 1]
        raise InfeasibleError(
            np.sort(among[rows[among] > 0.0]),
            np.flatnonzero((first <= worst) & (columns > 0.0)),
            float(excess[worst]),
        )
