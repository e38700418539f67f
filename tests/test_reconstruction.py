"""Reconstruction: every network agrees with the totals, and each method with its source."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, brentq, linprog, milp
from scipy.stats import chi2

import gpustress as gs
from build import examples
from gpustress import draws
from gpustress.networks.minimum_density import load
from gpustress.networks.proportional_fitting import InfeasibleError, fit

METHODS: list[dict[str, Any]] = [
    {"method": "max_entropy"},
    {"method": "min_density"},
    {"method": "fitness", "density": 0.6},
]
EACH_METHOD = pytest.mark.parametrize("method", METHODS, ids=lambda method: method["method"])
DRAWN = pytest.mark.parametrize("method", METHODS[1:], ids=lambda method: method["method"])

# Seven banks: the artificial example of Anand, Craig and von Peter (2015), p. 628, as the R package
# NetworkRiskMeasures quotes it (there assets are in the rows).
SEVEN = ([4.0, 5.0, 5.0, 0.0, 0.0, 2.0, 4.0], [7.0, 5.0, 3.0, 1.0, 3.0, 0.0, 1.0])


def totals(owed: Any, due: Any, names: list[str] | None = None) -> dict[str, Any]:
    return {"name": names or [f"n{i}" for i in range(len(owed))], "owed": owed, "due": due}


def sums_of(rng: np.random.Generator, count: int, spread: float = 1.5) -> tuple[NDArray, NDArray]:
    """Totals of a random network, so that some network has them."""
    debts = rng.lognormal(0.0, spread, (count, count)) * (rng.random((count, count)) < 0.6)
    np.fill_diagonal(debts, 0.0)
    debts[0, 1] = 1.0
    return debts.sum(axis=1), debts.sum(axis=0)


def links(net: gs.Network) -> set[tuple[str, str]]:
    pairs = zip(net.debtor.tolist(), net.creditor.tolist(), strict=True)
    return {(net.names[i], net.names[j]) for i, j in pairs}


def worst(debts: NDArray, owed: Any, due: Any) -> float:
    """What the totals are off by, of all that is owed."""
    return max(abs(debts.sum(axis=1) - owed).max(), abs(debts.sum(axis=0) - due).max()) / np.sum(owed)


# ------------------------------------------------------------------------------------------- all methods


@EACH_METHOD
@examples(25)
@given(seed=st.integers(0, 2**32), count=st.integers(2, 12), unit=st.sampled_from([1.0, 1e-290, 1e-9, 1e15]))
def test_every_network_meets_the_totals_and_nobody_owes_itself(
    method: dict[str, Any], seed: int, count: int, unit: float
) -> None:
    owed, due = sums_of(np.random.default_rng(seed), count)
    if "density" in method:  # of the pairs that can have a link
        pairs = np.count_nonzero(np.outer(owed, due) * (1.0 - np.eye(count)))
        method = method | {"density": 0.6 * pairs / (count * (count - 1))}
    debts = gs.reconstruct(totals(owed * unit, due * unit), **method).to_dense()
    assert worst(debts, owed * unit, due * unit) <= 1e-12
    assert not debts.diagonal().any()


@EACH_METHOD
def test_a_forbidden_pair_has_no_link_and_the_totals_still_hold(method: dict[str, Any]) -> None:
    owed, due = sums_of(np.random.default_rng(3), 9)
    pairs = [(0, 1), (3, 2), (2, 3), (8, 4)]
    forbidden = {"debtor": [f"n{i}" for i, _ in pairs], "creditor": [f"n{j}" for _, j in pairs]}
    debts = gs.reconstruct(totals(owed, due), forbidden=forbidden, **method).to_dense()
    assert worst(debts, owed, due) <= 1e-12
    assert all(debts[pair] == 0.0 for pair in pairs)


@EACH_METHOD
def test_the_order_of_the_nodes_changes_no_network(method: dict[str, Any]) -> None:
    owed, due = sums_of(np.random.default_rng(4), 8)
    order = np.random.default_rng(5).permutation(8)
    names = [f"n{i}" for i in order]
    net = gs.reconstruct(totals(owed, due), **method)
    other = gs.reconstruct(totals(owed[order], due[order], names), **method)
    assert links(other) == links(net)
    np.testing.assert_allclose(other.to_dense(), net.to_dense()[np.ix_(order, order)], rtol=1e-9, atol=1e-12)


@EACH_METHOD
def test_what_else_is_known_of_a_node_comes_with_the_network(method: dict[str, Any]) -> None:
    known = {
        "external_assets": [5.0, 6.0, 7.0],
        "external_liabilities": [1.0, 2.0, 3.0],
        "equity": [4.0, None, 9.0],
    }
    net = gs.reconstruct(totals([1.0, 2.0, 1.0], [2.0, 1.0, 1.0]) | known, **method)
    assert net.external_assets.tolist() == [5.0, 6.0, 7.0]
    assert net.external_liabilities.tolist() == [1.0, 2.0, 3.0]
    assert net.equity == pytest.approx([4.0, 6.0 + 1.0 - 2.0 - 2.0, 9.0])


@EACH_METHOD
def test_nodes_that_owe_nothing_make_a_network_without_edges(method: dict[str, Any]) -> None:
    net = gs.reconstruct(totals([0.0, 0.0], [0.0, 0.0]), **method)
    assert net.names == ("n0", "n1")
    assert len(net.amount) == 0


@DRAWN
def test_a_sample_depends_on_the_seed_and_its_number_alone(method: dict[str, Any]) -> None:
    owed, due = sums_of(np.random.default_rng(6), 10)
    five = gs.reconstruct(totals(owed, due), seed=11, samples=5, **method)
    assert gs.reconstruct(totals(owed, due), seed=11, samples=2, **method) == five[:2]
    assert gs.reconstruct(totals(owed, due), seed=11, **method) == five[0]
    assert len(set(five)) == 5
    assert gs.reconstruct(totals(owed, due), seed=12, **method) != five[0]


@DRAWN
def test_another_node_leaves_the_draws_of_all_other_pairs(method: dict[str, Any]) -> None:
    """One without totals takes part in nothing, so that what is left to change a network are the draws."""
    owed, due = sums_of(np.random.default_rng(7), 10)
    if "density" in method:
        method = method | {"density": 0.3}
    names = ["new", *(f"n{i}" for i in range(10))]
    more = method | ({"density": 0.3 * 90 / 110} if "density" in method else {})
    net = gs.reconstruct(totals(owed, due), seed=2, **method)
    larger = gs.reconstruct(totals([0.0, *owed], [0.0, *due], names), seed=2, **more)
    assert links(larger) == links(net)
    np.testing.assert_allclose(larger.to_dense()[1:, 1:], net.to_dense(), rtol=1e-9)


# --------------------------------------------------------------------------------------- maximum entropy


def test_three_nodes_that_owe_alike_owe_each_other_alike() -> None:
    debts = gs.reconstruct(totals([1.0] * 3, [1.0] * 3)).to_dense()
    assert debts == pytest.approx(np.full((3, 3), 0.5) - 0.5 * np.eye(3))


def test_the_seven_banks_of_the_paper_have_its_maximum_entropy_network() -> None:
    """Rounded to 0.01, as NetworkRiskMeasures prints it; a row is what a debtor owes. d and e owe nothing."""
    debts = gs.reconstruct(totals(*SEVEN)).to_dense()
    expected = [
        [0, 1.72, 0.98, 0.25, 0.75, 0, 0.3],
        [2.53, 0, 1.06, 0.27, 0.81, 0, 0.32],
        [2.18, 1.6, 0, 0.23, 0.7, 0, 0.28],
        [0] * 7,
        [0] * 7,
        [0.74, 0.54, 0.31, 0.08, 0.24, 0, 0.09],
        [1.55, 1.14, 0.65, 0.17, 0.5, 0, 0],
    ]
    assert debts == pytest.approx(np.array(expected), abs=0.00501)


def test_maximum_entropy_has_no_interaction_between_debtors_and_creditors() -> None:
    """The solution is a_i b_j off the diagonal (Bacharach 1965), so that all cross-ratios are 1."""
    owed, due = sums_of(np.random.default_rng(8), 6)
    debts = gs.reconstruct(totals(owed, due)).to_dense()
    for i, j, k, l in itertools.permutations(range(6), 4):  # noqa: E741
        assert debts[i, k] * debts[j, l] == pytest.approx(debts[i, l] * debts[j, k], rel=1e-9)


def test_no_other_network_has_more_entropy() -> None:
    owed, due = sums_of(np.random.default_rng(9), 8)

    def entropy(net: gs.Network) -> float:
        share = net.amount / net.amount.sum()
        return float(-(share * np.log(share)).sum())

    greatest = entropy(gs.reconstruct(totals(owed, due)))
    for method in METHODS[1:]:
        for net in gs.reconstruct(totals(owed, due), samples=5, **method):
            assert entropy(net) < greatest


def test_totals_without_room_give_the_star_that_they_force() -> None:
    """A node that owes and is due half of everything each deals with everybody else, who deal with it alone."""
    debts = gs.reconstruct(totals([10.0, 4.0, 3.0, 3.0], [10.0, 5.0, 3.0, 2.0])).to_dense()
    star = np.zeros((4, 4))
    star[0, 1:], star[1:, 0] = [5.0, 3.0, 2.0], [4.0, 3.0, 3.0]
    assert (debts[1:, 1:] == 0.0).all()
    assert debts == pytest.approx(star, abs=1e-11)


@pytest.mark.parametrize("room", [1e-3, 1e-6, 1e-9])
def test_hardly_any_room_is_exact_too(room: float) -> None:
    """With plain sweeps the error falls by a share of about `room` each: they would need 30 / room of them."""
    owed, due = np.array([10.0, 4.0, 3.0, 3.0 + room]), np.array([10.0, 5.0, 3.0, 2.0 + room])
    debts = gs.reconstruct(totals(owed, due)).to_dense()
    assert abs(debts.sum(axis=1) / owed - 1.0).max() <= 2e-12
    assert debts[1:, 1:].sum() == pytest.approx(room, abs=2e-11)
    assert debts[1, 2] * debts[2, 3] * debts[3, 1] == pytest.approx(
        debts[1, 3] * debts[3, 2] * debts[2, 1], rel=1e-9
    )


def test_totals_of_very_different_sizes_with_no_room_are_met() -> None:
    """Here a Newton step that is not held to a box leads nowhere."""
    rows = ("001100", "101100", "000110", "001001", "111001", "010010")
    allowed = np.array([list(row) for row in rows]) == "1"
    owed = np.array([3e-3, 1e2, 1e-2, 0.0, 4e-4, 3e2])
    due = np.array([2e-4, 1e2, 1.00001e2, 1.2e-2, 2e2, 2e-4])
    debts = fit(sparse.csr_array(allowed * 1.0), owed, due).toarray()
    assert abs(debts.sum(axis=1) - owed).max() <= 1e-12 * owed.sum()
    assert abs(debts.sum(axis=0) - due).max() <= 1e-12 * owed.sum()


@examples(60)
@given(seed=st.integers(0, 2**32), count=st.integers(2, 7), whole=st.booleans())
def test_totals_are_refused_exactly_where_no_network_has_them(seed: int, count: int, whole: bool) -> None:
    """Against linear programming; the refusal's nodes are a proof: what they owe, they cannot owe to anybody."""
    rng = np.random.default_rng(seed)
    allowed = (rng.random((count, count)) < rng.choice([0.3, 0.6, 1.0])) & ~np.eye(count, dtype=bool)
    if whole:  # of a network on these pairs, often without room
        made = rng.integers(0, 4, (count, count)) * (rng.random((count, count)) < 0.5) * allowed
        owed, due = made.sum(axis=1) * 1.0, made.sum(axis=0) * 1.0
    else:
        owed, due = rng.integers(0, 5, count) * 1.0, rng.integers(0, 5, count) * 1.0
        due *= owed.sum() / max(due.sum(), 1.0)
    if owed.sum() * due.sum() == 0.0:
        return
    debtor, creditor = np.nonzero(allowed)
    sums = np.concatenate([np.arange(count)[:, None] == debtor, np.arange(count)[:, None] == creditor]) * 1.0
    possible = len(debtor) > 0 and linprog(np.zeros(len(debtor)), A_eq=sums, b_eq=[*owed, *due]).status == 0
    start = sparse.csr_array(allowed * 1.0)
    if possible:
        debts = fit(start, owed, due).toarray()
        assert not debts[~allowed].any()
        assert worst(debts, owed, due) <= 1e-12
        return
    with pytest.raises(InfeasibleError) as caught:
        fit(start, owed, due)
    rows, columns = caught.value.rows, caught.value.columns
    usable = allowed[rows] & (due > 0.0)
    assert set(np.flatnonzero(usable.any(axis=0))) == set(columns)
    assert owed[rows].sum() - due[columns].sum() == pytest.approx(caught.value.excess)
    assert caught.value.excess > 0.0


