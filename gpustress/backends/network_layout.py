"""A static network as the arrays and numbers that the compiled kernels want by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .kernel_source import constant, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..obligations import Obligations


def network(obligations: Obligations) -> dict[str, Any]:
    """Those of a network that is cleared."""
    creditors = obligations.shares
    debts = creditors.tocsc()
    named: dict[str, NDArray[np.generic]] = {
        "total": obligations.total.high,
        "claims": obligations.claims,
        "first": obligations.first,
        "due": obligations.due.high,
        "junior": obligations.junior,
        "in_start": creditors.indptr,
        "in_column": creditors.indices,
        "in_share": creditors.data,
        "out_start": debts.indptr,
        "out_column": debts.indices,
        "out_share": debts.data,
    }
    types = {"double": np.float64, "index32": np.int32}
    arrays = {
        name: np.ascontiguousarray(named[name], dtype=types[kind])
        for kind, name in listed("network.h", "GPUSTRESS_NETWORK_ARRAYS")
    }
    return arrays | {
        "nodes": obligations.nodes,
        "obligations": len(obligations.debtor),
        "edges": len(creditors.data),
        "most_ranks": int(np.diff(obligations.first).max(initial=0)),
        "most_in_chunk": _most_in_chunk(obligations),
        "largest": obligations.largest,
    }


def by_severity(obligations: Obligations, external_assets: NDArray[np.float64]) -> NDArray[np.intp]:
    """Numbers of shocks (S,), those first that hit hardest: that leave most nodes short while all others pay in full.

    Shocks that hit about as hard have much in common, and are cleared together.
    """
    needed = obligations.total.high - obligations.claims
    short = np.array([np.count_nonzero(own < needed) for own in external_assets])
    return np.argsort(-short, kind="stable")


def _most_in_chunk(obligations: Obligations) -> int:
    """Obligations of a chunk of nodes at most; chunks as in kernels/debts.h."""
    chunks = int(constant("debts.h", "CHUNKS"))
    size = -(-obligations.nodes // chunks)
    ends = obligations.first[np.minimum(np.arange(chunks + 1) * size, obligations.nodes)]
    return int(np.diff(ends).max())
