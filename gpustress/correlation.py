"""Correlation matrices: whether a matrix is one, and which one is nearest to it.

Source: Higham, "Computing the nearest correlation matrix - a problem from finance", IMA Journal of Numerical
Analysis 22 (2002): alternating projections with Dykstra's correction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .cells import Blame
from .errors import Problem
from .names import joint_codes, report_repeats, value_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_EIGENVALUE: Final = -1e-10  # rounding of a singular matrix stays above it
_LISTED_PAIRS: Final = 3  # of correlations that fit no matrix


def check_correlations(rows: pa.Table, problems: list[Problem]) -> None:
    """Check that each pair of factors stands once, and that the pairs together make a correlation matrix."""
    same = pc.equal(rows["factor_a"], rows["factor_b"])
    remedy = "Name two factors: each has correlation 1 with itself."
    Blame(problems, "correlations", rows)("factor_b", same, "is factor_a as well", remedy)
    both = pa.chunked_array(rows["factor_a"].chunks + rows["factor_b"].chunks, pa.string())
    first, second = np.split(value_codes(both), 2)
    pairs = joint_codes([np.minimum(first, second), np.maximum(first, second)])
    report_repeats("correlations", rows, ("factor_a", "factor_b"), pairs, problems)
    if rows.num_rows and not any(problem.table == "correlations" for problem in problems):
        names = both.combine_chunks().dictionary_encode().dictionary.to_pylist()
        matrix = correlation_matrix(first, second, rows["value"].to_numpy(), len(names))
        _check_definite(matrix, names, problems)


def _check_definite(matrix: NDArray[np.float64], names: list[str], problems: list[Problem]) -> None:
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest >= SMALLEST_EIGENVALUE:
        return
    nearest = nearest_correlation(matrix)
    distance = float(np.linalg.norm(nearest - matrix))
    message = (
        "the correlations fit no matrix that is positive semidefinite: "
        f"the smallest eigenvalue is {smallest:.3g}, "
        f"the nearest correlation matrix is {distance:.3g} away (Frobenius norm)"
    )
    change = np.abs(np.triu(nearest - matrix))
    first, second = np.unravel_index(np.argsort(change, axis=None)[::-1][:_LISTED_PAIRS], matrix.shape)
    moves = [
        f"{names[a]} and {names[b]} from {matrix[a, b]:.4g} to {nearest[a, b]:.4g}"
        for a, b in zip(first, second, strict=True)
        if change[a, b] > 0.0
    ]
    remedy = f"Bring correlations closer to 0; the nearest matrix moves {', '.join(moves)}."
    problems.append(Problem("correlations", None, "value", "", message, remedy))


def correlation_matrix(
    first: NDArray[np.integer], second: NDArray[np.integer], values: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Return the matrix of pairs of factors (numbers below `size`) and their values; 0 for other pairs."""
    matrix = np.eye(size)
    matrix[first, second] = matrix[second, first] = values
    return matrix


def nearest_correlation(
    matrix: NDArray[np.float64], tolerance: float = 1e-9, iterations: int = 500
) -> NDArray[np.float64]:
    """Find the correlation matrix that is nearest to a symmetric matrix in the Frobenius norm.

    Parameters
    ----------
    matrix : ndarray, shape (K, K)
    tolerance : float
        Stops at the first step that moves no entry by more.
    iterations : int
        Stops here at the latest; convergence is linear, so the result is then near, not nearest.

    Returns
    -------
    ndarray, shape (K, K)
    """
    unit, correction = matrix, np.zeros_like(matrix)
    for _ in range(iterations):
        corrected = unit - correction
        eigenvalues, vectors = np.linalg.eigh(corrected)
        positive = (vectors * np.maximum(eigenvalues, 0.0)) @ vectors.T
        correction = positive - corrected
        before, unit = unit, positive.copy()
        np.fill_diagonal(unit, 1.0)
        if np.abs(unit - before).max() <= tolerance:
            break
    return unit