# --------------------------------------------------------------------------------------- minimum density


def fewest(owed: NDArray, due: NDArray) -> int:
    """Fewest links of any network with these totals, by mixed integer programming."""
    debtor, creditor = np.nonzero((owed > 0.0)[:, None] & (due > 0.0) & ~np.eye(len(owed), dtype=bool))
    pairs, nodes = len(debtor), np.arange(len(owed))[:, None]
    most = np.minimum(owed[debtor], due[creditor])
    sums = np.hstack(
        [np.concatenate([nodes == debtor, nodes == creditor]) * 1.0, np.zeros((2 * len(owed), pairs))]
    )
    linked = np.hstack([np.eye(pairs), -np.diag(most)])
    is_link = np.repeat([0.0, 1.0], pairs)
    solved = milp(
        is_link,
        constraints=[
            LinearConstraint(sums, [*owed, *due], [*owed, *due]),
            LinearConstraint(linked, -np.inf, 0.0),
        ],
        integrality=is_link,
        bounds=Bounds(0.0, [*most, *np.ones(pairs)]),
    )
    return round(solved.fun)


def small_totals(seed: int, count: int) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    debts = rng.integers(1, 9, (count, count)) * (rng.random((count, count)) < 0.5)
    np.fill_diagonal(debts, 0)
    return debts.sum(axis=1) * 1.0, debts.sum(axis=0) * 1.0


