"""Cascades of failures and linear DebtRank under the failures of single nodes, by size; part of `bench.networks`.

Every backend that lets losses spread, against what one writes with scipy.sparse: one shock at a time, a product with
the matrix of claims in each round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import gpustress as gs
from gpustress.backends import get_backend
from gpustress.backends.base import SpreadsLosses

from .timing import in_turns, medians, seconds_of

AGREE = 1e-9  # of equity
AT_REST = 1e-13  # distress that a round adds: less ends it
KINDS = ("cascade", "debtrank")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spreading:
    """One kind of contagion on networks of one size.

    Attributes
    ----------
    kind : str
    nodes, edges, shocks : int
    reached : float
        Share of the nodes that a shock reaches, in the mean.
    seconds : dict of str to float
        A shock, by contender; the median of the turns.
    """

    kind: str
    nodes: int
    edges: int
    shocks: int
    reached: float
    seconds: dict[str, float]


class ScipySpreading:
    """A shock at a time: losses (cascade) or distress (DebtRank) of each row of failures, (S, N)."""

    def __init__(self, net: gs.Network):
        self._claims, self._equity = net.claims, net.equity
        self._relative = sparse.csr_array(sparse.diags_array(1.0 / net.equity) @ net.claims)

    def cascade(self, failures: NDArray[np.bool_]) -> Floats:
        """Let failures cascade."""
        return np.array([self._cascade(row) for row in failures])

    def debtrank(self, failures: NDArray[np.bool_]) -> Floats:
        """Let distress spread to the end."""
        return np.array([self._debtrank(row) for row in failures])

    def _cascade(self, failed: NDArray[np.bool_]) -> Floats:
        losses, fresh = np.where(failed, self._equity, 0.0), failed
        limit = (1.0 + 1e-9) * self._equity
        while fresh.any():
            losses += self._claims @ fresh.astype(np.float64)
            fresh = (losses > limit) & ~failed
            failed = failed | fresh
        return losses

    def _debtrank(self, failed: NDArray[np.bool_]) -> Floats:
        distress = gained = failed.astype(np.float64)
        while gained.max() > AT_REST:
            gained = np.minimum(1.0 - distress, self._relative @ gained)
            distress = distress + gained
        return distress


def spreading_backends() -> list[str]:
    """All that work here and have the kernel."""
    working = [info.name for info in gs.backends() if info.works]
    return [name for name in working if isinstance(get_backend(name), SpreadsLosses)]


def failing(nodes: int, shocks: int) -> sparse.csr_array:
    """The failures of single nodes, so many in all."""
    who = np.linspace(0, nodes - 1, shocks).astype(int)
    return sparse.csr_array((np.ones(shocks, dtype=bool), (np.arange(shocks), who)), shape=(shocks, nodes))


def spreading(net: gs.Network, shocks: int, turns: int, peers: int) -> list[Spreading]:
    """Time every kind on a network, scipy and NumPy on `peers` of the shocks.

    Raises
    ------
    RuntimeError
        They do not agree.
    """
    nodes = len(net.names)
    batch = failing(nodes, shocks)
    few = batch[np.linspace(0, shocks - 1, min(peers, shocks)).astype(int)]
    scipy, found = ScipySpreading(net), []
    for kind in KINDS:
        check(net, kind, few)
        plain: Callable[[NDArray[np.bool_]], Floats] = getattr(scipy, kind)
        timed: dict[str, Callable[[], float]] = {
            name: partial(
                seconds_a_shock, partial(summary, kind, net, name), few if name == "numpy" else batch
            )
            for name in spreading_backends()
        }
        timed["scipy"] = partial(seconds_a_shock, plain, few.toarray())
        result = ask(kind, net, batch)
        reached = len(result.outcome.node) / (shocks * nodes)
        found.append(
            Spreading(kind, nodes, len(net.amount), shocks, reached, medians(in_turns(timed, turns)))
        )
    return found


def ask(kind: str, net: gs.Network, batch: object, backend: str = "auto") -> gs.Cascade | gs.DebtRank:
    """One kind of contagion."""
    return (
        gs.cascade(net, None, batch, backend=backend)
        if kind == "cascade"
        else gs.debtrank(net, None, batch, backend=backend)
    )


def summary(kind: str, net: gs.Network, backend: str, batch: object) -> object:
    """What a user of many shocks asks for: a row for each."""
    return ask(kind, net, batch, backend).summary()


def seconds_a_shock(work: Callable[..., object], batch: Any) -> float:
    """Seconds that a batch takes, over its shocks."""
    return seconds_of(partial(work, batch)) / int(batch.shape[0])


def check(net: gs.Network, kind: str, batch: sparse.csr_array) -> None:
    """Check that all come to the same.

    Raises
    ------
    RuntimeError
        They do not.
    """
    expected = getattr(ScipySpreading(net), kind)(batch.toarray())
    scale = net.equity if kind == "cascade" else 1.0
    for name in spreading_backends():
        result = ask(kind, net, batch, name)
        ours = result.losses if isinstance(result, gs.Cascade) else result.distress
        apart = float((np.abs(ours - expected) / scale).max())
        if not apart <= AGREE:
            raise RuntimeError(f"{kind} on {name} and scipy differ by {apart:g} of equity")


def table_of(rows: Sequence[Spreading]) -> list[str]:
    """In Markdown."""
    names = list(dict.fromkeys(name for row in rows for name in row.seconds))
    backends = [name for name in names if name != "scipy"]
    heads = ["contagion", "nodes", "edges", "shocks", "reached", *(f"{name}, µs a shock" for name in names)]
    heads += [f"{name} over scipy" for name in backends]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for row in rows:
        cells = [row.kind, f"{row.nodes:,}", f"{row.edges:,}", f"{row.shocks:,}", f"{row.reached:.2%}"]
        cells += [f"{row.seconds[name] * 1e6:,.1f}" for name in names]
        cells += [f"{row.seconds['scipy'] / row.seconds[name]:.1f}" for name in backends]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
