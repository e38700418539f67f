"""Losses spread alike on every backend, in blocks, from sparse shocks, and in bounded memory."""

from __future__ import annotations

import importlib
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

import gpustress as gs
from bits import differing_arrays, same_bits
from build import examples
from contagion_cases import batch, market, owes, random_network, sales
from gpustress.backends import get_backend, network_layout
from gpustress.backends.base import SpreadOutcome, SpreadsLosses
from gpustress.backends.native import NativeBackend, levels
from gpustress.exposures import EquityShocks, Exposures
from gpustress.networks import contagion
from gpustress.networks.common_assets import ASSET_BYTES, HOLDER_BYTES
from kernel_driver import require_native

registry: Any = importlib.import_module("gpustress.backends")  # gpustress.backends is a function too
SEEDS = st.integers(0, 2**32)


def spread_by(
    name: str, net: gs.Network, equity: NDArray, shocks: Any, **more: Any
) -> dict[str, SpreadOutcome]:
    """What every rule gives on a backend, cell by cell."""
    more = {"backend": name} | more
    found = {"threshold": gs.cascade(net, equity, shocks, 0.3, **more).outcome}
    for variant in ("linear", "original"):
        found[variant] = gs.debtrank(net, equity, shocks, variant, **more).outcome  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="module")
def spreading_backend(other_backend: str) -> str:
    """The name of each backend in turn that lets losses spread and is not the reference."""
    if not isinstance(get_backend(other_backend), SpreadsLosses):
        pytest.skip(f"{other_backend} does not let losses spread")
    return other_backend


@examples(60)
@given(seed=SEEDS, heavy=st.sampled_from([0.3, 1.0, 3.0]), imposed=st.booleans())
def test_every_backend_spreads_losses_as_the_reference_does(
    spreading_backend: str, seed: int, heavy: float, imposed: bool
) -> None:
    net, equity, shocks = random_network(seed, heavy)
    shocks = shocks > 0.0 if imposed else shocks
    reference = spread_by("numpy", net, equity, shocks)
    for rule, ours in spread_by(spreading_backend, net, equity, shocks).items():
        expected = reference[rule]
        assert ours.start.tolist() == expected.start.tolist()
        assert ours.node.tolist() == expected.node.tolist()
        scale = equity[ours.node] if rule == "threshold" else 1.0
        assert (np.abs(ours.value - expected.value) <= 1e-9 * scale).all()
        assert (np.abs(ours.other - expected.other) <= (1e-9 if rule == "linear" else 0.0)).all()


def test_every_backend_agrees_where_shocks_are_many_and_reach_far(spreading_backend: str) -> None:
    for bears, most in ((0.5, 150), (1.0, 100), (2.0, 10)):
        net, equity, shocks = batch(bears=bears)
        reference, ours = (spread_by(name, net, equity, shocks) for name in ("numpy", spreading_backend))
        counts = np.diff(reference["threshold"].start)
        assert counts.min() == 0
        assert counts.max() >= most
        for rule in reference:
            assert ours[rule].node.tolist() == reference[rule].node.tolist()
            np.testing.assert_allclose(ours[rule].value, reference[rule].value, rtol=1e-12)
        assert ours["threshold"].other.tolist() == reference["threshold"].other.tolist()


def test_a_shocks_bits_depend_on_no_other_shock_and_no_thread(spreading_backend: str) -> None:
    net, equity, shocks = batch()
    order = np.random.default_rng(1).permutation(len(shocks))
    whole = spread_by(spreading_backend, net, equity, shocks, threads=1)
    shuffled = spread_by(spreading_backend, net, equity, shocks[order], threads=3)
    for rule, outcome in whole.items():
        for place, row in enumerate(order.tolist()):
            mine, other = (
                slice(*found.start[at : at + 2]) for found, at in ((outcome, row), (shuffled[rule], place))
            )
            for name in ("node", "value", "other"):
                assert same_bits(getattr(outcome, name)[mine], getattr(shuffled[rule], name)[other])