TINY = [(np.array(SEVEN[0]), np.array(SEVEN[1])), *(small_totals(seed, 3 + seed % 3) for seed in range(9))]


@pytest.mark.parametrize("case", range(len(TINY)))
def test_minimum_density_comes_within_a_link_of_the_fewest(case: int) -> None:
    owed, due = TINY[case]
    least = fewest(owed, due)
    counts = [len(net.amount) for net in gs.reconstruct(totals(owed, due), "min_density", samples=30)]
    assert least <= min(counts) <= least + 1
    assert max(counts) <= np.count_nonzero(owed) + np.count_nonzero(due) - 1


def test_minimum_density_finds_the_fewest_where_nothing_agrees_by_chance() -> None:
    owed, due = sums_of(np.random.default_rng(10), 5)
    counts = {len(net.amount) for net in gs.reconstruct(totals(owed, due), "min_density", samples=20)}
    assert counts == {fewest(owed, due)} == {9}


def test_a_rest_that_only_its_own_node_could_take_is_rerouted() -> None:
    """Of every order in which pairs are loaded some leave a debtor with only itself to owe to."""
    owed, due = np.array([5.0, 3.0, 2.0]), np.array([5.0, 2.0, 3.0])
    for net in gs.reconstruct(totals(owed, due), "min_density", samples=50):
        assert worst(net.to_dense(), owed, due) <= 1e-15


