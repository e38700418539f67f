"""Clearing: what the papers say of clearing vectors, who defaults in which round, and how exact it is."""

from __future__ import annotations

import dataclasses
import importlib
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

import gpustress as gs
from bits import differing_arrays, same_bits
from build import examples
from clearing_cases import late_defaults
from gpustress.backends import network_layout
from gpustress.backends.native import NativeBackend, levels
from kernel_driver import require_native
from static_networks import COSTS, Case, cases

SOLVERS = ("auto", "fictitious_default", "fixed_point")
registry = importlib.import_module("gpustress.backends")  # gs.backends is its function
EXACT = 1e-12  # of the largest total that a node owes


@pytest.fixture(scope="module", autouse=True)
def _every_test_on_every_backend(backend: str) -> Iterator[None]:
    """What `auto` takes."""
    os.environ[registry.ENVIRONMENT_VARIABLE] = backend
    yield
    del os.environ[registry.ENVIRONMENT_VARIABLE]


def cleared(net: gs.Network, costs: tuple[float, float] = (1.0, 1.0), **more: Any) -> gs.Clearing:
    return gs.clear(net, method="rogers_veraart", alpha=costs[0], beta=costs[1], **more)


def ring(size: int, leak: float, own: float) -> gs.Network:
    """Each owes 1 - leak to the next one, and the leak outside."""
    matrix = sparse.csr_array((np.full(size, 1.0 - leak), (np.arange(size), np.roll(np.arange(size), -1))))
    return gs.Network.from_scipy(
        matrix, external_assets=np.full(size, own), external_liabilities=np.full(size, leak)
    )


# ------------------------------------------------------------------------- the papers' examples


@pytest.mark.parametrize("solver", ["auto", "fictitious_default"])
def test_two_that_owe_each_other_alone_clear_at_any_common_share(solver: str) -> None:
    """Eisenberg and Noe (2001): e = (0, 0), each owes the other 1; every (t, t), t in [0, 1], clears."""
    net = gs.Network.from_scipy([[0, 1], [1, 0]])
    greatest, least = (gs.clear(net, solution=which, solver=solver) for which in ("greatest", "least"))
    assert greatest.payments.tolist() == [[1.0, 1.0]]
    assert not greatest.defaulted.any()
    assert least.payments.tolist() == [[0.0, 0.0]]
    assert least.defaulted.all()
    assert least.equity.tolist() == greatest.equity.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("solver", SOLVERS)
