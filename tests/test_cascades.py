"""Cascades, DebtRank and fire sales: worked by hand, against slow readings of the papers, and properties."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

import gpustress as gs
from build import examples
from contagion_cases import EQUITY, HELD, IMPACT, market, owes, random_network, sales
from gpustress.backends import base

SEEDS = st.integers(0, 2**32)
VARIANTS = pytest.mark.parametrize("variant", ["linear", "original"])


def outcomes(net: gs.Network, equity: NDArray, shocks: Any) -> list[NDArray]:
    """All arrays (S, N) of all three kinds of contagion in a network."""
    failed = gs.cascade(net, equity, shocks, recovery=0.3)
    ranks = [gs.debtrank(net, equity, shocks, variant) for variant in ("linear", "original")]
    return [failed.failed, failed.round, failed.losses, failed.equity, *(rank.distress for rank in ranks)]


# -------------------------------------------------------------------------------------------- by hand


def test_a_chain_of_failures_round_by_round_with_recovery() -> None:
    """Furfine (2003). a owes b 10, b owes c 8, c owes d 5; creditors lose six tenths of a failed debtor's debt.

    b loses 6 of 5: fails in round 1. c loses 4.8 of 4: fails in round 2. d loses 3 of 3.5: stays.
    """
    net = owes("abcd", ("a", "b", 10.0), ("b", "c", 8.0), ("c", "d", 5.0))
    result = gs.cascade(net, [1.0, 5.0, 4.0, 3.5], [True, False, False, False], recovery=0.4)
    assert result.round.tolist() == [[0, 1, 2, -1]]
    assert result.failed.tolist() == [[True, True, True, False]]
    assert result.losses[0] == pytest.approx([1.0, 6.0, 4.8, 3.0])
    assert result.equity[0] == pytest.approx([0.0, -1.0, -0.8, 0.5])
    assert result.rounds.tolist() == [2]
    assert result.failures().to_pylist()[1] == {
        "shock": 0, "node": "b", "round": 1, "loss": pytest.approx(6.0), "equity": pytest.approx(-1.0)
    }  # fmt: skip
    assert result.summary().to_pylist() == [
        {
            "shock": 0,
            "rounds": 2,
            "initial_failures": 1,
            "failures": 3,
            "initial_loss": 1.0,
            "loss": pytest.approx(14.8),
        }
    ]


def test_recovery_may_differ_by_node() -> None:
    net = owes("abc", ("a", "c", 10.0), ("b", "c", 10.0))
    result = gs.cascade(net, [1.0, 1.0, 100.0], "each", recovery=[0.25, 1.0, 0.0])
    assert result.losses.tolist() == [[1.0, 0.0, 7.5], [0.0, 1.0, 0.0], [0.0, 0.0, 100.0]]


def test_who_loses_just_its_equity_has_not_failed() -> None:
    """Losses have to exceed it (Furfine 2003): here they are 0.1 + 0.2, in doubles a little more than 0.3."""
    net = owes("abc", ("a", "c", 0.1), ("b", "c", 0.2))
    equity = [1.0, 1.0, 0.3]
    assert gs.cascade(net, equity, [1, 1, 0]).failed.tolist() == [[False, False, False]]
    assert gs.cascade(net, equity, [True, True, False]).failed.tolist() == [[True, True, False]]
    assert gs.cascade(net, [1.0, 1.0, 0.29], [True, True, False]).round.tolist() == [[0, 0, 1]]


def test_two_debtors_that_fail_in_one_round_bring_down_who_survives_either() -> None:
    net = owes("abc", ("a", "c", 3.0), ("b", "c", 3.0))
    result = gs.cascade(net, [1.0, 1.0, 5.0], np.array([[2.0, 0.0, 0.0], [2.0, 2.0, 0.0]]))
    assert result.round.tolist() == [[0, -1, -1], [0, 0, 1]]


def test_original_debtrank_passes_each_nodes_distress_on_once() -> None:
    """Battiston et al. (2012). a owes b 5 and b owes a 6, equity 10 each; a loses 4.

    Round 1: h_b = 0.5 * 0.4 = 0.2. Round 2: h_a = 0.4 + 0.6 * 0.2 = 0.52, but a is inactive: b stays.
    """
    net = owes("ab", ("a", "b", 5.0), ("b", "a", 6.0))
    result = gs.debtrank(net, [10.0, 10.0], [4.0, 0.0], "original")
    assert result.initial.tolist() == [[0.4, 0.0]]
    assert result.distress[0] == pytest.approx([0.52, 0.2])
    # v = (6, 5) / 11, R = sum h v - sum h(1) v
    assert result.impact == pytest.approx([(0.12 * 6 + 0.2 * 5) / 11])


def test_original_debtrank_lets_no_claim_weigh_more_than_one() -> None:
    """W = min(1, claim / equity): b loses a tenth, though its claim on a is thrice its equity."""
    net = owes("ab", ("a", "b", 30.0))
    assert gs.debtrank(net, [10.0, 10.0], [1.0, 0.0], "original").distress[0] == pytest.approx([0.1, 0.1])
    assert gs.debtrank(net, [10.0, 10.0], [1.0, 0.0], "linear").distress[0] == pytest.approx([0.1, 0.3])


def test_original_debtrank_falls_where_a_small_shock_comes_first() -> None:
    """Battiston et al. (2012): b, shocked a little, has passed that on when the distress of a reaches it."""
    net = owes("abc", ("a", "b", 10.0), ("b", "c", 10.0))
    result = gs.debtrank(net, [10.0] * 3, [[10.0, 0.0, 0.0], [10.0, 1.0, 0.0]], "original")
    assert result.distress == pytest.approx(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.1]]))


def test_linear_debtrank_passes_all_on_to_the_end() -> None:
    """Bardoscia et al. (2015), the two nodes above: h_a = 0.4 + 0.6 h_b, h_b = 0.5 h_a."""
    net = owes("ab", ("a", "b", 5.0), ("b", "a", 6.0))
    result = gs.debtrank(net, [10.0, 10.0], [4.0, 0.0])
    assert result.distress[0] == pytest.approx([0.4 / 0.7, 0.2 / 0.7], rel=1e-12)
    assert result.aggregate_vulnerability == pytest.approx([(0.4 / 0.7 - 0.4 + 0.2 / 0.7) / 2])


def test_each_nodes_impact_and_vulnerability_in_one_batch() -> None:
    """A star: a owes b 2 and c 4; equity 10. Nobody depends on b or c."""
    net = owes("abc", ("a", "b", 2.0), ("a", "c", 4.0))
    result = gs.debtrank(net, [10.0, 10.0, 10.0], "each", weights=[0.0, 1.0, 3.0])
    assert result.distress == pytest.approx(np.array([[1.0, 0.2, 0.4], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert result.impact == pytest.approx([0.2 / 4 + 0.4 * 3 / 4, 0.0, 0.0])
    assert result.vulnerability == pytest.approx([0.0, 0.2 / 3, 0.4 / 3])
    assert result.summary()["failures"].to_pylist() == [1, 1, 1]
    assert gs.debtrank(net, [10.0] * 3, "each").weights == pytest.approx([0.0, 1 / 3, 2 / 3])


@pytest.mark.parametrize("leak", [0.5, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("count", [2, 5, 400])
def test_slow_circles_are_exact(leak: float, count: int) -> None:
    """A ring in which only the last debt leaks: h = first + (1 - leak) h; beside it a circle that nothing reaches."""
    debts = np.zeros((count + 2, count + 2))
    debts[:count, :count] = np.roll(np.eye(count), 1, axis=1)
    debts[count - 1, 0] = 1.0 - leak
    debts[count, count + 1] = debts[count + 1, count] = 1.2
    shock = np.zeros(count + 2)
    shock[0] = 0.25 * leak
    distress = gs.debtrank(gs.Network.from_scipy(debts), np.ones(count + 2), shock).distress[0]
    leaks = 1.0 - debts[count - 1, 0]  # as doubles have it
    assert distress[:count] == pytest.approx(np.full(count, shock[0] / leaks), rel=1e-9, abs=1e-12)
    assert distress[count:].tolist() == [0.0, 0.0]


def test_where_circles_amplify_a_speck_fails_all_that_it_reaches_and_nobody_else() -> None:
    """Spectral radius 1.2 among b and c, reached from a; likewise among e and f, which nothing reaches."""
    net = owes(
        "abcdef",
        ("a", "b", 0.5), ("b", "c", 1.2), ("c", "b", 1.2), ("c", "d", 0.5), ("e", "f", 1.2), ("f", "e", 1.2),
    )  # fmt: skip
    result = gs.debtrank(net, np.ones(6), [1e-9, 0, 0, 0, 0, 0])
    assert result.distress[0] == pytest.approx([1e-9, 1.0, 1.0, 0.5, 0.0, 0.0], rel=1e-9, abs=0.0)
    assert result.failed[0].tolist() == [False, True, True, False, False, False]


# ------------------------------------------------------------------------- slow readings of the papers


@examples(40)
@given(seed=SEEDS, recovery=st.sampled_from([0.0, 0.4, 1.0]))
def test_a_cascade_is_what_furfine_describes(seed: int, recovery: float) -> None:
    net, equity, shocks = random_network(seed, heavy=2.0)
    debts = net.to_dense()
    result = gs.cascade(net, equity, shocks, recovery)
    for shock, row in enumerate(shocks):
        losses, failed, fresh = row.copy(), set(), {i for i in range(len(row)) if row[i] > equity[i]}
        rounds = 0
        while fresh:
            assert set(np.flatnonzero(result.round[shock] == rounds)) == fresh
            failed |= fresh
            for i in fresh:
                losses += (1.0 - recovery) * debts[i]
            fresh = {i for i in range(len(row)) if losses[i] > equity[i]} - failed
            rounds += 1
        assert result.rounds[shock] == rounds - 1
        assert set(np.flatnonzero(result.failed[shock])) == failed
        assert result.losses[shock] == pytest.approx(losses)


@examples(40)
@given(seed=SEEDS)
def test_original_debtrank_is_the_papers_two_equations(seed: int) -> None:
    """Battiston et al. (2012), with the states U, D and I written out."""
    net, equity, shocks = random_network(seed)
    weight = np.minimum(1.0, net.to_dense() / equity)  # of i's distress for j
    distress = gs.debtrank(net, equity, shocks, "original").distress
    for shock, row in enumerate(shocks):
        h = np.minimum(1.0, row / equity)
        state = np.where(h > 0.0, "D", "U")
        while (state == "D").any():
            new = np.minimum(1.0, h + weight[state == "D"].T @ h[state == "D"])
            state = np.where(state == "D", "I", np.where((new > 0.0) & (state != "I"), "D", state))
            h = new
        assert distress[shock] == pytest.approx(h)


@examples(60)
@given(seed=SEEDS, heavy=st.sampled_from([0.3, 1.0, 3.0]))
def test_linear_debtrank_is_the_limit_of_the_papers_equation(seed: int, heavy: float) -> None:
    """Bardoscia et al. (2015): h(t+1) = min(1, h(t) + L (h(t) - h(t-1))), until the differences are gone."""
    net, equity, shocks = random_network(seed, heavy)
    relative = net.to_dense().T / equity[:, None]
    distress = gs.debtrank(net, equity, shocks).distress
    for shock, row in enumerate(shocks):
        h = difference = np.minimum(1.0, row / equity)
        for _ in range(50_000):
            difference = np.minimum(1.0 - h, relative @ difference)
            if difference.max() < 1e-17:
                break
            h = h + difference
        assert abs(distress[shock] - h).max() <= 1e-11


def test_what_debtrank_tells_is_what_its_arrays_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many shocks are looked at some at a time: shocks of several nodes, of none, and of next to nothing among them."""
    draws = np.random.default_rng(3)
    debts = draws.random((12, 12)) * (draws.random((12, 12)) < 0.3) * (1.0 - np.eye(12))
    net, equity = gs.Network.from_scipy(debts), draws.random(12) + 0.2
    share = draws.random((9, 12)) * (draws.random((9, 12)) < 0.3)
    share[4], share[6] = 0.0, 0.0
    share[6, 2] = 1e-320
    monkeypatch.setattr(base, "_PART", 20)
    found = gs.debtrank(net, equity, share * equity)
    assert len(list(found.outcome.parts())) > 3
    added = found.distress - np.minimum(1.0, share)
    assert found.impact == pytest.approx(added @ found.weights, abs=1e-15)
    assert found.aggregate_vulnerability == pytest.approx(added @ (equity / equity.sum()), abs=1e-15)
    assert found.vulnerability == pytest.approx(added.mean(axis=0), abs=1e-15)
    assert found.initial == pytest.approx(np.minimum(1.0, share), abs=1e-15)
    summary = found.summary()
    assert summary["impact"].to_numpy().tolist() == found.impact.tolist()
    assert summary["aggregate_vulnerability"].to_numpy().tolist() == found.aggregate_vulnerability.tolist()
    assert summary["failures"].to_numpy().tolist() == found.failed.sum(axis=1).tolist()


