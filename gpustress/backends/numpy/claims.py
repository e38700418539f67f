"""What is to be settled in a period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .margins import Margins


@dataclass(frozen=True)
class Claims:
    """What is to be settled on some paths: everything that an update needs.

    Attributes
    ----------
    own : ndarray (N, P)
        Cash, deposit interest and credit line, at least 0.
    due : ndarray (3, N, P)
    reserve : ndarray (N, 1)
    billed : ndarray (entries of `receipts`, P)
        Billed amounts in the order of the receivers' sums.
    receives : ndarray (N, P) of bool
        Who has not stopped.
    path : ndarray (P,) of int
        The block's path of each column.
    margins : Margins or None
        Where it is noted how near somebody is to being short.
    """

    own: NDArray[np.float64]
    due: NDArray[np.float64]
    reserve: NDArray[np.float64]
    billed: NDArray[np.float64]
    receives: NDArray[np.bool_]
    path: NDArray[np.intp]
    margins: Margins | None

    def of(self, paths: NDArray[np.intp]) -> Claims:
        """The same for some of the paths."""
        return Claims(
            own=np.take(self.own, paths, axis=1),
            due=np.take(self.due, paths, axis=2),
            reserve=self.reserve,
            billed=np.take(self.billed, paths, axis=1),
            receives=np.take(self.receives, paths, axis=1),
            path=self.path[paths],
            margins=self.margins,
        )
