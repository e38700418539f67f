"""Valuation of networks: the special cases, the authors' own figures, and what every valuation keeps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

import gpustress as gs
from build import examples
from static_networks import COSTS, Case, cases

Floats = NDArray[np.float64]
SEEDS = st.integers(0, 2**32)
SOLUTIONS = st.sampled_from(["greatest", "least"])
VALUATIONS = (
    gs.EisenbergNoe(),
    gs.RogersVeraart(0.7, 0.8),
    gs.Furfine(0.3),
    gs.LinearDebtRank(),
    gs.LinearDebtRank(recovery=0.4),
    gs.Merton(0.2, 0.5),
    gs.Merton(0.4, recovery=0.6),
    gs.BlackCox(0.2, recovery=0.4),
)


def random_network(seed: int) -> tuple[gs.Network, Floats]:
    """A network whose nodes have an equity above 0, and five shocks to their external assets."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 13))
    debts = rng.random((count, count)) * (rng.random((count, count)) < rng.choice([0.15, 0.3, 0.6]))
    np.fill_diagonal(debts, 0.0)
    equity, deposits = rng.random(count) + 0.2, 3.0 * rng.random(count)
    assets = np.maximum(equity + deposits + debts.sum(axis=1) - debts.sum(axis=0), 1.5)
    net = gs.Network.from_scipy(debts, external_assets=assets, external_liabilities=deposits)
    return net, assets * (1.0 - rng.random((5, count)) * rng.choice([0.1, 0.5, 1.0]))


def allowed(net: gs.Network, shocks: Floats) -> Floats:
    """1e-12 of the most that a node has or owes, (S, 1)."""
    debts, claims = net.external_liabilities + net.to_dense().sum(axis=1), net.to_dense().sum(axis=0)
    return 1e-12 * np.maximum(shocks + claims, debts).max(axis=1, keepdims=True)


def ring(count: int, leak: float, own: float = 0.0) -> gs.Network:
    """Everybody owes the next 1 and `leak` outside."""
    debts = np.roll(np.eye(count), 1, axis=1)
    columns = {"external_assets": np.full(count, own), "external_liabilities": np.full(count, leak)}
    return gs.Network.from_scipy(debts, **columns)


# ------------------------------------------------------------------------------------- special cases


def agrees_with_clearing(case: Case, costs: tuple[float, float], solution: str) -> None:
    net = case.network()
    method = {"method": "rogers_veraart", "alpha": costs[0], "beta": costs[1]}
    cleared = gs.clear(net, solution=solution, **method)
    valued = gs.value_network(net, None, gs.RogersVeraart(*costs), solution=solution)
    bound = 1e-12 * max(case.due.max(), (case.own + case.owed.sum(axis=(0, 1))).max())
    assert (abs(valued.worth * case.due - cleared.payments) <= 2.0 * bound).all()
    assert (abs(np.maximum(valued.equity, 0.0) - cleared.equity) <= bound).all()
    assert (valued.insolvent == cleared.defaulted).all()
    assert valued.error_bound <= bound
    if costs == (1.0, 1.0):
        plain = gs.value_network(net, solution=solution)
        assert (plain.equity == valued.equity).all()
        assert isinstance(plain.valuation, gs.EisenbergNoe)


@examples(60)
@given(case=cases(), costs=COSTS, solution=SOLUTIONS)
def test_eisenberg_noe_and_rogers_veraart_are_clearing(case: Case, costs: Any, solution: str) -> None:
    agrees_with_clearing(case, costs, solution)


@examples(40)
@given(case=cases(ranks=3), costs=COSTS, solution=SOLUTIONS)
def test_with_ranks_they_are_clearing_too(case: Case, costs: Any, solution: str) -> None:
    agrees_with_clearing(case, costs, solution)