def test_without_caps_linear_debtrank_is_a_linear_solve() -> None:
    rng = np.random.default_rng(0)
    debts = rng.random((50, 50)) * (1.0 - np.eye(50))
    debts *= 0.98 / debts.sum(axis=0)  # each node's claims are 0.98 of its equity, 1
    first = 0.01 * rng.random((4, 50))
    distress = gs.debtrank(gs.Network.from_scipy(debts), np.ones(50), first).distress
    assert distress.max() < 1.0
    assert distress == pytest.approx(np.linalg.solve(np.eye(50) - debts.T, first.T).T, rel=1e-11)


# ------------------------------------------------------------------------------------------- properties


@examples(25)
@given(seed=SEEDS)
def test_a_batch_is_its_shocks_one_at_a_time_bit_for_bit(seed: int) -> None:
    net, equity, shocks = random_network(seed)
    together = outcomes(net, equity, shocks)
    for shock, row in enumerate(shocks):
        for batch, alone in zip(together, outcomes(net, equity, row), strict=True):
            assert batch[shock].tobytes() == alone[0].tobytes()


@examples(25)
@given(seed=SEEDS)
def test_the_order_of_the_nodes_changes_nothing(seed: int) -> None:
    net, equity, shocks = random_network(seed)
    order = np.random.default_rng(seed).permutation(len(equity))
    shuffled = gs.Network.from_scipy(net.to_dense()[np.ix_(order, order)])
    for given_order, other in zip(
        outcomes(net, equity, shocks), outcomes(shuffled, equity[order], shocks[:, order]), strict=True
    ):
        np.testing.assert_allclose(other, given_order[:, order], rtol=1e-11, atol=1e-12)


