"""Networks and shocks for tests of the kernels that clear, small ones with all that the algorithm has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

import gpustress as gs
from bits import differing_arrays
from gpustress.backends.base import ClearsNetworks, Solution
from gpustress.obligations import Obligations

SOLUTIONS: tuple[Solution, ...] = get_args(Solution)


@dataclass(frozen=True)
class ClearingCase:
    """A network and shocks (S, N) to it."""

    owed: Obligations
    shocks: NDArray[np.float64]
    costs: tuple[float, float] = (1.0, 1.0)


def ranked(shocks: int = 9) -> ClearingCase:
    """Debts of three ranks in a circle, and default costs."""
    edges = {
        "debtor": list("abcdeaacb"), "creditor": list("bcdeaccae"), "rank": [0, 1, 0, 2, 1, 1, 2, 0, 1],
        "amount": [4, 5, 3, 6, 2, 1, 2, 1.5, 0.5],
    }  # fmt: skip
    nodes = {
        "name": list("abcdef"),
        "external_liabilities": [1.5, 1, 1, 2, 1, 0],
        "external_rank": [1, 0, 2, 1, 1, 0],
    }
    assets = np.random.default_rng(3).uniform(0.0, 3.0, (shocks, 6))
    return ClearingCase(gs.Network(edges, nodes).obligations, assets, (0.7, 0.9))


def random_case(nodes: int = 40, shocks: int = 11, seed: int = 1) -> ClearingCase:
    """Some shocks leave nobody in default, some nearly everybody; there are nodes that owe nothing."""
    draws = np.random.default_rng(seed)
    amount = draws.lognormal(0.0, 1.0, (nodes, nodes)) * (draws.random((nodes, nodes)) < 4.0 / nodes)
    np.fill_diagonal(amount, 0.0)
    amount[::7] = 0.0
    debtor, creditor = np.nonzero(amount)
    names = [f"n{i}" for i in range(nodes)]
    owed, due = amount.sum(axis=1), amount.sum(axis=0)
    outside = np.where(np.arange(nodes) % 7, 0.3 * owed, 0.0)
    edges = {"debtor": [names[i] for i in debtor], "creditor": [names[i] for i in creditor]}
    net = gs.Network(
        edges | {"amount": amount[debtor, creditor]}, {"name": names, "external_liabilities": outside}
    )
    assets = np.maximum(owed + outside - due, 0.0) + 0.05 * owed
    left = 1.0 - np.linspace(0.0, 1.0, shocks)[:, None] * draws.uniform(0.0, 1.3, (shocks, nodes)).clip(
        0.0, 1.0
    )
    return ClearingCase(net.obligations, assets * left)


def slow_circle(shocks: int = 5) -> ClearingCase:
    """A circle of which so little leaks that plain updates are given up, but in the shocks that leave it enough."""
    names = list("abcd")
    net = gs.Network(
        {"debtor": names, "creditor": list("bcda"), "amount": [1.0] * 4},
        {"name": names, "external_liabilities": [1e-6, 0.0, 0.0, 0.0]},
    )
    assets = np.zeros((shocks, 4))
    assets[::2, 0] = 1e-7
    assets[1::2] = 1.0
    return ClearingCase(net.obligations, assets)


def lives_on_others(shocks: int = 6) -> ClearingCase:
    """Who has next to nothing but what others in default pay: the first way to bound the error does not hold."""
    names = [f"n{i}" for i in range(8)]
    net = gs.Network(
        {"debtor": names[:-1], "creditor": names[1:], "amount": [3.0, 2.9, 2.8, 2.7, 2.6, 2.5, 2.4]},
        {"name": names, "external_liabilities": [1.0] + [0.0] * 6 + [3.0]},
    )
    assets = np.zeros((shocks, 8))
    assets[:, 0] = np.linspace(0.0, 2.0, shocks)
    return ClearingCase(net.obligations, assets)


def just_enough(shocks: int = 3) -> ClearingCase:
    """Who has what it owes and no more is looked at when errors are bounded, and nobody else is short."""
    names = [f"n{i}" for i in range(9)]
    net = gs.Network(
        {"debtor": names[:-1], "creditor": names[1:], "amount": [2.0] * 8},
        {"name": names, "external_liabilities": [1.0] * 9},
    )
    assets = np.ones((shocks, 9))
    assets[:, 0], assets[:, -1] = 3.0, np.linspace(-1.0, 0.0, shocks) + 1.0
    return ClearingCase(net.obligations, assets)


def late_defaults(passed: float = 0.2) -> tuple[gs.Network, ClearingCase, NDArray[np.int64]]:
    """A circle in default, who owes what it does not pay, and who lives on that one; and in which round each defaults.

    Each shock leaves the second short by less, or with so much to spare; with default costs the third then lacks much.
    Of what those in the circle pay, `passed` goes round, against the order of the nodes.
    """
    share, own, alpha = 0.2, 0.1, 0.5
    paid = alpha * own / (1.0 - passed)  # by each of the circle; all owe 1
    names = ["a", "b", "c", "d", "e", "late", "later"]
    net = gs.Network(
        {"debtor": [*"abcdea", "late"], "creditor": [*"eabcd", "late", "later"],
         "amount": [passed] * 5 + [share, 1.0]},
        {"name": names, "external_liabilities": [1.0 - passed - share] + [1.0 - passed] * 4 + [0.0, 1.0]},
    )  # fmt: skip
    lack = np.repeat(np.geomspace(1e-2, 1e-11, 25), 2) * np.tile([1.0, -1.0], 25)
    assets = np.full((len(lack), len(names)), own)
    assets[:, 5] = 1.0 - share * paid - lack
    rounds = np.array([1] * 5 + [2, 3]) * ((np.arange(7) < 5) | (lack[:, None] > 0.0))
    return net, ClearingCase(net.obligations, assets, (alpha, 1.0)), rounds


def clearing_cases() -> dict[str, ClearingCase]:
    """Those that soon come to rest."""
    return {
        "ranked": ranked(),
        "random": random_case(),
        "lives on others": lives_on_others(),
        "just enough": just_enough(),
        "late defaults": late_defaults()[1],
        "later defaults": late_defaults(0.75)[1],
    }


def differing_clearings(case: ClearingCase, one: ClearsNetworks, other: ClearsNetworks) -> list[str]:
    """What is not the same to the bit in what two backends give, for both solutions."""
    found = []
    for solution in SOLUTIONS:
        ours, theirs = (
            each.clear(case.owed, case.shocks, case.costs, solution, 1 << 24) for each in (one, other)
        )
        found += [f"{solution}: {name}" for name in differing_arrays(ours, theirs)]
    return found