@examples(40)
@given(seed=SEEDS, recovery=st.sampled_from([0.0, 0.4, 1.0]))
def test_furfine_is_the_cascade(seed: int, recovery: float) -> None:
    net, shocks = random_network(seed)
    valued = gs.value_network(net, shocks, gs.Furfine(recovery))
    cascade = gs.cascade(net, None, net.external_assets - shocks, recovery)
    assert (abs(valued.equity - cascade.equity) <= allowed(net, shocks)).all()
    assert (valued.insolvent == cascade.failed).all()


@examples(40)
@given(seed=SEEDS)
def test_linear_debtrank_is_debtrank(seed: int) -> None:
    net, shocks = random_network(seed)
    valued = gs.value_network(net, shocks, gs.LinearDebtRank(), tolerance=1e-10)
    ranked = gs.debtrank(net, None, net.external_assets - shocks)
    owing = net.to_dense().sum(axis=1) + net.external_liabilities > 0.0
    assert abs(1.0 - valued.worth - ranked.distress)[:, owing].max(initial=0.0) <= 1e-8
    assert (abs(valued.equity - (net.equity * (1.0 - ranked.distress)))[ranked.distress < 1.0] <= 1e-8).all()


@examples(25)
@given(seed=SEEDS)
def test_without_volatility_the_ex_ante_valuations_are_those_ex_post(seed: int) -> None:
    net, shocks = random_network(seed)
    for sure in ({"volatility": 0.0}, {"volatility": 0.3, "maturity": 0.0}):
        for ex_ante, ex_post in (
            (gs.Merton(**sure), gs.EisenbergNoe()),
            (gs.Merton(**sure, recovery=0.6), gs.RogersVeraart(0.6, 0.6)),
            (gs.BlackCox(**sure, recovery=0.4), gs.Furfine(0.4)),
        ):
            for solution in ("greatest", "least"):
                one, other = (gs.value_network(net, shocks, v, solution=solution) for v in (ex_ante, ex_post))
                assert (abs(one.equity - other.equity) <= 2.0 * allowed(net, shocks)).all()


@examples(25)
@given(seed=SEEDS)
def test_little_volatility_changes_little(seed: int) -> None:
    """The worth of a put at the money is 0.4 of the deviation; what is lost by it goes round in the network."""
    net, shocks = random_network(seed)
    net = gs.Network.from_scipy(
        net.to_dense(),
        external_assets=net.external_assets,
        external_liabilities=net.external_liabilities + 1.0,
    )
    sure, nearly = (gs.value_network(net, shocks, gs.Merton(v)).equity for v in (0.0, 1e-5))
    assert (nearly <= sure + allowed(net, shocks)).all()
    assert (sure - nearly).max() <= 1e-5 * len(net.names) * shocks.max() * 20.0


# ---------------------------------------------------------------------------------- figures and formulas

AUTHORS_NETWORK = (
    {"debtor": ["B", "C", "A"], "creditor": ["A", "B", "C"], "amount": [0.5, 0.5, 0.5]},
    {"name": ["A", "B", "C"], "external_assets": [10.0, 5.0, 3.0], "external_liabilities": [9.0, 4.0, 2.0]},
)
VOLATILITY = [0.2, 0.15, 0.3]


@pytest.mark.parametrize(
    ("valuation", "lost", "equity"),
    [
        (gs.Merton(VOLATILITY), 0.5, [0.4907702208339454, 0.48078137373188823, 0.4727642717941115]),
        (gs.Merton(VOLATILITY), 1.3, [-0.35288917187983204, -0.38762221692813703, -0.3472306280134141]),
        (gs.Merton(VOLATILITY, recovery=0.6), 0.5, [0.43683298187929576, 0.4181235035879288, 0.39367638954753026]),
        (gs.Merton(VOLATILITY, recovery=0.6), 1.3, [-0.5059397464619355, -0.5293769924197778, -0.4612000014500357]),
        (gs.BlackCox(VOLATILITY, recovery=0.6), 0.5, [0.38029281135469806, 0.3635259309304055, 0.32903929814187194]),
        (gs.BlackCox(VOLATILITY, recovery=0.6), 1.3, [-0.5, -0.5, -0.5]),
        (gs.EisenbergNoe(), 0.5, [0.5, 0.5, 0.5]),
        (gs.EisenbergNoe(), 1.3, [-0.3403981264637009, -0.363583138173302, -0.3179156908665106]),
    ],
)  # fmt: skip
def test_the_authors_package_gives_the_same_for_its_own_data(
    valuation: Any, lost: float, equity: list[float]
) -> None:
    """github.com/marcobardoscia/neva 0.9 (commit 6ced7f7): its data/ under shocks to all, run to rest at 1e-15."""
    net = gs.Network(*AUTHORS_NETWORK)
    valued = gs.value_network(net, net.external_assets - lost, valuation)
    assert valued.equity[0] == pytest.approx(equity, abs=2e-12)