@examples(25)
@given(seed=SEEDS, less=st.floats(0.0, 1.0))
def test_a_smaller_shock_never_does_more_harm(seed: int, less: float) -> None:
    net, equity, shocks = random_network(seed, heavy=2.0)
    more, fewer = outcomes(net, equity, shocks), outcomes(net, equity, less * shocks)
    assert (fewer[0] <= more[0]).all()
    assert (fewer[2] <= more[2] + 1e-12).all()
    assert (fewer[4] <= more[4] + 1e-12).all()
    assert (fewer[5] <= more[5] + 1e-12).all()


@examples(25)
@given(seed=SEEDS, recoveries=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)))
def test_more_recovery_never_means_more_failures(seed: int, recoveries: tuple[float, float]) -> None:
    net, equity, shocks = random_network(seed, heavy=2.0)
    low, high = (gs.cascade(net, equity, shocks, recovery) for recovery in sorted(recoveries))
    assert (high.failed <= low.failed).all()
    assert (high.losses <= low.losses + 1e-12).all()


@examples(25)
@given(seed=SEEDS, recovery=st.floats(0.0, 1.0))
def test_what_creditors_lose_is_what_the_failed_do_not_pay(seed: int, recovery: float) -> None:
    net, equity, shocks = random_network(seed, heavy=2.0)
    result = gs.cascade(net, equity, shocks, recovery)
    owed = net.to_dense().sum(axis=1)
    unpaid = (result.failed * owed * (1.0 - recovery)).sum(axis=1)
    assert (result.losses - result.initial).sum(axis=1) == pytest.approx(unpaid, abs=1e-12)