def test_default_costs_leave_two_clearing_vectors(solver: str) -> None:
    """Rogers and Veraart (2013), example 3.3: two have 1 each, of which half is lost in default; they owe each other.

    If both fail, p = 1/2 + 1/2 q and q = 1/2 + 1/2 p, so both pay 1 and have 2. That is a default where both owe 2.2;
    where one owes 2 it is none, though updates from below end there: there is but one clearing vector.
    """
    for owed, expected in ((2.2, [1.0, 1.0]), (2.0, [2.0, 2.2])):
        net = gs.Network.from_scipy([[0, owed], [2.2, 0]], external_assets=[1, 1])
        greatest, least = (
            cleared(net, (0.5, 0.5), solution=which, solver=solver) for which in ("greatest", "least")
        )
        assert greatest.payments.tolist() == [[owed, 2.2]]
        assert least.payments[0] == pytest.approx(expected, rel=1e-14)
    same = gs.clear(net, solution="least", solver=solver)  # without costs there is one alone
    assert same.payments[0] == pytest.approx([2.0, 2.2], rel=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_in_a_circle_every_second_fails_and_takes_the_others_along(solver: str) -> None:
    """Rogers and Veraart (2013), section 5.1: six in a circle, who owe a and a + epsilon by turns.

    They have gamma (1 - epsilon) and gamma (1 + epsilon). Where that is too little all fail, the second kind first, and
    pay alpha gamma / (1 - beta^2) times (1 - epsilon) + beta (1 + epsilon), and times beta (1 - epsilon) + 1 + epsilon.
    """
    a, epsilon, gamma, alpha, beta = 2.0, 1.0, 0.4, 0.5, 0.5
    first, second = gamma * (1.0 - epsilon), gamma * (1.0 + epsilon)
    matrix = sparse.csr_array(([a, a + epsilon] * 3, (np.arange(6), np.roll(np.arange(6), -1))))
    net = gs.Network.from_scipy(matrix, external_assets=[first, second] * 3)
    found = cleared(net, (alpha, beta), solver=solver)
    share = alpha / (1.0 - beta**2)
    expected = [share * (first + beta * second), share * (beta * first + second)] * 3
    assert found.payments[0] == pytest.approx(expected, rel=1e-14)
    assert found.round.tolist() == [[2, 1] * 3]


@pytest.mark.parametrize("solver", SOLVERS)
def test_rounds_are_those_of_fictitious_defaults(solver: str) -> None:
    """A chain, Eisenberg and Noe (2001): who fails though all others pay is in round 1, and so on."""
    matrix = np.diag([10.0, 10.0, 10.0], k=1)
    net = gs.Network.from_scipy(matrix, external_assets=[4, 1, 0, 0], external_liabilities=[0, 0, 0, 9.9])
    result = gs.clear(net, solver=solver)
    assert result.round.tolist() == [[1, 2, 3, 4]]
    assert result.rounds.tolist() == [4]
    assert result.payments[0] == pytest.approx([4, 5, 5, 5], rel=1e-14)
    assert result.recovery[0] == pytest.approx([0.4, 0.5, 0.5, 5 / 9.9], rel=1e-14)
    assert result.equity.tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("passed", [0.2, 0.75])
def test_who_defaults_by_little_after_many_updates_does_so_in_its_round(solver: str, passed: float) -> None:
    net, case, rounds = late_defaults(passed)
    found = cleared(net, case.costs, external_assets=case.shocks, solver=solver)
    np.testing.assert_array_equal(found.round, rounds)


@pytest.mark.parametrize("solver", SOLVERS)
def test_seniors_are_paid_before_juniors(solver: str) -> None:
    """Elsinger (2009), by hand: 5 go to rank 0 (4), the rest to rank 1 pro rata between b (2) and outside (2)."""
    edges = {"debtor": ["a", "a", "a"], "creditor": ["b", "c", "d"], "amount": [2, 4, 9], "rank": [1, 0, 2]}
    nodes = {"name": list("abcd"), "external_assets": [5, 0, 0, 0], "external_liabilities": [2, 0, 0, 0]}
    junior = gs.clear(gs.Network(edges, nodes | {"external_rank": [1, 0, 0, 0]}), solver=solver)
    assert junior.equity[0] == pytest.approx([0, 0.5, 4, 0], abs=1e-14)
    senior = gs.clear(
        gs.Network(edges, nodes), solver=solver
    )  # outside stands with c, in rank 0, unless told
    assert senior.equity[0] == pytest.approx([0, 0, 5 * 4 / 6, 0], rel=1e-14)


@pytest.mark.parametrize("solver", SOLVERS)
def test_who_cannot_meet_its_seniors_takes_nothing_back_from_its_juniors(solver: str) -> None:
    """By hand: b gets 1 of 10 and owes 9 in rank 0; c, its junior creditor, has 0.4 for e (0.3), then d."""
    edges = {
        "debtor": list("abbcc"), "creditor": list("bsced"), "amount": [10.0, 9.0, 2.0, 0.3, 3.0],
        "rank": [0, 0, 1, 0, 1],
    }  # fmt: skip
    net = gs.Network(edges, {"name": list("abcdes"), "external_assets": [1.0, 0, 0.4, 0, 0, 0]})
    result = gs.clear(net, solver=solver)
    assert result.payments[0] == pytest.approx([1.0, 1.0, 0.4, 0, 0, 0], rel=1e-14)
    assert result.equity[0] == pytest.approx([0, 0, 0, 0.1, 0.3, 1.0], rel=1e-12)
    assert result.round.tolist() == [[1, 1, 1, 0, 0, 0]]


def test_three_banks_of_the_neva_exercises() -> None:
    """The network of Barucca et al.'s exercises (github.com/paolobarucca/neva, Exercise2), by hand."""
    net = gs.Network.from_scipy([[0, 4, 0], [0, 0, 3], [2, 0, 0]], external_liabilities=[17, 18, 8])
    result = gs.clear(net, 0.9 * np.array([20, 20, 10]))
    assert result.payments[0] == pytest.approx([20, 21, 10], rel=1e-14)
    assert result.equity[0] == pytest.approx([0, 18 + 4 * 20 / 21 - 21, 2], rel=1e-12)


# -------------------------------------------------------------------- against other ways to clear


@examples(60)
@given(cases(most=7), COSTS)
def test_the_vectors_are_the_extremes_of_all(case: Case, costs: tuple[float, float]) -> None:
    """Brute force over the sets of defaults."""
    every = case.all_vectors(costs)
    for solver in ("auto", "fictitious_default"):
        for which, extreme in (("greatest", np.max), ("least", np.min)):
            result = cleared(case.network(), costs, solution=which, solver=solver)
            assert np.abs(result.payments[0] - extreme(every, axis=0)).max() <= 2 * EXACT * case.due.max()


def test_the_vectors_are_the_extremes_of_all_of_ten_nodes() -> None:
    random = np.random.default_rng(5)
    owed = np.where(random.random((1, 10, 10)) < 0.4, random.integers(1, 9, (1, 10, 10)), 0).astype(float)
    owed[:, np.arange(10), np.arange(10)] = 0.0
    case = Case(owed, random.integers(1, 4, (1, 10)).astype(float), random.integers(4, 13, 10).astype(float))
    every = case.all_vectors((0.6, 0.8))
    assert len(every) > 1
    for which, extreme in (("greatest", np.max), ("least", np.min)):
        result = cleared(case.network(), (0.6, 0.8), solution=which)
        assert np.abs(result.payments[0] - extreme(every, axis=0)).max() <= 2 * EXACT * case.due.max()


@examples(60)
@given(cases(most=6, ranks=3, leak=False), COSTS)
def test_ranks_and_closed_circles_clear_as_plain_updates_do(case: Case, costs: tuple[float, float]) -> None:
    starts = {"greatest": case.due, "least": np.zeros(case.size)}
    for which, start in starts.items():
        expected = case.updated(start, costs)
        for solver in ("auto", "fictitious_default"):
            result = cleared(case.network(), costs, solution=which, solver=solver)
            assert np.abs(result.payments[0] - expected).max() <= 1e-9 * max(1.0, case.due.max())


@examples(40)
@given(cases(most=8, leak=False))
def test_the_greatest_vector_solves_a_linear_programme(case: Case) -> None:
    """Eisenberg and Noe (2001), lemma 4: it maximises the sum of payments within what everybody has."""
    due = case.due
    share = np.divide(case.owed[0], due[:, None], out=np.zeros_like(case.owed[0]), where=due[:, None] > 0.0)
    best = linprog(
        -np.ones(case.size),
        np.eye(case.size) - share.T,
        case.own,
        bounds=list(zip(0 * due, due, strict=True)),
    )
    assert np.abs(gs.clear(case.network()).payments[0] - best.x).max() <= 1e-8 * max(1.0, due.max())


# ---------------------------------------------------------------------------------- properties


@examples(80)
@given(cases(most=6, ranks=2, leak=False), COSTS, st.sampled_from(["greatest", "least"]))
def test_a_clearing_is_one(case: Case, costs: tuple[float, float], which: str) -> None:
    """Limited liability, absolute priority, and the rule of default costs, from the network's dense form."""
    result = cleared(case.network(), costs, solution=which)
    (payments,), (equity,), (defaulted,) = result.payments, result.equity, result.defaulted
    close = 1e-11 * max(1.0, case.due.max())
    has = case.own + case.receipts(payments)
    alpha, beta = costs
    assert (payments >= 0.0).all()
    assert (payments <= case.due + close).all()
    assert (payments <= has + close).all()
    assert (equity >= 0.0).all()
    assert np.abs(payments - case.due)[~defaulted].max(initial=0.0) <= close
    assert np.abs(has - payments - equity)[~defaulted].max(initial=0.0) <= close
    assert (equity[defaulted] == 0.0).all()
    pays = alpha * case.own + beta * case.receipts(payments)
    assert np.abs(payments - pays)[defaulted].max(initial=0.0) <= close
    assert (has < case.due + close)[defaulted].all()


@examples(40)
@given(cases(ranks=2, leak=False), COSTS, st.integers(0, 5), st.sampled_from(["greatest", "least"]))
def test_more_assets_never_lower_a_payment(
    case: Case, costs: tuple[float, float], node: int, which: str
) -> None:
    more = np.repeat(case.own[None], 2, axis=0)
    more[1, node % case.size] += 1.0
    result = cleared(case.network(), costs, external_assets=more, solution=which)
    assert (result.payments[1] >= result.payments[0] - EXACT * case.due.max()).all()
    assert (result.defaulted[1] <= result.defaulted[0]).all()


@examples(40)
@given(cases(ranks=2, leak=False), COSTS)
def test_the_greatest_vector_is_at_least_the_least(case: Case, costs: tuple[float, float]) -> None:
    greatest, least = (cleared(case.network(), costs, solution=which) for which in ("greatest", "least"))
    assert (greatest.payments >= least.payments - EXACT * case.due.max()).all()
    assert (greatest.defaulted <= least.defaulted).all()
    if costs == (1.0, 1.0):  # Eisenberg and Noe (2001), theorem 1: equity is the same in all of them
        assert np.abs(greatest.equity - least.equity).max() <= 1e-11 * max(1.0, case.due.max())


@examples(30)
@given(
    cases(ranks=2, leak=False),
    COSTS,
    st.randoms(use_true_random=False),
    st.sampled_from(["greatest", "least"]),
)
def test_neither_the_nodes_order_nor_the_unit_matters(
    case: Case, costs: tuple[float, float], random: Any, which: str
) -> None:
    order = list(range(case.size))
    random.shuffle(order)
    unit = 3.7e9
    owed = unit * case.owed[:, order][:, :, order]
    other = Case(owed, unit * case.external[:, order], unit * case.own[order])
    first, second = (cleared(each.network(), costs, solution=which) for each in (case, other))
    assert np.abs(second.payments / unit - first.payments[:, order]).max() <= 2 * EXACT * max(
        1.0, case.due.max()
    )
    assert (second.round == first.round[:, order]).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("costs", [(1.0, 1.0), (0.7, 0.9)])
@pytest.mark.parametrize("which", ["greatest", "least"])
def test_a_batch_is_cleared_as_one_at_a_time(solver: str, costs: tuple[float, float], which: str) -> None:
    net = random_network(40, 0.1, seed=3)
    shocks = net.external_assets * np.random.default_rng(4).uniform(0.0, 1.2, (25, 40))
    batch = cleared(net, costs, external_assets=shocks, solution=which, solver=solver)
    assert 0 < batch.defaulted.sum() < batch.defaulted.size
    for row, shock in enumerate(shocks):
        one = cleared(net, costs, external_assets=shock, solution=which, solver=solver)
        assert (
            np.abs(one.payments[0] - batch.payments[row]).max() <= EXACT * net.liabilities.sum(axis=1).max()
        )
        assert (one.round[0] == batch.round[row]).all()
        assert one.rounds[0] == batch.rounds[row]


def random_network(size: int, density: float, seed: int) -> gs.Network:
    networkx = pytest.importorskip("networkx")
    random = np.random.default_rng(seed)
    graph = networkx.gnp_random_graph(size, density, seed=seed, directed=True)
    for _, _, edge in graph.edges(data=True):
        edge["weight"] = random.pareto(2.0)
    debts = gs.Network.from_networkx(graph)
    owed = debts.liabilities.sum(axis=1)
    return gs.Network.from_scipy(
        debts.to_scipy(),
        external_assets=random.uniform(0.5, 1.5, size) * owed + 0.1,
        external_liabilities=0.5 * owed,
    )


@pytest.mark.parametrize("which", ["greatest", "least"])
@pytest.mark.parametrize("costs", [(1.0, 1.0), (0.7, 0.9)])
@pytest.mark.parametrize(
    "kind", ["random", "scale free", "star", "bipartite", "ring", "apart", "no edges", "one node"]
)
def test_both_solvers_agree_on_every_shape_of_network(
    kind: str, costs: tuple[float, float], which: str
) -> None:
    networkx = pytest.importorskip("networkx")
    graph = {
        "random": lambda: networkx.gnp_random_graph(30, 0.2, seed=1, directed=True),
        "scale free": lambda: networkx.DiGraph(networkx.barabasi_albert_graph(30, 2, seed=1).to_directed()),
        "star": lambda: networkx.DiGraph(networkx.star_graph(20).to_directed()),
        "bipartite": lambda: networkx.DiGraph([(i, 10 + j) for i in range(10) for j in range(8)]),
        "ring": lambda: networkx.cycle_graph(25, create_using=networkx.DiGraph),
        "apart": lambda: networkx.disjoint_union_all(
            [networkx.cycle_graph(4, create_using=networkx.DiGraph)] * 4
        ),
        "no edges": lambda: networkx.empty_graph(5, create_using=networkx.DiGraph),
        "one node": lambda: networkx.empty_graph(1, create_using=networkx.DiGraph),
    }[kind]()
    random = np.random.default_rng(2)
    for _, _, edge in graph.edges(data=True):
        edge["weight"] = float(random.integers(1, 10))
    for _, node in graph.nodes(data=True):
        node |= {
            "external_liabilities": float(random.integers(1, 5)),
            "external_assets": float(random.integers(0, 9)),
        }
    net = gs.Network.from_networkx(graph)
    results = [cleared(net, costs, solution=which, solver=solver) for solver in SOLVERS]
    largest = (net.liabilities.sum(axis=1) + net.external_liabilities).max()
    for other in results[1:]:
        assert np.abs(other.payments - results[0].payments).max() <= 2 * EXACT * largest
        assert (other.round == results[0].round).all()
        assert (other.rounds == results[0].rounds).all()
        assert (other.error_bound <= EXACT * largest).all()


# ------------------------------------------------------------------------------- slow circles


@pytest.mark.parametrize("size", [2, 40, 3000])
def test_a_ring_that_leaks_a_millionth_a_round_is_cleared_exactly(size: int) -> None:
    """All have half of the leak: all pay half. Plain updates would take tens of millions of rounds."""
    result = gs.clear(ring(size, 1e-6, 0.5e-6))
    assert result.payments[0] == pytest.approx(np.full(size, 0.5), abs=1e-12)
    assert result.error_bound[0] <= EXACT
    assert result.round.tolist() == [[1] * size]


def test_a_ring_that_leaks_a_millionth_is_cleared_as_fractions_are() -> None:
    """One has nothing and the others just what leaks: who fails, and when, runs once round the ring."""
    net, size = ring(30, 1e-6, 1e-6), 30
    own = net.external_assets.copy()
    own[0] = 0.0
    keep, leak, e = Fraction(1.0 - 1e-6), Fraction(1e-6), Fraction(1e-6)
    share = keep / (keep + leak)
    # p[0] = share p[-1]; p[i] = e + share p[i-1], so that p[0] (1 - share^n) = e (share + ... + share^(n-1)).
    payments = [e * sum(share**k for k in range(1, size)) / (1 - share**size)]
    for _ in range(size - 1):
        payments.append(e + share * payments[-1])
    result = gs.clear(net, own)
    assert np.abs(result.payments[0] - [float(p) for p in payments]).max() <= 1e-15
    assert result.round.tolist() == [list(range(1, size + 1))]


@pytest.mark.parametrize("which", ["greatest", "least"])
def test_a_circle_that_loses_to_seniors_each_round_pays_nothing_in_the_end(which: str) -> None:
    """Payments of the junior rank fall by 1e-6 each time round, until there are none: a singular linear system."""
    edges = {"debtor": ["a", "b"], "creditor": ["b", "a"], "amount": [1.0, 1.0], "rank": [1, 1]}
    nodes = {"name": ["a", "b"], "external_assets": [1.0, 1.0], "external_liabilities": [1.000001, 1.0]}
    result = gs.clear(gs.Network(edges, nodes), solution=which)
    assert result.payments[0] == pytest.approx([1.0, 1.0], abs=1e-15)
    assert result.round[0].tolist() == ([1, 2] if which == "greatest" else [1, 1])


def test_a_fed_closed_circle_is_met_in_full_and_an_unfed_one_as_asked() -> None:
    """The ring b, c is closed, and fed by a; the ring d, e, f is closed and fed by nobody."""
    edges = {"debtor": list("abcdef"), "creditor": list("bcbefd"), "amount": [1.0, 5.0, 5.0, 2.0, 3.0, 2.0]}
    net = gs.Network(edges, {"name": list("abcdef"), "external_assets": [0.001, 0, 0, 0, 0, 0]})
    greatest, least = (gs.clear(net, solution=which) for which in ("greatest", "least"))
    assert greatest.payments[0] == pytest.approx([0.001, 5, 5, 2, 2, 2], rel=1e-14)
    assert greatest.defaulted[0].tolist() == [True, False, False, False, True, False]
    assert least.payments[0] == pytest.approx([0.001, 5, 5, 0, 0, 0], rel=1e-14)


def test_what_plain_updates_cannot_show_to_be_exact_is_an_error() -> None:
    with pytest.raises(gs.AccuracyError, match=r"1 of 1 shocks, the first is row 1,.*solver='auto'"):
        gs.clear(ring(5, 1e-6, 0.5e-6), solver="fixed_point")
    for leak in (1e-17, 1e-20, 1e-23):
        for which in ("greatest", "least"):
            with pytest.raises(gs.AccuracyError, match="circles that leak next to nothing"):
                gs.clear(ring(5, leak, leak / 2), solution=which)


@pytest.mark.parametrize(
    "debts",
    [
        {"amount": [1e12, 1.0], "rank": [0, 0]},  # b has a millionth more than it owes
        {"amount": [1e12, 2.0], "rank": [0, 1]},  # b meets its senior debt, and has a millionth for the other
    ],
)
def test_plain_updates_claim_nothing_where_their_error_may_decide(debts: dict[str, list[float]]) -> None:
    """All that b gets, 1, is a trillionth of what it is owed: roundings there could make it a thousandth less."""
    edges = {"debtor": ["a", "b"], "creditor": ["b", "c"], **debts}
    nodes = {"name": list("abc"), "external_assets": [1.0, 1e-6, 0.0]}
    senior = {"external_liabilities": [0.0, 1.0 if debts["rank"][1] else 0.0, 0.0]}
    net = gs.Network(edges, nodes | senior)
    with pytest.raises(gs.AccuracyError):
        gs.clear(net, solver="fixed_point")
    result = gs.clear(net)
    assert result.payments[0] == pytest.approx([1.0, 1.000001 if debts["rank"][1] else 1.0, 0.0], rel=1e-15)


@examples(40)
@given(cases(most=6), COSTS)
def test_no_payment_is_farther_from_the_exact_one_than_the_bound(
    case: Case, costs: tuple[float, float]
) -> None:
    for solver in ("fixed_point", "fictitious_default"):
        try:
            result = cleared(case.network(), costs, solver=solver)
        except gs.AccuracyError:
            continue  # plain updates may have to give up, never to be wrong
        share = [[Fraction(owed) / Fraction(due) if due else Fraction(0) for owed in row]
                 for row, due in zip(case.owed[0], case.due, strict=True)]  # fmt: skip
        payments = [Fraction(p) for p in result.payments[0]]
        alpha, beta = map(Fraction, costs)
        failed = np.flatnonzero(result.defaulted[0])
        exact = exact_payments(
            share, [Fraction(e) for e in case.own], [Fraction(d) for d in case.due], failed, alpha, beta
        )
        assert max(abs(p - q) for p, q in zip(payments, exact, strict=True)) <= result.error_bound[0]


def exact_payments(
    share: list[list[Fraction]],
    own: list[Fraction],
    due: list[Fraction],
    failed: Any,
    alpha: Fraction,
    beta: Fraction,
) -> list[Fraction]:
    """Solve the equations of those who failed in fractions."""
    fails, payments = list(map(int, failed)), list(due)
    rows = []
    for i in fails:
        row = [Fraction(i == j) - beta * share[j][i] for j in fails]
        received = sum((share[j][i] * due[j] for j in range(len(due)) if j not in fails), Fraction(0))
        rows.append([*row, alpha * own[i] + beta * received])
    for at in range(len(rows)):  # elimination; the columns' diagonals dominate
        for below in range(at + 1, len(rows)):
            factor = rows[below][at] / rows[at][at]
            rows[below] = [x - factor * y for x, y in zip(rows[below], rows[at], strict=True)]
    for at in reversed(range(len(rows))):
        known = sum((rows[at][k] * payments[fails[k]] for k in range(at + 1, len(rows))), Fraction(0))
        payments[fails[at]] = (rows[at][-1] - known) / rows[at][at]
    return payments


# ---------------------------------------------------------------------------- default, tables, input


def test_decimals_that_add_up_are_no_default() -> None:
    """0.3 against 0.1 + 0.2, which as doubles are more: nobody loses half of all for it."""
    matrix = np.zeros((4, 4))
    matrix[0, 1], matrix[1, 2], matrix[1, 3] = 0.3, 0.1, 0.2
    net = gs.Network.from_scipy(matrix, external_assets=[0.3, 0, 0, 0])
    for solver in SOLVERS:
        result = cleared(net, (0.5, 0.5), solver=solver)
        assert not result.defaulted.any()
        assert result.payments[0] == pytest.approx([0.3, 0.3, 0, 0], rel=1e-15)


def test_the_networks_own_assets_are_the_default_and_results_are_read_only() -> None:
    net = gs.Network.from_scipy([[0, 5], [0, 0]], external_assets=[2, 1])
    result = gs.clear(net)
    assert result.payments.tolist() == [[2.0, 0.0]]
    assert result.equity.tolist() == [[0.0, 3.0]]
    assert result.recovery.tolist() == [[0.4, 1.0]]
    for array in (result.payments, result.equity, result.round, result.external_assets, result.error_bound):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    shocks = np.array([[1.0, 1.0]])
    later = gs.clear(net, shocks)
    shocks[:] = 9.0
    assert later.external_assets.tolist() == [[1.0, 1.0]]


def test_tables_have_a_row_for_each_shock_and_node() -> None:
    net = gs.Network.from_scipy([[0, 5], [0, 0]], ["bank", "fund"])
    result = gs.clear(net, [[2, 1], [6, 1]])
    assert result.table().to_pylist()[0] == {
        "shock": 0, "node": "bank", "external_assets": 2.0, "payments": 2.0, "recovery": 0.4, "equity": 0.0,
        "defaulted": True, "round": 1,
    }  # fmt: skip
    assert result.table()["shock"].to_pylist() == [0, 0, 1, 1]
    summary = result.summary()
    assert isinstance(summary, pa.Table)
    assert summary["defaults"].to_pylist() == [1, 0]
    assert summary["rounds"].to_pylist() == [1, 0]
    assert summary["unpaid"].to_pylist() == [3.0, 0.0]
    assert max(summary["error_bound"].to_pylist()) <= 5e-12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": "a network"}, "`net`: is no Network"),
        ({"external_assets": [1.0]}, r"`external_assets`: has the wrong shape \(value \(1, 1\)\)"),
        ({"external_assets": np.zeros((0, 2))}, "has the wrong shape"),
        ({"external_assets": np.zeros((1, 1, 2))}, "has the wrong shape"),
        ({"external_assets": "text"}, "is no array of numbers"),
        ({"external_assets": [[1, 1], [1, -2]]}, r"row 2, column `fund`: is negative \(value -2.0\)"),
        ({"external_assets": [1, np.nan]}, "row 1, column `fund`: is not a finite number"),
        ({"external_assets": [1, 1e101]}, "is too large"),
        ({"external_assets": -np.ones((9, 2))}, "8 more: is negative"),
        ({"method": "eisenberg"}, "`method`: is no method.*Did you mean `eisenberg_noe`"),
        ({"alpha": 0.5}, "`alpha`: is a default cost.*rogers_veraart"),
        ({"method": "rogers_veraart", "alpha": 1.5, "beta": "x"}, "2 problems.*\n.*`alpha`.*\n.*`beta`"),
        ({"method": "rogers_veraart", "beta": True}, "`beta`: is no share"),
        ({"method": "rogers_veraart", "beta": float("nan")}, "`beta`: is no share"),
        ({"solution": "best"}, "`solution`: is no solution"),
        ({"solver": "newton"}, "`solver`: is no solver"),
        ({"backend": "abacus"}, "`backend`: is no backend"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
    net = gs.Network.from_scipy([[0, 5], [0, 0]], ["bank", "fund"])
    with pytest.raises(gs.InputError, match=f"(?s){message}"):
        gs.clear(**{"net": net} | change)


# ---------------------------------------------------------------------------------- backends


def batch_of_shocks(size: int = 60, shocks: int = 37) -> tuple[gs.Network, Any]:
    """Some shocks leave nobody in default, some nearly everybody."""
    net = random_network(size, 0.1, seed=7)
    random = np.random.default_rng(8)
    left = 1.0 - random.random((shocks, 1)) * random.uniform(0.0, 1.3, (shocks, size)).clip(0.0, 1.0)
    return net, net.external_assets * left


def same(first: gs.Clearing, second: gs.Clearing) -> bool:
    names = ("payments", "equity", "round", "rounds", "error_bound")
    return all(same_bits(getattr(first, name), getattr(second, name)) for name in names)


@pytest.mark.parametrize("which", ["greatest", "least"])
@pytest.mark.parametrize("costs", [(1.0, 1.0), (0.7, 0.9)])
def test_every_backend_clears_as_the_reference_does(
    other_backend: str, costs: tuple[float, float], which: str
) -> None:
    net, shocks = batch_of_shocks()
    for solver in ("auto", "fixed_point"):
        ours, reference = (
            cleared(net, costs, external_assets=shocks, solution=which, solver=solver, backend=name)
            for name in (other_backend, "numpy")
        )
        due = net.liabilities.sum(axis=1) + net.external_liabilities
        assert np.abs(ours.payments - reference.payments).max() <= EXACT * due.max()
        assert np.abs(ours.equity - reference.equity).max() <= 1e-11 * due.max()
        assert (ours.round == reference.round).all()
        assert (ours.rounds == reference.rounds).all()
        assert 0 < ours.defaulted.sum() < ours.defaulted.size
        assert (ours.backend, ours.round.dtype, ours.rounds.dtype) == (other_backend, np.int32, np.int32)


@pytest.mark.parametrize("which", ["greatest", "least"])
@pytest.mark.parametrize("costs", [(1.0, 1.0), (0.7, 0.9)])
def test_a_shocks_bits_depend_on_no_other_shock(
    other_backend: str, costs: tuple[float, float], which: str
) -> None:
    """Whatever lies beside it in a vector, and however many threads there are."""
    net, shocks = batch_of_shocks()
    whole = cleared(net, costs, external_assets=shocks, solution=which, backend=other_backend)
    order = np.random.default_rng(1).permutation(len(shocks))
    shuffled = cleared(
        net, costs, external_assets=shocks[order], solution=which, backend=other_backend, threads=3
    )
    for name in ("payments", "equity", "round", "rounds", "error_bound"):
        assert same_bits(getattr(shuffled, name), getattr(whole, name)[order])
    for row in (0, 11, 36):
        alone = cleared(net, costs, external_assets=shocks[row], solution=which, backend=other_backend)
        assert same_bits(alone.payments[0], whole.payments[row])
        assert same_bits(alone.error_bound, whole.error_bound[row : row + 1])


@pytest.mark.parametrize("which", ["greatest", "least"])
def test_native_gives_the_same_bits_at_every_level_and_number_of_lanes(which: str) -> None:
    require_native()
    edges = {
        "debtor": list("abcde"),
        "creditor": list("bcdea"),
        "amount": [4, 5, 3, 6, 2],
        "rank": [0, 1, 0, 2, 1],
    }
    nodes = {
        "name": list("abcde"),
        "external_liabilities": [1.5, 1, 1, 2, 1],
        "external_rank": [1, 0, 2, 1, 1],
    }
    ranked = gs.Network(edges, nodes), np.random.default_rng(3).uniform(0.0, 3.0, (21, 5))
    for net, shocks in (batch_of_shocks(), ranked):
        owed = net.obligations
        results = [
            NativeBackend(level, threads).clear(owed, shocks, (0.7, 0.9), which, 1 << 30)  # type: ignore[arg-type]
            for threads, level in enumerate(levels(), 1)
        ]
        assert (results[0].round > 0).any()
        assert np.isfinite(results[0].error_bound).any()
        for other in results[1:]:
            assert differing_arrays(other, results[0]) == []


def test_blocks_give_what_all_shocks_together_do(backend: str) -> None:
    net, shocks = batch_of_shocks()
    whole = gs.clear(net, shocks, backend=backend)
    several = list(gs.clear_blocks(net, shocks, shocks=5, backend=backend))
    given = list(
        gs.clear_blocks(net, (shocks[first : first + 5] for first in range(0, 37, 5)), backend=backend)
    )
    assert [len(block.payments) for block in several] == [5] * 7 + [2]
    for one, other in zip(several, given, strict=True):
        assert same(one, other)
    payments = np.concatenate([block.payments for block in several])
    assert np.abs(payments - whole.payments).max() <= EXACT * net.obligations.largest
    assert backend == "numpy" or same_bits(payments, whole.payments)
    assert len(list(gs.clear_blocks(net, shocks, backend=backend))) == 1
    assert len(list(gs.clear_blocks(net, shocks, memory=40 * 60 * 64, backend=backend))) == 3
    with pytest.raises(gs.InputError, match="`shocks`: is no number of shocks"):
        gs.clear_blocks(net, shocks, shocks=0)
    with pytest.raises(gs.InputError, match="means nothing where blocks are given"):
        gs.clear_blocks(net, iter([shocks]), shocks=3)


def test_what_clearing_adds_to_its_result_is_bounded(backend: str) -> None:
    """As Python counts; what native's threads take is in the next test."""
    nodes, memory = 100, 1_000_000
    net = gs.Network.from_scipy(0.01 * sparse.eye_array(nodes, k=1), external_liabilities=np.ones(nodes))
    gs.clear(net, backend=backend)  # what a first call imports
    for shocks in (1_000, 4_000):
        given = np.random.default_rng(0).uniform(0.0, 2.0, (shocks, nodes))
        tracemalloc.start()
        result = gs.clear(net, given, memory=memory, backend=backend)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        arrays = (getattr(result, field.name) for field in dataclasses.fields(result))
        kept = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
        assert kept == shocks * (nodes * 28 + 12)
        assert peak <= kept + memory


def test_native_takes_no_more_threads_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    require_native()
    net, shocks = batch_of_shocks()
    native, taken = NativeBackend(threads=8), []
    kernels = native._kernels

    class Watched:
        clearing_bytes = staticmethod(kernels.clearing_bytes)

        @staticmethod
        def clear(level: str, network: Any, job: Any, threads: int) -> None:
            taken.append(threads)
            kernels.clear(level, network, job, threads)

    monkeypatch.setattr(native, "_kernels", Watched)
    owed = net.obligations
    of_thread = kernels.clearing_bytes(native.level, network_layout.network(owed))
    assert 8 * 60 * 9 * kernels.lanes(native.level) < of_thread < 8 * 60 * 30 * kernels.lanes(native.level)
    for memory in (1, of_thread, 3 * of_thread + 1, 100 * of_thread):
        native.clear(owed, shocks, (1.0, 1.0), "greatest", memory)
    assert taken == [1, 1, 3, 8]


def test_ctrl_c_ends_clearing_in_the_kernels() -> None:
    require_native()
    script = """
import os, signal, threading, time
import numpy as np
from scipy import sparse
import gpustress as gs
net = gs.Network.from_scipy(sparse.eye_array(3000, k=1))  # where nobody has anything all fail, in as many rounds
shocks = np.zeros((4000, 3000))
gs.clear(net, shocks[:1] + 1.0, backend="native")
sent = []
def interrupt():
    time.sleep(0.5); sent.append(time.monotonic()); os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    gs.clear(net, shocks, backend="native")
    print("done")
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - sent[0] < 30.0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout, done.stderr) == ("interrupted True\n", "")


class Unable:
    """A backend that only simulates."""

    name = "abacus"


def test_a_backend_that_does_not_clear_is_refused_by_name_and_passed_over_by_auto(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_BACKENDS", registry._BACKENDS | {"abacus": Unable})
    monkeypatch.setattr(registry, "_verdict", lambda make, devices: registry._Verdict(""))
    monkeypatch.delenv(registry.ENVIRONMENT_VARIABLE)
    net = gs.Network.from_scipy([[0, 5], [0, 0]])
    with pytest.raises(gs.InputError, match=r"`backend`: does not clear networks.*auto"):
        gs.clear(net, backend="abacus")
    assert registry.get_backend("auto").name == "abacus"
    monkeypatch.setattr(registry, "_BACKENDS", {"numpy": registry._BACKENDS["numpy"], "abacus": Unable})
    assert gs.clear(net).backend == "numpy"