def test_merton_is_the_expected_payment_at_maturity() -> None:
    """By quadrature over the external assets: two ranks; in default creditors get 0.7 of what is met of theirs."""
    edges = {
        "debtor": ["a", "a", "c"],
        "creditor": ["b", "c", "a"],
        "amount": [2.0, 5.0, 3.0],
        "rank": [0, 1, 0],
    }
    nodes = {
        "name": ["a", "b", "c"],
        "external_assets": [4.5, 0.0, 9.0],
        "external_liabilities": [0.0, 0.0, 5.0],
    }
    volatility, years, recovery = 0.35, 1.7, 0.7
    net = gs.Network(edges, nodes)
    valued = gs.value_network(net, None, gs.Merton([volatility, 0.0, 0.0], years, [recovery, 1.0, 1.0]))
    claims = 3.0  # of a on c, who does not default
    deviation = volatility * math.sqrt(years)

    def expected(senior: float, due: float) -> float:
        def payment(z: float) -> float:
            has = 4.5 * math.exp(-(deviation**2) / 2.0 + deviation * z) + claims
            kept = 1.0 if has >= 7.0 else recovery
            return kept * min(due, max(0.0, has - senior)) * stats.norm.pdf(z)

        at = [
            (math.log((level - claims) / 4.5) + deviation**2 / 2.0) / deviation
            for level in (7.0, senior + due)
        ]
        return integrate.quad(payment, -10.0, 10.0, points=at, epsabs=1e-12, limit=200)[0]

    to_b, to_c = expected(0.0, 2.0 + 1.5), expected(2.0, 5.0)
    to_b = 2.0 * (
        1.0 - (1.0 - recovery) * stats.norm.cdf(math.log((7.0 - claims) / 4.5) / deviation + deviation / 2)
    )
    assert valued.equity[0] == pytest.approx([4.5 + 3.0 - 7.0, to_b, 9.0 + to_c - 8.0], abs=1e-9)
    assert valued.worth[0, 0] == pytest.approx((to_b + to_c) / 7.0, abs=1e-9)


@pytest.mark.parametrize("years", [0.25, 1.0, 20.0])
def test_black_cox_is_the_probability_of_the_first_passage(years: float) -> None:
    """By quadrature over its density (inverse Gaussian): 10 in assets fall to 9 with a drift of -v^2 / 2."""
    net = gs.Network(
        {"debtor": ["a"], "creditor": ["b"], "amount": [4.0]},
        {"name": ["a", "b"], "external_assets": [10.0, 1.0], "external_liabilities": [5.0, 0.0]},
    )
    volatility, barrier = 0.2, math.log(0.9)
    drift = -(volatility**2) / 2.0

    def density(t: float) -> float:
        exponent = -((barrier - drift * t) ** 2) / (2.0 * volatility**2 * t)
        return -barrier / (volatility * math.sqrt(2.0 * math.pi * t**3)) * math.exp(exponent)

    failing = integrate.quad(density, 0.0, years, epsabs=1e-13, limit=200)[0]
    valued = gs.value_network(net, None, gs.BlackCox(volatility, years, recovery=0.45))
    assert valued.worth[0] == pytest.approx([1.0 - 0.55 * failing, 1.0], abs=1e-10)
    assert valued.equity[0] == pytest.approx([1.0, 1.0 + 4.0 * (1.0 - 0.55 * failing)], abs=1e-10)


