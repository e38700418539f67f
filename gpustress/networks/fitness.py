"""An ensemble of networks from the nodes' totals: the fitness model.

Source: Cimini, Squartini, Garlaschelli and Gabrielli, "Systemic risk analysis on reconstructed economic and financial
networks", Scientific Reports 5 (2015).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import expit, logit

from ..draws import LINKS, name_id, pair_words, uniform
from .proportional_fitting import InfeasibleError, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LARGEST_LOG_ODDS: Final = 600.0  # of a pair beside others 1e260 times smaller: sums of weights stay doubles


class Ensemble:
    """Networks whose links are drawn by p = z x y / (1 + z x y), x what the debtor owes, y what the creditor is due.

    Parameters
    ----------
    names : sequence of str, length N
    owed, due : ndarray (N,)
    debtor, creditor : ndarray (M,) of int
        The pairs that may have a link; both sides have something to place.
    links : float
        Expected number of links, above 0 and below M.
    """

    def __init__(
        self,
        names: Sequence[str],
        owed: NDArray[np.float64],
        due: NDArray[np.float64],
        debtor: NDArray[np.intp],
        creditor: NDArray[np.intp],
        links: float,
    ):
        self._owed, self._due = owed, due
        self._debtor, self._creditor = debtor, creditor
        identities = np.array([name_id(name) for name in names], dtype=np.uint64)
        self._debtor_id, self._creditor_id = identities[debtor], identities[creditor]
        self._log_fitness = np.log(owed[debtor]) + np.log(due[creditor])
        least = min(
            -60.0, np.log(links) - np.log(len(debtor)) - 1.0
        )  # even the likeliest pair is less likely
        bracket = -self._log_fitness.max() + least, -self._log_fitness.min() + 60.0
        self.log_z = float(brentq(lambda log_z: expit(log_z + self._log_fitness).sum() - links, *bracket))

    def draw(self, seed: int, sample: int) -> sparse.csr_array:
        """Amounts (N, N) of one sample, debtor in the row.

        The weights x y / p, which meet the totals on average, are brought to meet them in this sample (RAS). Where
        the links drawn cannot carry the totals, links come in addition, one by one: of those that widen the narrow
        place, the one that would be the next if z rose.
        """
        words = pair_words(seed, self._debtor_id, self._creditor_id, sample, 0, LINKS)
        threshold = logit(uniform(words[0])) - self._log_fitness  # log z from which on the pair is linked
        linked = threshold < self.log_z
        odds = np.exp(np.minimum(self.log_z + self._log_fitness, LARGEST_LOG_ODDS))
        weight = 1.0 + odds  # proportional to x y / p
        while True:
            entries = (weight[linked], (self._debtor[linked], self._creditor[linked]))
            start = sparse.csr_array(entries, shape=(len(self._owed), len(self._owed)))
            try:
                return fit(start, self._owed, self._due)
            except InfeasibleError as narrow:
                widens = np.isin(self._debtor, narrow.rows) & ~np.isin(self._creditor, narrow.columns)
                candidates = np.flatnonzero(widens)
                linked[candidates[threshold[candidates].argmin()]] = True