def law_of_loading(owed: tuple[float, ...], due: tuple[float, ...]) -> Counter[frozenset[tuple[int, int]]]:
    """How probable each set of links is by Anand, Craig and von Peter (2015), over all orders of loading.

    For debtors that are no creditors, so that nothing has to be rerouted.
    """
    penalty = ((len(owed) + len(due)) / sum(owed)) ** 2
    found: Counter[frozenset[tuple[int, int]]] = Counter()

    def go_on(
        places: list[float], gets: list[float], linked: frozenset[tuple[int, int]], probability: float
    ) -> None:
        weights = {}
        for i, j in itertools.product(range(len(places)), range(len(gets))):
            if min(places[i], gets[j]) > 1e-9:
                load = min(places[i], gets[j])
                squares = sum(left**2 - (left - load) ** 2 for left in (places[i], gets[j]))
                weights[i, j] = max(places[i] / gets[j], gets[j] / places[i])
                weights[i, j] *= min(1.0, math.exp(penalty * squares - 1.0))
        if not weights:
            found[linked] += probability
        for (i, j), weight in weights.items():
            load = min(places[i], gets[j])
            after = [left - load * (place == i) for place, left in enumerate(places)]
            others = [left - load * (place == j) for place, left in enumerate(gets)]
            go_on(after, others, linked | {(i, j)}, probability * weight / sum(weights.values()))

    go_on(list(owed), list(due), frozenset(), 1.0)
    return found