# --------------------------------------------------------------------------------------------- properties


@examples(25)
@given(seed=SEEDS, valuation=st.sampled_from(VALUATIONS), solution=SOLUTIONS)
def test_more_assets_never_lower_an_equity(seed: int, valuation: Any, solution: str) -> None:
    net, shocks = random_network(seed)
    more = shocks + np.random.default_rng(seed).random(shocks.shape) * (shocks > np.median(shocks))
    low, high = (
        gs.value_network(net, s, valuation, solution=solution, tolerance=1e-9) for s in (shocks, more)
    )
    assert (low.equity <= high.equity + 2e-9 * high.external_assets.max() + 1e-8).all()


@examples(25)
@given(seed=SEEDS, valuation=st.sampled_from(VALUATIONS))
def test_the_greatest_is_not_below_the_least_and_both_are_solutions(seed: int, valuation: Any) -> None:
    net, shocks = random_network(seed)
    greatest, least = (
        gs.value_network(net, shocks, valuation, solution=solution, tolerance=1e-9)
        for solution in ("greatest", "least")
    )
    error = (greatest.error_bound + least.error_bound)[:, None]
    assert (greatest.equity >= least.equity - error).all()
    debts = net.to_dense()
    for found in (greatest, least):
        worth = found.worth @ debts
        equity = shocks + worth - debts.sum(axis=1) - net.external_liabilities
        assert abs(equity - found.equity).max() <= 20.0 * error.max()


@examples(25)
@given(seed=SEEDS, valuation=st.sampled_from(VALUATIONS), solution=SOLUTIONS)
def test_a_batch_is_its_shocks_one_at_a_time_bit_for_bit(seed: int, valuation: Any, solution: str) -> None:
    net, shocks = random_network(seed)
    together = gs.value_network(net, shocks, valuation, solution=solution, tolerance=1e-9)
    for row, shock in enumerate(shocks):
        alone = gs.value_network(net, shock, valuation, solution=solution, tolerance=1e-9)
        for name in ("equity", "worth", "error_bound", "updates"):
            assert getattr(together, name)[row].tobytes() == getattr(alone, name)[0].tobytes()


@pytest.mark.parametrize("seed", [1, 6, 7, 32])
def test_no_shock_moves_another_ones_bound(seed: int) -> None:
    """Thirty shocks, whose bounds take different numbers of updates."""
    net, _ = random_network(seed)
    draws = np.random.default_rng(seed)
    shocks = net.external_assets * (1.0 - draws.random((30, len(net.names))) * draws.random((30, 1)))
    for valuation in (gs.LinearDebtRank(), gs.BlackCox(0.2, recovery=0.4)):
        for solution in ("greatest", "least"):
            together = gs.value_network(net, shocks, valuation, solution=solution, tolerance=1e-9)
            for row in range(0, 30, 7):
                alone = gs.value_network(net, shocks[row], valuation, solution=solution, tolerance=1e-9)
                assert together.error_bound[row] == alone.error_bound[0]
                assert together.equity[row].tobytes() == alone.equity[0].tobytes()


def test_blocks_of_shocks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpustress.networks import network_valuation

    net, shocks = random_network(3)
    whole = gs.value_network(net, shocks, gs.Merton(0.2))
    monkeypatch.setattr(network_valuation, "BLOCK_CELLS", 2 * len(net.names))
    parts = gs.value_network(net, shocks, gs.Merton(0.2))
    assert whole.equity.tobytes() == parts.equity.tobytes()
    assert whole.error_bound.tobytes() == parts.error_bound.tobytes()


@examples(15)
@given(seed=SEEDS, valuation=st.sampled_from(VALUATIONS))
def test_the_order_of_the_nodes_is_of_no_account(seed: int, valuation: Any) -> None:
    net, shocks = random_network(seed)
    order = np.random.default_rng(seed).permutation(len(net.names))
    other = gs.Network.from_scipy(
        net.to_dense()[np.ix_(order, order)],
        external_assets=net.external_assets[order],
        external_liabilities=net.external_liabilities[order],
    )
    one = gs.value_network(net, shocks, valuation, tolerance=1e-9)
    two = gs.value_network(other, shocks[:, order], valuation, tolerance=1e-9)
    assert abs(one.equity[:, order] - two.equity).max() <= one.error_bound.max() + two.error_bound.max()