def test_who_is_owed_nothing_is_untouched() -> None:
    net = owes("abcd", ("a", "b", 10.0), ("d", "a", 1.0))
    for result in outcomes(net, np.ones(4), [True, False, False, False])[-4:]:
        assert result[0, 2:].tolist() in ([0.0, 0.0], [1.0, 1.0])  # distress and losses, or equity left
    assert gs.cascade(net, np.ones(4), "each").failed[2].tolist() == [False, False, True, False]


def test_a_network_without_edges_has_no_contagion() -> None:
    net = owes("ab")
    assert gs.cascade(net, [1.0, 1.0], "each").failed.tolist() == np.eye(2, dtype=bool).tolist()
    for variant in ("linear", "original"):
        assert gs.debtrank(net, [1.0, 1.0], "each", variant).impact.tolist() == [0.0, 0.0]


@VARIANTS
def test_the_networks_own_equity_is_taken_where_none_is_given(variant: Any) -> None:
    edges = {"debtor": ["a"], "creditor": ["b"], "amount": [4.0]}
    net = gs.Network(edges, {"name": ["a", "b"], "external_assets": [7.0, 4.0]})
    assert net.equity.tolist() == [3.0, 8.0]
    assert gs.debtrank(net, None, "each", variant).distress[0] == pytest.approx([1.0, 0.5])
    assert gs.cascade(net, None, "each").equity[0] == pytest.approx([0.0, 4.0])