@pytest.mark.parametrize(
    ("owed", "due"),
    [((6.0, 3.0, 1.5), (5.0, 4.0, 1.5)), ((10.0, 0.5), (9.8, 0.7))],
    ids=["the weights change with every load", "a small load is kept now and then"],
)
def test_networks_of_few_links_come_with_the_papers_probabilities(
    owed: tuple[float, ...], due: tuple[float, ...]
) -> None:
    law, samples, count = law_of_loading(owed, due), 1500, len(owed)
    names = [f"n{i}" for i in range(2 * count)]
    sums = np.array([*owed, *[0.0] * count]), np.array([*[0.0] * count, *due])
    allowed = (sums[0] > 0.0)[:, None] & (sums[1] > 0.0)
    drawn = Counter(
        frozenset(zip(*map(np.ndarray.tolist, np.nonzero(amount[:count, count:])), strict=True))
        for amount in (load(names, *sums, allowed, 1, sample) for sample in range(samples))
    )
    assert set(drawn) <= set(law)
    distance = sum((drawn[links] - samples * share) ** 2 / (samples * share) for links, share in law.items())
    assert distance < chi2.isf(1e-3, len(law) - 1)


# ------------------------------------------------------------------------------------------------ fitness


def fitness(owed: NDArray, due: NDArray, density: float) -> tuple[float, NDArray]:
    """The z of Cimini et al. (2015) and all odds z x y, from the formula; totals in units of their sum."""
    x, y = owed / owed.sum(), due / due.sum()
    product = np.outer(x, y) * (1.0 - np.eye(len(x)))
    wanted = density * len(x) * (len(x) - 1)
    z = brentq(
        lambda z: (z * product / (1.0 + z * product)).sum() - wanted, 1e-9, 1e15, xtol=1e-12, rtol=1e-14
    )
    return z, z * product


def test_every_pair_is_linked_that_the_formula_and_its_draw_link() -> None:
    owed, due = sums_of(np.random.default_rng(12), 30, spread=0.5)
    _, odds = fitness(owed, due, 0.5)
    probability = odds / (1.0 + odds)
    for sample, net in enumerate(gs.reconstruct(totals(owed, due), "fitness", 5, 20, density=0.5)):
        drawn = set()
        for i, j in zip(*np.nonzero(probability), strict=True):
            generator = np.random.Philox(
                key=np.array([5, draws.name_id(f"n{i}")], dtype=np.uint64),
                counter=np.array([sample, draws.name_id(f"n{j}"), draws.LINKS, 0], dtype=np.uint64),
            )
            if draws.uniform(generator.random_raw(1))[0] < probability[i, j]:
                drawn.add((f"n{i}", f"n{j}"))
        assert links(net) == drawn  # at this density nothing has to be added


def test_links_are_as_many_as_asked_for_on_average() -> None:
    owed, due = sums_of(np.random.default_rng(13), 40, spread=0.5)
    _, odds = fitness(owed, due, 0.3)
    error = math.sqrt((odds / (1.0 + odds) ** 2).sum() / 50)
    counts = [len(net.amount) for net in gs.reconstruct(totals(owed, due), "fitness", 1, 50, density=0.3)]
    assert abs(np.mean(counts) - 0.3 * 40 * 39) < 5.0 * error


def test_a_sample_keeps_the_cross_ratios_of_the_gravity_weights() -> None:
    """RAS scales rows and columns of w = x y / p (Cimini et al. 2015), whose cross-ratios it cannot change."""
    owed, due = sums_of(np.random.default_rng(14), 8, spread=0.5)
    z, odds = fitness(owed, due, 0.8)
    debts = gs.reconstruct(totals(owed, due), "fitness", density=0.8).to_dense()
    weight = (1.0 + odds) / z
    found = 0
    for i, j, k, l in itertools.permutations(range(8), 4):  # noqa: E741
        if debts[i, k] * debts[j, l] * debts[i, l] * debts[j, k] > 0.0:
            found += 1
            ratio = weight[i, k] * weight[j, l] / (weight[i, l] * weight[j, k])
            assert debts[i, k] * debts[j, l] == pytest.approx(ratio * debts[i, l] * debts[j, k], rel=1e-8)
    assert found > 0


def test_links_that_the_totals_need_come_in_addition() -> None:
    """Four links are asked for; thirty nodes that all owe and are due cannot do with fewer than thirty."""
    owed, due = sums_of(np.random.default_rng(15), 30)
    for net in gs.reconstruct(totals(owed, due), "fitness", samples=3, density=4 / (30 * 29)):
        assert worst(net.to_dense(), owed, due) <= 1e-12
        assert np.count_nonzero(owed) <= len(net.amount) < 120