# --------------------------------------------------------------------------------- errors that are shown


def smooth(equity: Floats, _: Floats) -> Floats:
    """A worth without kinks."""
    return 1.0 / (1.0 + np.exp(-3.0 * equity))


@pytest.mark.parametrize("solution", ["greatest", "least"])
@pytest.mark.parametrize("tolerance", [1e-12, 1e-6, 1e-3])
def test_the_bound_holds_at_every_tolerance(tolerance: float, solution: str) -> None:
    for seed in range(6):
        net, shocks = random_network(seed)
        debts = net.to_dense()
        owed = debts.sum(axis=1) + net.external_liabilities
        equity = shocks - owed if solution == "least" else shocks + debts.sum(axis=0) - owed
        for _ in range(5000):
            equity = shocks + smooth(equity, shocks) @ debts - owed
        valued = gs.value_network(net, shocks, smooth, solution=solution, tolerance=tolerance)
        assert (abs(valued.equity - equity) <= valued.error_bound[:, None]).all()
        assert (valued.error_bound[:, None] <= tolerance * 1e12 * allowed(net, shocks)).all()
        assert valued.worth == pytest.approx(smooth(valued.equity, shocks), abs=1e-12) or not owed.all()


@pytest.mark.parametrize("solution", ["greatest", "least"])
@pytest.mark.parametrize("tolerance", [1e-11, 1e-6, 1e-3])
def test_the_bound_holds_where_updates_are_slow(tolerance: float, solution: str) -> None:
    """A ring in which 0.95 of what is lost is passed on: E = 1.03 + 0.95 E - 1, so E = 0.6."""
    net = ring(4, 0.0, own=1.03)
    valued = gs.value_network(
        net, None, lambda equity, _: np.clip(0.95 * equity, 0.0, 1.0), solution=solution, tolerance=tolerance
    )
    assert (abs(valued.equity - 0.6) <= valued.error_bound[:, None]).all()
    assert valued.error_bound[0] <= tolerance * 2.03


def test_a_function_of_ones_own_is_valued_like_the_one_that_is_there() -> None:
    net, shocks = random_network(11)
    due = net.to_dense().sum(axis=1) + net.external_liabilities

    def eisenberg_noe(equity: Floats, external_assets: Floats) -> Floats:
        assert equity.shape == external_assets.shape
        return np.clip((equity + due) / np.where(due > 0.0, due, 1.0), 0.0, 1.0)

    mine, theirs = (gs.value_network(net, shocks, v) for v in (eisenberg_noe, gs.EisenbergNoe()))
    assert (abs(mine.equity - theirs.equity) <= 2.0 * allowed(net, shocks)).all()


@pytest.mark.parametrize("leak", [1e-3, 1e-6])
def test_slow_circles_are_handed_to_clearing(leak: float) -> None:
    """What is lost goes round: short of all but a part in a thousand of a leak, ten pay what ten times that leaves."""
    net = ring(10, leak, own=0.25 * leak)
    valued, cleared = gs.value_network(net), gs.clear(net)
    assert cleared.defaulted.all()
    assert valued.worth * (1.0 + leak) == pytest.approx(cleared.payments, abs=1e-12)
    assert valued.updates[0] == 512
    assert valued.error_bound[0] <= 1e-12 * (1.0 + leak)


