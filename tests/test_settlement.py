"""Settlement is the greatest fixed point, however slowly plain updates come near it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given

import clearing
import gpustress as gs
from build import by_item, entity, examples, flow, small
from clearing import DEBT, RANKS, Clearing, Network, Payment, Ratios, by_linear_program

AMOUNTS = 1e-9  # of what an entity has and is owed


def settled(network: Network, backend: str) -> tuple[Ratios, list[bool]]:
    """Ratios (3, N) and who fails, from the one period of a network's system."""
    replay = gs.replay(network.system(), path=0, backend=backend)
    ratio = [by_item(replay.entities, f"ratio_{rank}") for rank in RANKS]
    names = [f"n{i}" for i in range(network.size)]
    failed = by_item(replay.entities, "failed")
    return np.array([[of[name][0] for name in names] for of in ratio]), [failed[name][0] for name in names]


def exact_finishes(network: Network, backend: str) -> int:
    return int(gs.simulate(network.system(), paths=1, backend=backend).exact_finishes.sum())


def assert_same_payments(network: Network, ours: Ratios, theirs: Ratios, tolerance: float = AMOUNTS) -> None:
    """Payments agree relative to what the payer has and is owed."""
    due, (claims, outside) = network.due().astype(float), network.claims()
    liquid = np.array(network.own) + outside.astype(float) + claims.astype(float).sum(axis=(0, 1))
    assert (np.abs(ours - theirs) * due <= tolerance * np.maximum(liquid, due)).all(), (ours, theirs)


@examples(150)
@given(network=clearing.networks())
def test_settlement_is_the_greatest_of_all_fixed_points(backend: str, network: Network) -> None:
    """Against brute force in rational numbers: three ranks, reserves, default costs, leaks of a millionth."""
    greatest = Clearing(network).greatest()
    assume(greatest is not None)
    assert greatest is not None
    ratio, failed = settled(network, backend)
    assert_same_payments(network, ratio, greatest)
    assert failed == [bool(met) for met in (greatest[:2] < 1.0 - 1e-9).any(axis=0)]


@pytest.mark.parametrize("rank", range(3))
def test_settlement_solves_the_linear_program_of_eisenberg_and_noe(backend: str, rank: int) -> None:
    @examples(50)
    @given(network=clearing.networks(max_entities=10, ranks=(rank,), leaks=(0.5, 0.1, 1e-3), costs=False))
    def check(network: Network) -> None:
        plain = Network(network.own, (0.0,) * network.size, network.payments)
        assert_same_payments(plain, settled(plain, backend)[0], by_linear_program(plain), 1e-6)

    check()


def ring(size: int, leak: float, inflow: float, costs: tuple[float, float] = (1.0, 1.0)) -> Network:
    """Each owes the next 1; the first owes outside `leak` as well, and outside pays it `inflow`."""
    around = [Payment(i, (i + 1) % size, DEBT, 1.0) for i in range(size)]
    ends = [Payment(0, None, DEBT, leak), Payment(None, 0, DEBT, inflow)]
    return Network((0.0,) * size, (0.0,) * size, (*around, *ends), costs)


@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("leak", [1e-3, 1e-6])
def test_a_ring_that_leaks_little_is_finished_exactly(backend: str, size: int, leak: float) -> None:
    """What flows in has to leak out: r * leak = inflow, which plain updates take 1 / leak rounds to see."""
    network = ring(size, leak, inflow=0.25 * leak)
    ratio, failed = settled(network, backend)
    # Each pays on what it gets: all ratios are the first one's.
    np.testing.assert_allclose(ratio[DEBT], 0.25, rtol=1e-9)
    assert failed == [True] * size
    assert exact_finishes(network, backend) == 1


@pytest.mark.parametrize("leak", [1e-3, 1e-6])
def test_a_ring_with_nothing_of_its_own_pays_nothing(backend: str, leak: float) -> None:
    ratio, failed = settled(ring(4, leak, inflow=0.0), backend)
    np.testing.assert_allclose(ratio[DEBT], 0.0, atol=1e-9)
    assert failed == [True] * 4


@pytest.mark.parametrize("costs", [(1.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_a_closed_ring_pays_itself_in_full(backend: str, costs: tuple[float, float]) -> None:
    """Every ratio from 0 to 1 would clear it; the greatest is 1, and nobody is short."""
    ratio, failed = settled(ring(5, leak=0.0, inflow=0.0, costs=costs), backend)
    assert (ratio == 1.0).all()
    assert failed == [False] * 5


def test_one_short_member_of_a_ring_with_default_costs_takes_all_along(backend: str) -> None:
    """Costs of a tenth of what comes in, in each of four: only 0 is left to pay."""
    ratio, failed = settled(ring(4, leak=1e-6, inflow=0.0, costs=(1.0, 0.9)), backend)
    np.testing.assert_allclose(ratio[DEBT], 0.0, atol=1e-9)
    assert failed == [True] * 4


def test_an_exact_finish_of_one_path_leaves_the_others_alone(backend: str) -> None:
    """A path that has come to rest is frozen, whatever its neighbours in the block still do."""
    factor = {"name": "x", "process": "log_ou", "volatility": 1.0, "reversion": 1.0}
    made = small(
        periods=3,
        entities=[entity(f"n{i}") for i in range(3)],
        factors=[factor],
        flows=[
            *(flow(f"p{i}", f"n{i}", f"n{(i + 1) % 3}", 1.0, "interest") for i in range(3)),
            flow("leak", "n0", None, 1e-3, "interest"),
            flow("inflow", None, "n0", 1e-3, "revenue"),
        ],
        sensitivities=[{"target": "inflow", "factor": "x", "elasticity": 1.0}],
    )
    record = ["cash:n0", "flow:leak"]
    together = gs.simulate(made, paths=40, seed=3, record=record, backend=backend)
    assert 0 < together.exact_finishes[0] < 40
    for path in range(0, 40, 7):
        alone = by_item(gs.replay(made, path=path, seed=3, backend=backend).flows, "paid")["leak"]
        assert alone == together.series["flow:leak"][0, path].tolist()