# -------------------------------------------------------------------------------------------- fire sales


def test_one_round_of_fire_sales_is_the_papers_formula() -> None:
    """Greenwood, Landier and Thesmar (2015): phi = M' A B R1, F2 = L phi, AV = 1' A M F2 / E, no cap in force."""
    fall = np.array([0.05, 0.02, 0.0])
    total = HELD.sum(axis=1)
    shares, leverage = HELD / total[:, None], (total - EQUITY) / EQUITY
    phi = shares.T @ (total * leverage * (shares @ fall))
    second = IMPACT * phi
    result = sales(fall)
    assert result.sold[0] == pytest.approx(phi)
    assert result.price_fall[0] == pytest.approx(second)
    assert result.initial[0] == pytest.approx(HELD @ fall / EQUITY)
    assert result.distress[0] == pytest.approx((HELD @ fall + HELD @ second) / EQUITY)
    assert result.aggregate_vulnerability == pytest.approx([(HELD @ second).sum() / EQUITY.sum()])
    assert result.summary().to_pylist()[0]["sold"] == pytest.approx(phi.sum())
    assert result.failed.tolist() == [[False, False]]


def test_systemicness_and_vulnerabilities_are_the_papers() -> None:
    """Greenwood, Landier and Thesmar (2015): S(n) = 1' A M L M' B A d_n d_n' M F1 / E, IV(n) = d_n' A M L phi / e_n."""
    falls = np.array([[0.05, 0.02, 0.0], [0.0, 0.1, 0.0]])
    result = sales(falls)
    total = HELD.sum(axis=1)
    shares, leverage = HELD / total[:, None], (total - EQUITY) / EQUITY
    for shock, fall in enumerate(falls):
        each = [
            HELD @ (IMPACT * (shares[n] * total[n] * leverage[n] * (shares[n] @ fall)))
            for n in range(len(EQUITY))
        ]
        assert result.systemicness[shock] == pytest.approx([lost.sum() / EQUITY.sum() for lost in each])
        assert result.indirect_vulnerability[shock] == pytest.approx(sum(each) / EQUITY)
        assert result.direct_vulnerability[shock] == pytest.approx(HELD @ fall / EQUITY)
    for rounds in (1, 3, None):
        result = sales(falls, rounds=rounds)
        assert result.systemicness.sum(axis=1) == pytest.approx(result.aggregate_vulnerability, rel=1e-9)
    assert result.table().num_rows == 4
    assert result.table().to_pylist()[3]["systemicness"] == result.systemicness[1, 1]