def test_slow_circles_are_handed_to_debtrank() -> None:
    debts = np.roll(np.eye(5), 1, axis=1)
    net = gs.Network.from_scipy(debts, external_assets=np.full(5, 1.001))
    shock = net.external_assets - [1e-4, 0.0, 0.0, 0.0, 0.0]
    valued = gs.value_network(net, shock, gs.LinearDebtRank(), tolerance=1e-9)
    distress = 1e-4 / 1.001 * np.cumprod(np.full(5, 1 / 1.001)) * 1.001 / (1.0 - 1.001**-5)
    assert valued.updates[0] == 512
    assert 1.0 - valued.worth[0] == pytest.approx(distress, rel=1e-7)
    with pytest.raises(gs.AccuracyError, match="circles that leak next to nothing"):
        gs.value_network(net, shock, gs.LinearDebtRank(), tolerance=1e-15)


def test_a_slow_circle_that_nothing_else_solves_is_an_error_and_no_result() -> None:
    net = ring(3, 1e-7, own=2.5e-8)
    with pytest.raises(gs.AccuracyError, match="1 of 1 shocks, the first is row 1, can't be valued to 1e-12"):
        gs.value_network(net, None, gs.Merton(0.01))


def test_an_equity_where_the_worth_jumps_is_an_error_and_no_result() -> None:
    """a has 0.1 + 0.2 of 0.3: a worth of one's own that jumps at 0 may go either way by rounding."""
    net = gs.Network(
        {"debtor": ["x", "y", "a"], "creditor": ["a", "a", "x"], "amount": [0.1, 0.2, 0.3]},
        {"name": ["x", "y", "a"], "external_assets": [1.0, 1.0, 0.0]},
    )
    with pytest.raises(gs.AccuracyError, match="an equity lies where the worth jumps"):
        gs.value_network(net, None, lambda equity, _: np.where(equity >= 0.0, 1.0, 0.5))
    assert not gs.value_network(net, None, gs.Furfine()).insolvent.any()


def test_who_has_many_debtors_is_valued_as_exactly() -> None:
    """70,000 debts to one node: roundings of a plain sum alone would be more than 1e-12 of it."""
    count = 70_000
    net = gs.Network(
        {"debtor": [f"d{i}" for i in range(count)], "creditor": ["hub"] * count, "amount": np.full(count, 0.1)},
        {"name": ["hub"] + [f"d{i}" for i in range(count)], "external_assets": np.append(0.0, np.full(count, 0.06))},
    )  # fmt: skip
    valued = gs.value_network(net)
    assert valued.equity[0, 0] == pytest.approx(0.06 * count, abs=1e-12 * 0.1 * count)
    assert valued.error_bound[0] <= 1e-12 * 0.1 * count


@pytest.mark.parametrize("amount", [5e-324, 1e-200, 1.0, 1e100])
def test_amounts_of_every_size_are_valued_without_a_warning(amount: float) -> None:
    net = gs.Network(
        {"debtor": ["a", "b"], "creditor": ["b", "c"], "amount": [amount, 1e100]},
        {
            "name": list("abc"),
            "external_assets": [amount / 2.0, 1e99, 0.0],
            "external_liabilities": [0.0, 1e50, 1e-300],
        },
    )
    for valuation in (*VALUATIONS, gs.Merton(1e-12), gs.Merton(50.0), gs.BlackCox(1e-12), gs.BlackCox(50.0)):
        if not isinstance(valuation, gs.LinearDebtRank):  # b has no equity
            valued = gs.value_network(net, None, valuation)
            assert ((valued.worth >= 0.0) & (valued.worth <= 1.0)).all()
            assert valued.insolvent[0, 1]


# --------------------------------------------------------------------------------------------- tables, faults


def test_tables_and_what_a_result_says_of_itself() -> None:
    net = gs.Network(*AUTHORS_NETWORK)
    valued = gs.value_network(net, [[10.0, 5.0, 3.0], [10.0, 3.0, 3.0]])
    assert valued.nodes == ("A", "B", "C")
    assert valued.table().num_rows == 6
    assert valued.table().to_pylist()[4]["insolvent"] is True
    summary = valued.summary().to_pylist()
    assert [row["insolvent"] for row in summary] == [0, 1]
    assert summary[1]["written_down"] == pytest.approx(-valued.equity[1, 1])
    assert repr(valued) == "<NetworkValuation: 2 shocks on 3 nodes, greatest solution, EisenbergNoe>"
    with pytest.raises(ValueError, match="read-only"):
        valued.equity[0, 0] = 1.0
    empty = gs.Network(
        {"debtor": [], "creditor": [], "amount": []}, {"name": ["a"], "external_assets": [2.0]}
    )
    assert gs.value_network(empty, None, gs.Merton(0.5)).equity.tolist() == [[2.0]]