def test_native_spreads_losses_with_the_same_bits_at_every_level_and_number_of_lanes() -> None:
    require_native()
    net, equity, shocks = batch()
    given_shocks = EquityShocks.of(sparse.csr_array(shocks))
    for rule, rounds in (("threshold", 0), ("once", 0), ("linear", 3), ("linear", 256)):
        found = [
            NativeBackend(level, threads).spread(
                Exposures.of(net.claims, equity),
                given_shocks,
                rule,
                rounds,
                1 << 30,
                1 << 30,  # type: ignore[arg-type]
            )
            for threads, level in enumerate(levels(), 1)
        ]
        assert len(found[0].node) > 1000
        for other in found[1:]:
            assert differing_arrays(other, found[0]) == []


@pytest.mark.parametrize("leak", [1e-3, 1e-9])
def test_what_still_moves_after_the_plain_rounds_is_told_and_solved(
    spreading_backend: str, leak: float
) -> None:
    """A ring in which one debt leaks; in a second shock a node that nobody depends on loses all."""
    debts = np.roll(np.eye(5), 1, axis=1)
    debts[4, 0] = 1.0 - leak
    shocks = np.zeros((2, 6))
    shocks[0, 0], shocks[1, 5] = 0.25 * leak, 1.0
    claims = sparse.csr_array(np.pad(debts, (0, 1)).T)
    outcome = get_backend(spreading_backend).spread(  # type: ignore[attr-defined]
        Exposures.of(claims, np.ones(6)),
        EquityShocks.of(sparse.csr_array(shocks)),
        "linear",
        256,
        1 << 30,
        1 << 30,
    )
    assert outcome.moving.tolist() == [True, False]
    net = gs.Network.from_scipy(np.pad(debts, (0, 1)))
    ours, reference = (
        gs.debtrank(net, np.ones(6), shocks, backend=name).distress for name in (spreading_backend, "numpy")
    )
    assert ours == pytest.approx(reference, rel=1e-12, abs=0.0)
    assert ours[1].tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def test_sparse_shocks_are_the_same_as_dense_ones(backend: str) -> None:
    net, equity, shocks = batch(size=40, shocks=12)
    shocks[3] = 0.0
    for dense in (shocks, shocks > 0.0):
        given_twice = sparse.coo_array(dense)
        listed = sparse.coo_array(
            (
                np.concatenate([given_twice.data, np.zeros(3, dtype=dense.dtype)]),
                tuple(np.concatenate([at, [1, 2, 3]]) for at in given_twice.coords),
            ),
            shape=dense.shape,
        )  # with zeros that are written down
        for one in (sparse.csr_array(dense), sparse.csc_matrix(dense), listed):
            for rule, outcome in spread_by(backend, net, equity, one).items():
                assert differing_arrays(outcome, spread_by(backend, net, equity, dense)[rule]) == []