def test_fire_sales_to_rest_are_the_fixed_point_of_their_rounds() -> None:
    falls = np.array([[0.05, 0.02, 0.0], [0.2, 0.15, 0.0], [0.3, 0.2, 0.0], [0.0, 0.0, 0.0]])
    rest = sales(falls, rounds=None)
    debt = HELD.sum(axis=1) - EQUITY
    sold = (rest.distress * debt) @ (HELD / HELD.sum(axis=1)[:, None])
    assert rest.sold == pytest.approx(sold)
    lost = (falls + rest.price_fall) @ HELD.T
    assert rest.distress == pytest.approx(np.minimum(1.0, lost / EQUITY), abs=1e-11)
    assert rest.failed.any(axis=1).tolist() == [False, True, True, False]
    assert sales(falls, rounds=200).distress == pytest.approx(rest.distress, abs=1e-9)


def test_more_rounds_and_larger_falls_never_lose_less() -> None:
    fall = np.array([0.04, 0.03, 0.01])
    by_round = [sales(fall, rounds=rounds).distress for rounds in (1, 2, 3, None)]
    assert all((later >= earlier).all() for earlier, later in itertools.pairwise(by_round))
    assert (sales(2 * fall, rounds=None).distress >= by_round[-1]).all()


def test_without_impact_or_debt_nobody_loses_by_sales() -> None:
    fall = np.array([0.05, 0.02, 0.0])
    assert sales(fall, impact=np.zeros(3), rounds=None).aggregate_vulnerability.tolist() == [0.0]
    assert sales(fall, equity=HELD.sum(axis=1)).sold.tolist() == [[0.0, 0.0, 0.0]]