class Own:
    """A valuation that somebody else made."""

    def __init__(self, on: Any):
        self.on = on


@pytest.mark.parametrize(
    ("arguments", "options", "parts"),
    [
        (([-1.0, 1.0, math.nan],), {}, ["`external_assets`, row 1, column `A`", "column `C`"]),
        (([1.0],), {}, ["`external_assets`: has to have shape (S, N) or (N,)"]),
        (
            ([-1.0, 1.0, 1.0],),
            {"solution": "best", "tolerance": 0.1},
            ["column `A`", "`solution`: is no solution (value 'best')", "`tolerance`: is out of range (value 0.1)"],
        ),
        ((None, gs.RogersVeraart(1.1, -0.1)), {}, ["`alpha`: is out of range", "`beta`: is out of range"]),
        ((None, gs.Furfine([0.1, 0.2])), {}, ["`recovery`: has to have shape (N,)"]),
        ((None, gs.LinearDebtRank([1.0, 0.0, 1.0], 2.0)), {}, ["`equity`, column `B`", "`recovery`: is out of range"]),
        ((None, gs.Merton(-0.1, -1.0, 2.0)), {}, ["`volatility`", "`maturity`", "`recovery`"]),
        ((None, gs.Merton), {}, ["`valuation`: is no valuation"]),
        ((None, "merton"), {}, ["`valuation`: is no valuation"]),
        ((None, Own(7)), {}, ["`valuation`: is no valuation"]),
        ((None, Own(lambda net: 7)), {}, ["`valuation`: has a method `on` that gives no function"]),
        ((None, Own(lambda net: lambda e, a: "much")), {}, ["`valuation`: gives no array of numbers"]),
        ((None, Own(lambda net: lambda e, a: a)), {}, ["`valuation`: gives a worth that is not from 0 to 1"]),
        ((None, Own(lambda net: lambda e, a: e[:1])), {}, ["`valuation`: gives another shape than (obligations, S)"]),
        ((None, lambda e, a: e), {}, ["`valuation`: gives a worth that is not from 0 to 1"]),
        ((None, lambda e, a: e[0]), {}, ["`valuation`: gives another shape than equity has, (1, 3)"]),
        ((None, lambda e, a: "much"), {}, ["`valuation`: gives no array of numbers"]),
        (([9.0, 4.0, 2.0], lambda e, a: 1.0 / (2.0 + e)), {}, ["gives less worth to more equity"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_all_of_its_faults(arguments: Any, options: Any, parts: list[str]) -> None:
    with pytest.raises(gs.InputError) as caught:
        gs.value_network(gs.Network(*AUTHORS_NETWORK), *arguments, **options)
    for part in parts:
        assert part in str(caught.value)


def test_a_valuation_of_ones_own_is_asked_for_the_worth_of_obligations() -> None:
    net = ring(3, 0.1, 1.0)
    own = gs.value_network(net, valuation=Own(gs.EisenbergNoe().on))
    assert (own.equity == gs.value_network(net).equity).all()


def test_a_function_that_writes_into_what_it_is_given_changes_no_value() -> None:
    def tidy(equity: Floats, _: Floats) -> Floats:
        return (equity > 0.0).astype(float)

    def untidy(equity: Floats, assets: Floats) -> Floats:
        np.maximum(equity, 0.0, out=equity)
        assets[:] = 1e9
        return (equity > 0.0).astype(float)

    net = ring(3, 0.1, 1.0)
    shock = net.external_assets
    assert (gs.value_network(net, shock, untidy).equity == gs.value_network(net, shock, tidy).equity).all()
