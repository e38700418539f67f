"""Static networks as the arrays and numbers that the compiled kernels want by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from .base import Rule
from .kernel_source import constant, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..exposures import EquityShocks, Exposures
    from ..obligations import Obligations

_TYPES: Final = {"double": np.float64, "index32": np.int32}


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
    return _typed(named, listed("network.h", "GPUSTRESS_NETWORK_ARRAYS")) | _network_numbers(obligations)


def network_size(obligations: Obligations) -> dict[str, Any]:
    """The numbers alone, with arrays of nothing: what memory is told from."""
    return _empty(listed("network.h", "GPUSTRESS_NETWORK_ARRAYS")) | _network_numbers(obligations)


def _network_numbers(obligations: Obligations) -> dict[str, Any]:
    return {
        "nodes": obligations.nodes,
        "obligations": len(obligations.debtor),
        "edges": len(obligations.shares.data),
        "most_ranks": int(np.diff(obligations.first).max(initial=0)),
        "most_in_chunk": _most_in_chunk(obligations),
        "largest": obligations.largest,
    }


def exposures(given: Exposures) -> dict[str, Any]:
    """Those of claims along which losses spread."""
    named: dict[str, NDArray[np.generic]] = {
        "equity": given.equity,
        "written_off": given.written_off,
        "in_start": given.claims.indptr,
        "in_column": given.claims.indices,
        "in_amount": given.claims.data,
        "out_start": given.debts.indptr,
        "out_column": given.debts.indices,
        "out_amount": given.debts.data,
    }
    return _typed(named, listed("exposures.h", "GPUSTRESS_EXPOSURES_ARRAYS")) | {"nodes": given.nodes}


def exposures_size(given: Exposures) -> dict[str, Any]:
    """The numbers alone, with arrays of nothing: what memory is told from."""
    return _empty(listed("exposures.h", "GPUSTRESS_EXPOSURES_ARRAYS")) | {"nodes": given.nodes}


def contagion(shocks: EquityShocks, rule: Rule, rounds: int) -> dict[str, Any]:
    """What is asked for shocks whose losses spread, and arrays for what they come to."""
    return {
        "rule": get_args(Rule).index(rule),
        "rounds": min(rounds, np.iinfo(np.int32).max),
        "imposed": int(shocks.imposed and rule == "threshold"),
        "shocks": len(shocks),
        "start": np.ascontiguousarray(shocks.start, dtype=np.int64),
        "node": np.ascontiguousarray(shocks.node, dtype=np.int32),
        "loss": np.ascontiguousarray(shocks.loss, dtype=np.float64),
        "cells": np.empty(len(shocks), dtype=np.int64),
        "moving": np.empty(len(shocks), dtype=np.int8),
    }


def _typed(named: dict[str, NDArray[np.generic]], wanted: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {name: np.ascontiguousarray(named[name], dtype=_TYPES[kind]) for kind, name in wanted}


def _empty(wanted: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {name: np.empty(0, dtype=_TYPES[kind]) for kind, name in wanted}


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
