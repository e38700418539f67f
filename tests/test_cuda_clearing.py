"""The CUDA entry that clears networks, run on the host as a GPU would, gives the bits of the native backend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from build import examples
from clearing_cases import ClearingCase, clearing_cases, differing_clearings, lives_on_others, slow_circle
from clearing_entry import ClearingEntry
from crowd_entry import CROWDS, Crowd
from cuda_standin import ORDERS
from gpustress.backends.native import NativeBackend
from gpustress.obligations import ACCURACY
from static_networks import COSTS, Case, cases


@pytest.mark.parametrize(("crowd", "order"), list(zip(CROWDS, (*ORDERS, "random"), strict=True)), ids=str)
def test_every_crowd_and_order_gives_natives_bits(native: NativeBackend, crowd: Crowd, order: str) -> None:
    entry = ClearingEntry(crowd, order, seed=1)
    for name, case in clearing_cases().items():
        assert differing_clearings(case, entry, native) == [], name


def test_what_does_not_come_to_rest_is_left_alike(native: NativeBackend) -> None:
    crowd = Crowd(lanes=2, rows=2, blocks=2)
    assert differing_clearings(slow_circle(), ClearingEntry(crowd, "random", seed=1), native) == []


@examples(12)
@given(
    case=cases(ranks=2, leak=False),
    costs=COSTS,
    crowd=st.sampled_from(CROWDS[1:3]),
    order=st.sampled_from(ORDERS),
    seed=st.integers(0, 2**32),
)
def test_the_cuda_entry_clears_to_natives_bits(
    native: NativeBackend, case: Case, costs: tuple[float, float], crowd: Crowd, order: str, seed: int
) -> None:
    left = np.random.default_rng(seed).uniform(0.0, 1.0, (5, case.size))
    shocks = np.concatenate([case.own[None], case.own * left])
    asked = ClearingCase(case.network().obligations, shocks, costs)
    assert differing_clearings(asked, ClearingEntry(crowd, order, seed), native) == []


def test_the_cases_reach_all_of_the_algorithm(native: NativeBackend) -> None:
    """Shocks with and without defaults, several rounds, a bound and none, and one that takes updates to find."""
    every = clearing_cases() | {"slow circle": slow_circle()}
    outcomes = {
        name: native.clear(case.owed, case.shocks, case.costs, "greatest", 1 << 24)
        for name, case in every.items()
    }
    drawn = outcomes["random"]
    assert set(drawn.rounds.tolist()) >= {0, 3}
    assert (drawn.round > 0).mean(axis=1).max() > 0.3
    slow = outcomes["slow circle"].error_bound
    assert np.isinf(slow).any()
    assert np.isfinite(slow).any()
    bound = outcomes["lives on others"].error_bound
    assert (bound <= ACCURACY * lives_on_others().owed.largest).any()