def test_blocks_give_what_all_shocks_together_do_to_the_bit(backend: str) -> None:
    net, equity, shocks = batch(size=60)
    asked: list[Any] = [shocks, shocks > 0.0, sparse.csr_array(shocks), "each"]
    for given_shocks in asked:
        many = 60 if isinstance(given_shocks, str) else 45
        whole = gs.cascade(net, equity, given_shocks, 0.3, backend=backend)
        blocks = list(gs.cascade_blocks(net, equity, given_shocks, 0.3, block=7, backend=backend))
        assert [len(block.rounds) for block in blocks] == [7] * (many // 7) + [many % 7]
        for name in ("failed", "round", "initial", "losses", "equity", "rounds"):
            assert same_bits(np.concatenate([getattr(block, name) for block in blocks]), getattr(whole, name))
        ranked = gs.debtrank(net, equity, given_shocks, backend=backend)
        blocks_ranked = list(
            gs.debtrank_blocks(net, equity, given_shocks, memory=60 * 4 * 64 * 5, backend=backend)
        )
        sizes = [len(block.impact) for block in blocks_ranked]
        assert sum(sizes) == many
        assert sizes == [5] * (many // 5) if isinstance(given_shocks, np.ndarray) else sizes[0] == 5
        for name in ("initial", "distress", "failed", "impact", "aggregate_vulnerability"):
            assert same_bits(
                np.concatenate([getattr(block, name) for block in blocks_ranked]), getattr(ranked, name)
            )
        added = sum(block.vulnerability * len(block.impact) for block in blocks_ranked) / many
        assert added == pytest.approx(ranked.vulnerability, abs=1e-15)
    pieces = (shocks[first : first + 20] for first in range(0, 45, 20))
    taken = list(gs.debtrank_blocks(net, equity, pieces, "original", backend=backend))
    assert same_bits(
        np.concatenate([block.distress for block in taken]),
        gs.debtrank(net, equity, shocks, "original", backend=backend).distress,
    )
    (alone,) = gs.cascade_blocks(net, equity, shocks[1], backend=backend)
    assert same_bits(alone.losses[0], gs.cascade(net, equity, shocks, backend=backend).losses[1])


def test_blocks_grow_while_shocks_reach_few_and_shrink_where_they_reach_more_than_fits(backend: str) -> None:
    """400 nodes, of which 300 stand alone and 100 in a ring: one of the ring brings down all of it."""
    ring = np.arange(300, 400)
    debts = sparse.csr_array((np.full(100, 2.0), (ring, np.roll(ring, -1))), shape=(400, 400))
    net, equity = gs.Network.from_scipy(debts), np.ones(400)
    whole = gs.cascade(net, equity, "each", backend=backend)
    blocks = list(gs.cascade_blocks(net, equity, "each", backend=backend, memory=410_000))
    sizes = [len(block.rounds) for block in blocks]
    assert sizes[:4] == [4, 8, 16, 32]
    assert (sum(sizes), max(sizes) > 4 * sizes[-2], sizes[-2] <= 16) == (400, True, True)
    assert max(len(block.outcome.node) for block in blocks) <= 400 * 4
    for name in ("failed", "round", "losses", "rounds"):
        assert same_bits(np.concatenate([getattr(block, name) for block in blocks]), getattr(whole, name))


def test_each_of_many_nodes_makes_no_array_of_all_shocks_and_nodes(backend: str) -> None:
    """2,000 nodes in chains of ten: an array of booleans alone would have 4e6 bytes. As Python counts."""
    nodes = 2_000
    chain = np.arange(nodes - 1)[np.arange(1, nodes) % 10 > 0]
    debts = sparse.csr_array((np.full(len(chain), 0.5), (chain, chain + 1)), shape=(nodes, nodes))
    net = gs.Network.from_scipy(debts)
    equity = np.ones(nodes)
    small = gs.Network.from_scipy([[0.0, 1.0], [0.0, 0.0]])
    gs.debtrank(small, [1.0, 1.0], "each", backend=backend).table()  # what a first call imports
    gs.cascade(small, [1.0, 1.0], "each", backend=backend).failures()
    tracemalloc.start()
    ranked = gs.debtrank(net, equity, "each", memory="1.1MB", backend=backend)
    failed = gs.cascade(net, equity, "each", memory="1.1MB", backend=backend)
    rows = ranked.table().num_rows, failed.failures().num_rows, failed.summary().num_rows
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == (nodes * 55 // 10, nodes, nodes)
    assert ranked.impact[:3] == pytest.approx((1.0 - 0.5 ** np.array([9.0, 8.0, 7.0])) / (nodes * 0.9))
    assert peak < 3.5e6


def test_shocks_that_reach_more_than_memory_holds_are_refused(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, equity, shocks = batch(size=60)
    reached = len(gs.debtrank(net, equity, shocks, backend=backend).outcome.node)
    for cells in (reached, reached - 1):
        monkeypatch.setattr(contagion, "free_memory", lambda cells=cells: cells * contagion.CELL_BYTES)
        if cells == reached:
            assert len(gs.debtrank(net, equity, shocks, backend=backend).outcome.node) == reached
        else:
            with pytest.raises(
                MemoryError, match=r"45 shocks reach more nodes than memory holds.*debtrank_blocks"
            ):
                gs.debtrank(net, equity, shocks, backend=backend)


def test_native_spreads_on_no_more_threads_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    require_native()
    net, equity, shocks = batch()
    native, taken = NativeBackend(threads=8), []
    kernels = native._kernels

    class Watched:
        contagion_bytes = staticmethod(kernels.contagion_bytes)

        @staticmethod
        def spread(level: str, exposures: Any, job: Any, most: int, threads: int) -> Any:
            taken.append(threads)
            return kernels.spread(level, exposures, job, most, threads)

    monkeypatch.setattr(native, "_kernels", Watched)
    exposures, hit = Exposures.of(net.claims, equity), EquityShocks.of(sparse.csr_array(shocks))
    of_thread = kernels.contagion_bytes(native.level, network_layout.exposures(exposures))
    assert 8 * 150 * 4 * kernels.lanes(native.level) < of_thread < 8 * 150 * 5 * kernels.lanes(native.level)
    for memory in (1, of_thread, 3 * of_thread + 1, 100 * of_thread):
        native.spread(exposures, hit, "threshold", 0, memory, 1 << 30)
    assert taken == [1, 1, 3, 8]


class Unable:
    """A backend that only simulates."""

    name = "abacus"


def test_a_backend_that_spreads_no_losses_is_refused_by_name_and_passed_over_by_auto(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the best of a machine may be."""
    monkeypatch.setattr(registry, "_BACKENDS", registry._BACKENDS | {"abacus": Unable})
    monkeypatch.setattr(registry, "_verdict", lambda make, devices: registry._Verdict(""))
    monkeypatch.delenv(registry.ENVIRONMENT_VARIABLE, raising=False)
    net = owes("ab", ("a", "b", 1.0))
    asks: list[Any] = [
        lambda **more: gs.cascade(net, [1.0, 1.0], "each", **more),
        lambda **more: gs.debtrank(net, [1.0, 1.0], "each", **more),
        lambda **more: gs.cascade_blocks(net, [1.0, 1.0], "each", **more),
        lambda **more: gs.debtrank_blocks(net, [1.0, 1.0], "each", **more),
        lambda **more: sales([0.1, 0.1, 0.1], **more),
    ]
    for ask in asks:
        with pytest.raises(gs.InputError, match=r"`backend`: does not let losses spread.*auto"):
            ask(backend="abacus")
    monkeypatch.setattr(registry, "_BACKENDS", {"numpy": registry._BACKENDS["numpy"], "abacus": Unable})
    assert gs.cascade(net, [1.0, 1.0], "each").backend == "numpy"
    assert gs.debtrank(net, [1.0, 1.0], "each").backend == "numpy"


def test_fire_sales_in_blocks_give_what_all_shocks_together_do_to_the_bit(backend: str) -> None:
    falls = np.random.default_rng(3).random((23, 3)) * 0.3
    for rounds in (1, 3, None):
        whole = gs.fire_sales(*market(), falls, rounds, backend=backend)
        for shocks, more, sizes in (
            (falls, {"block": 5}, [5, 5, 5, 5, 3]),
            (falls.tolist(), {"block": 20}, [20, 3]),
            (falls, {"memory": 2 * 9 * (2 * HOLDER_BYTES + 3 * ASSET_BYTES)}, [9, 9, 5]),
            (falls, {}, [23]),
            ((falls[first : first + 10] for first in range(0, 23, 10)), {}, [10, 10, 3]),
        ):
            blocks = list(gs.fire_sales_blocks(*market(), shocks, rounds, backend=backend, **more))  # type: ignore[arg-type]
            assert [len(block.distress) for block in blocks] == sizes
            for name in ("initial", "distress", "sold", "price_fall", "systemicness"):
                assert same_bits(
                    np.concatenate([getattr(each, name) for each in blocks]), getattr(whole, name)
                )
    (alone,) = gs.fire_sales_blocks(*market(), falls[0], backend=backend)
    assert same_bits(alone.sold, gs.fire_sales(*market(), falls, backend=backend).sold[:1])


def test_a_bad_shock_is_told_when_its_block_has_its_turn() -> None:
    blocks = gs.fire_sales_blocks(*market(), [[0.1, 0, 0], [0, 0, 0], [0, 2.0, 0]], block=2)
    assert len(next(blocks).distress) == 2
    with pytest.raises(gs.InputError, match="`shocks`, row 1, column `y`: is out of range"):
        next(blocks)


def test_fire_sales_are_the_same_on_every_backend(spreading_backend: str) -> None:
    falls = np.array([[0.05, 0.02, 0.0], [0.2, 0.15, 0.0], [0.3, 0.2, 0.0], [0.0, 0.0, 0.0]])
    for rounds in (1, 2, 7, None):
        ours, reference = (sales(falls, rounds=rounds, backend=name) for name in (spreading_backend, "numpy"))
        for name in ("distress", "sold", "price_fall", "systemicness"):
            assert getattr(ours, name) == pytest.approx(getattr(reference, name), rel=1e-12)