# --------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("ask", "part"),
    [
        (lambda net: gs.cascade(net, [1.0], "each"), "`equity`: has to have shape (N,) (value (1,)). Give 2 numbers"),
        (lambda net: gs.cascade(net, [1.0, -1.0], "each"), "`equity`, column `b`: is out of range (value -1.0)"),
        (lambda net: gs.cascade(net, ["x", 1.0], "each"), "`equity`: is no array of numbers"),
        (lambda net: gs.cascade(net, [1.0, 1.0], "all"), "`shocks`: is not known (value 'all'). Write \"each\""),
        (lambda net: gs.cascade(net, [1.0, 1.0], [1.0]), "`shocks`: has to have shape (S, N) or (N,) (value (1,))"),
        (lambda net: gs.cascade(net, [1.0, 1.0], np.empty((0, 2))), "(value (0, 2))"),
        (lambda net: gs.cascade(net, [1.0, 1.0], [[0, 0], [0, -2]]), "`shocks`, row 2, column `b`: is out of range"),
        (lambda net: gs.cascade(net, [1.0, 1.0], [[0, np.nan]]), "`shocks`, row 1, column `b`: is out of range"),
        (lambda net: gs.cascade(net, [1.0, 1.0], sparse.csr_array([[0.0, -2.0]])), "`shocks`, row 1, column `b`"),
        (lambda net: gs.cascade(net, [1.0, 1.0], sparse.csr_array((1, 3))), "has to have shape (S, N) (value (1, 3))"),
        (lambda net: gs.cascade(net, [1.0, 1.0], np.array([1j, 0.0])), "`shocks`: is no array of numbers"),
        (lambda net: gs.cascade(net, [1.0, 1.0], sparse.csr_array([[1j, 0.0]])), "`shocks`: is no array of numbers"),
        (lambda net: gs.cascade(net, [1.0, 1.0], np.array(["2020", "2021"], "M8[Y]")), "is no array of numbers"),
        (lambda net: gs.cascade(net, [1.0, 1.0], np.ma.masked_less([0.5, -1.0], 0.0)), "is no array of numbers"),
        (lambda net: gs.cascade(net, [1.0, 1.0], np.array([True, 2.0], object)), "`shocks`: mixes losses"),
        (lambda net: gs.cascade_blocks(net, [1.0, 1.0], None), "`shocks`: are no shocks, and no blocks of them"),
        (lambda net: gs.debtrank_blocks(net, [1.0, 1.0], 5), "`shocks`: are no shocks, and no blocks of them"),
        (lambda net: gs.cascade(net.names, [1.0, 1.0], "each"), "`net`: is no Network"),
        (lambda net: gs.debtrank(net, [1.0, 1.0], "each", np.array(["linear", "original"])), "`variant`: is not known"),
        (lambda net: gs.cascade_blocks(net, [1.0, 1.0], "each", block=0), "`block`: is no number of shocks (value 0)"),
        (lambda net: gs.debtrank_blocks(net, [1.0, 1.0], iter([]), block=2), "`block`: means nothing where blocks"),
        (lambda net: list(gs.cascade_blocks(net, [1.0, 1.0], [[0, 0], [0, -1]], block=1)), "`shocks`, row 1, column"),
        (lambda net: list(gs.cascade_blocks(net, [1.0, 1.0], "all")), "`shocks`: is not known (value 'all')"),
        (lambda net: gs.cascade(net, [1.0, 1.0], "each", 1.5), "`recovery`: is out of range (value 1.5)"),
        (lambda net: gs.cascade(net, [1.0, 1.0], "each", [0, -1]), "`recovery`, column `b`: is out of range"),
        (lambda net: gs.debtrank(net, [1.0, 0.0], "each"), "`equity`, column `b`: is out of range (value 0.0)"),
        (lambda net: gs.debtrank(net, [1.0, 1.0], "each", "lin"), "`variant`: is not known (value 'lin'). Did you"),
        (lambda net: gs.debtrank(net, [1.0, 1.0], "each", weights=[0, 0]), "`weights`: have no ratios"),
        (lambda net: gs.debtrank(net, [1e308, 1e308], "each"), "`a`: is out of range (value 1e+308). Write at most"),
        (lambda net: gs.debtrank(net, [1.0, 1.0], [[0, 1e308]]), "(value 1e+308). Write at most 1e+100"),
        (lambda net: gs.cascade(net, [1.0, 1.0], sparse.csr_array([[0.0, 1e101]])), "Write at most 1e+100"),
        (lambda net: gs.debtrank(net, [1.0, 1.0], "each", weights=[1e308, 1e308]), "Write at most 1e+100"),
        (lambda net: sales([0.1, 0.1]), "`shocks`: has to have shape (S, N) or (N,) (value (2,))"),
        (lambda net: sales([0.1, 0.1, 1.1]), "`shocks`, row 1, column `z`: is out of range (value 1.1)"),
        (lambda net: sales([0.1, 0.1, 0.1], rounds=0), "`rounds`: is out of range (value 0)"),
        (lambda net: gs.fire_sales_blocks(*market(), 5), "(value 5). Give an array, or an iterable of such."),
        (lambda net: gs.fire_sales_blocks(*market(), [[0, 0, 0], [0]]), "`shocks`: is no array of numbers"),
        (lambda net: gs.fire_sales_blocks(*market(), [[0, 0, 0]], block=0), "`block`: is no number of shocks"),
        (lambda net: gs.clear_blocks(net, [[1.0, 1.0], [1.0]]), "`external_assets`: is no array of numbers"),
        (lambda net: sales([0.9, 0, 0], impact=[0.01, 0, 0]), "`shocks`, row 1, column `x`: the price falls below 0"),
        (lambda net: sales([0, 0, 0], equity=[1, 500]), "`holders`, row 2, column `equity`: is more than all that it"),
    ],
)  # fmt: skip
def test_an_argument_out_of_range_is_refused(ask: Any, part: str) -> None:
    with pytest.raises(gs.InputError) as caught:
        ask(owes("ab", ("a", "b", 1.0)))
    assert part in str(caught.value)