@pytest.mark.parametrize("density", [1e-20, 1e-30, 1e-300, 5e-324])
def test_a_density_of_next_to_nothing_gives_the_links_that_the_totals_need(density: float) -> None:
    owed, due = sums_of(np.random.default_rng(16), 6)
    net = gs.reconstruct(totals(owed, due), "fitness", density=density)
    assert worst(net.to_dense(), owed, due) <= 1e-12
    assert len(net.amount) < 12


@pytest.mark.parametrize("exponent", [-700, -500, 200])
def test_minimum_density_is_the_same_in_any_unit_to_the_bit(exponent: int) -> None:
    owed, due = sums_of(np.random.default_rng(17), 7)
    plain = gs.reconstruct(totals(owed, due), "min_density", 4)
    other = gs.reconstruct(totals(np.ldexp(owed, exponent), np.ldexp(due, exponent)), "min_density", 4)
    assert (other.to_dense() == np.ldexp(plain.to_dense(), exponent)).all()


@EACH_METHOD
@pytest.mark.parametrize("dust", [1e-290, 1e-320])
def test_totals_of_next_to_nothing_beside_others_are_drawn_without_a_warning(
    method: dict[str, Any], dust: float
) -> None:
    owed, due = np.array([1.0, 0.0, dust, 2.0]), np.array([2.0, dust, 0.0, 1.0])
    debts = gs.reconstruct(totals(owed, due), **method | ({"density": 0.3} if "density" in method else {}))
    assert worst(debts.to_dense(), owed, due) <= 1e-12


# ---------------------------------------------------------------------------------------------- bad input


def message(*arguments: Any, **more: Any) -> str:
    with pytest.raises(gs.InputError) as caught:
        gs.reconstruct(*arguments, **more)
    return str(caught.value)


def test_sums_that_do_not_agree_are_refused_with_their_difference() -> None:
    text = message(totals([1.0, 2.5], [2.0, 1.0]))
    assert "all that is owed is 3.5, all that is due 3: `owed` exceeds `due` by 0.5" in text


@pytest.mark.parametrize("method", ["max_entropy", "min_density"])
def test_impossible_totals_name_the_nodes_and_what_they_lack(method: str) -> None:
    text = message(totals([10.0, 4.0, 3.0, 2.5], [10.0, 5.0, 3.0, 1.5]), method)
    assert re.search(
        r"`n0` owe 10, and may owe it only to `n1`, `n2` and `n3`, who are due 9.5.* differ by 0.5", text
    )


def test_a_link_that_is_forbidden_and_needed_is_named() -> None:
    text = message(
        totals([3.0, 1.0, 0.0], [0.0, 1.0, 3.0]),
        forbidden={"debtor": ["n1"], "creditor": ["n2"]},
    )
    assert "`n1` owe 1, and may owe it only to nobody, who are due 0" in text


def test_all_problems_of_the_tables_come_at_once() -> None:
    text = message(
        {"name": ["a", "a", "b"], "owed": [1.0, -1.0, None], "due": [1.0, 1.0, 1.0]},
        forbidden={"debtor": ["a"], "creditor": ["c"]},
    )
    for part in (
        "`totals`, row 2, column `owed`: is too small (value -1.0)",
        "`totals`, row 3, column `owed`: is empty",
        "`totals`, row 2, column `name`: the same name as in row 1",
        "`forbidden`, row 1, column `creditor`: names no node (value 'c')",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"method": "entropy"}, "`method`: is not known (value 'entropy'). Did you mean `max_entropy`?"),
        ({"seed": -1, "method": "min_density"}, "`seed`: is out of range (value -1)"),
        ({"samples": 0, "method": "min_density"}, "`samples`: is out of range (value 0)"),
        ({"samples": 2}, "`samples`: has more networks than there are (value 2)"),
        ({"method": "fitness"}, "`density`: is needed by `fitness`"),
        ({"method": "fitness", "density": 1.0}, "`density`: is out of range (value 1.0)"),
        ({"method": "fitness", "density": 0.99, "forbidden": {"debtor": ["n0"], "creditor": ["n1"]}},
         "Write less than 0.8333: 5 pairs can have a link"),
        ({"density": 0.1}, "`density`: has no meaning for `max_entropy` (value 0.1)"),
    ],
)  # fmt: skip
def test_an_argument_out_of_range_is_refused(arguments: dict[str, Any], part: str) -> None:
    assert part in message(totals([1.0] * 3, [1.0] * 3), **arguments)
