"""The CUDA entry that passes losses on, run on the host as a GPU would, gives the bits of the native backend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import cuda_standin
from build import examples
from contagion_cases import SpreadingCase, differing_spreads, hit, random_network, spreading_cases
from contagion_entry import ContagionEntry, Entry
from crowd_entry import CROWDS, Crowd
from cuda_standin import ORDERS
from gpustress.backends import network_layout
from gpustress.backends.native import NativeBackend
from gpustress.exposures import EquityShocks, Exposures


@pytest.mark.parametrize(("crowd", "order"), list(zip(CROWDS, (*ORDERS, "random"), strict=True)), ids=str)
def test_every_crowd_and_order_gives_natives_bits(native: NativeBackend, crowd: Crowd, order: str) -> None:
    entry = ContagionEntry(crowd, order, seed=1)
    for name, case in spreading_cases().items():
        assert differing_spreads(case, entry, native) == [], name


@examples(12)
@given(
    seed=st.integers(0, 2**32),
    heavy=st.sampled_from([0.3, 1.0, 3.0]),
    rounds=st.sampled_from([0, 2, 40]),
    imposed=st.booleans(),
    crowd=st.sampled_from(CROWDS[1:3]),
    order=st.sampled_from(ORDERS),
)
def test_the_cuda_entry_passes_losses_on_to_natives_bits(
    native: NativeBackend, seed: int, heavy: float, rounds: int, imposed: bool, crowd: Crowd, order: str
) -> None:
    net, equity, shocks = random_network(seed, heavy)
    written_off = np.random.default_rng(seed).random(len(equity))
    given_shocks = EquityShocks.of(sparse.csr_array(shocks), equity if imposed else None)
    case = SpreadingCase(Exposures.of(net.claims, equity, written_off), given_shocks, rounds)
    assert differing_spreads(case, ContagionEntry(crowd, order, seed), native) == []


@pytest.mark.parametrize("order", ORDERS)
def test_shocks_for_which_there_is_no_room_are_counted_and_leave_nothing_behind(
    native: NativeBackend, order: str
) -> None:
    case = hit(bears=0.5)
    given, job = network_layout.exposures(case.exposures), network_layout.contagion(case.shocks, "once", 0)
    right = native.spread(case.exposures, case.shocks, "once", 0, 1 << 24, 1 << 40)
    counts, entry = (
        np.diff(right.start),
        Entry(Crowd(4, 2, 2), order, 1, cuda_standin.kernels("contagion.cu")),
    )
    for cells in (0, int(counts.max()), len(right.node) - 1, len(right.node)):
        room, place = entry.launched(given, job, cells)
        assert job["cells"].tolist() == counts.tolist()
        written = np.flatnonzero(place >= 0)
        assert counts[written].sum() <= cells
        assert (cells == len(right.node)) == (len(written) == len(case.shocks))
        for shock in written.tolist():
            mine = slice(place[shock], place[shock] + counts[shock])
            theirs = slice(*right.start[shock : shock + 2])
            for name, array in room.items():
                assert array[mine].tobytes() == getattr(right, name)[theirs].tobytes()


def test_the_cases_reach_all_of_the_algorithm(native: NativeBackend) -> None:
    """Shocks that reach all, few and nobody, several rounds, and some that still move."""
    for name, case in spreading_cases().items():
        linear, cascade = (
            native.spread(case.exposures, case.shocks, rule, case.rounds, 1 << 24, 1 << 40)
            for rule in ("linear", "threshold")
        )
        reached = np.diff(linear.start) / case.exposures.nodes
        if name == "far":
            assert (reached.min(), reached.max(), cascade.other.max()) == (0.0, 1.0, 8.0)
        elif name == "in chains":
            assert 0.0 < reached.max() < 1.0 / 40
        elif name == "slow ring":
            assert linear.moving.tolist() == [True, False, True, False, True]