def test_a_networks_own_sums_of_the_largest_amounts_are_no_fault() -> None:
    debts = {"debtor": ["a", "b"], "creditor": ["c", "c"], "amount": [1e100, 1e100]}
    net = gs.Network(debts, {"name": list("abc"), "external_assets": [2e99] * 3, "equity": [1.0, 1.0, None]})
    assert net.equity[2] == pytest.approx(2.2e100)
    assert gs.debtrank(net, None, "each").distress[0] == pytest.approx([1.0, 0.0, 1.0 / 2.2])


@pytest.mark.parametrize("variant", ["linear", "original"])
def test_who_has_next_to_no_equity_loses_no_more_than_all_of_it(backend: str, variant: Any) -> None:
    """A creditor of a ring that stays in motion for long, and of one whom nothing reaches."""
    net = owes("abcd", ("a", "b", 0.9999), ("b", "a", 0.9999), ("a", "c", 1e5), ("d", "c", 1e5))
    shocks = [[1e-5, 0, 0, 0], [0, 0, 1e100, 0]]
    result = gs.debtrank(net, [1.0, 1.0, 1e-305, 1.0], shocks, variant, backend=backend)
    ring = 1e-5 / (1.0 - 0.9999**2)
    linear = variant == "linear"
    assert result.distress[0, [0, 2, 3]] == pytest.approx(
        [ring, 1, 0] if linear else [1.9998e-5, 1e-5, 0], rel=1e-3
    )
    assert result.distress[1].tolist() == result.initial[1].tolist() == [0.0, 0.0, 1.0, 0.0]


def test_booleans_in_an_array_of_objects_say_who_fails() -> None:
    net, who = owes("ab", ("a", "b", 1.0)), np.array([True, False])
    assert gs.cascade(net, [5.0, 5.0], who.astype(object)).initial.tolist() == [[5.0, 0.0]]
    (block,) = gs.cascade_blocks(net, [5.0, 5.0], who.astype(object)[None])
    assert block.initial.tolist() == [[5.0, 0.0]]


def test_all_problems_of_the_tables_come_at_once() -> None:
    with pytest.raises(gs.InputError) as caught:
        gs.fire_sales(
            {"holder": ["a", "q", "a"], "asset": ["x", "y", "x"], "amount": [1.0, -1.0, 1.0]},
            {"name": ["a"], "equity": [0.0]},
            {"name": ["x"]},
            [0.1],
        )
    for part in (
        "`holdings`, row 2, column `holder`: names no holder (value 'q')",
        "`holdings`, row 2, column `asset`: names no asset (value 'y')",
        "`holdings`, row 2, column `amount`: is too small (value -1.0)",
        "`holdings`, row 3, column `asset`: the same holder and asset as in row 1",
        "`holders`, row 1, column `equity`: is too small (value 0.0)",
        "`assets`, column `impact`: the column is missing",
    ):
        assert part in str(caught.value)
