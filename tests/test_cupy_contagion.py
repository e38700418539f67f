"""Losses spread by the cupy backend's own code, on a stand-in for CuPy: native's bits, whatever devices and memory."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import gpustress as gs
from bits import differing_arrays, same_bits
from contagion_cases import (
    SpreadingCase,
    batch,
    differing_spreads,
    hit,
    in_chains,
    market,
    sales,
    spreading_cases,
    then_far,
)
from cupy_host import devices
from gpustress.backends import get_backend, network_layout
from gpustress.backends.base import Rule, SpreadOutcome, SpreadsLosses
from gpustress.backends.cupy import CupyBackend, contagion, crowds
from gpustress.backends.native import NativeBackend
from gpustress.exposures import EquityShocks, Exposures
from standin_cupy.machine import Machine

registry: Any = importlib.import_module("gpustress.backends")  # gpustress.backends is a function too
ROOM = 1 << 24
PLENTY = 1 << 40
CELL = 20  # bytes


@pytest.fixture(autouse=True)
def small_crowds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few threads, each of which is a fibre of the host."""
    monkeypatch.setattr(crowds, "THREADS", 32)


def parts(machine: Machine) -> list[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Of each part, the device, the grid and the block."""
    return [each[1:4] for each in machine.launches if each[0] == "gpustress_spread"]


def spread(
    case: SpreadingCase,
    numbers: tuple[int, ...] | None = None,
    rule: Rule = "linear",
    memory: int = ROOM,
    most: int = PLENTY,
) -> SpreadOutcome:
    """What devices of the stand-in give; the backend is gone afterwards."""
    return CupyBackend(numbers).spread(case.exposures, case.shocks, rule, case.rounds, memory, most)


def expected(case: SpreadingCase, rule: Rule = "linear") -> SpreadOutcome:
    return NativeBackend().spread(case.exposures, case.shocks, rule, case.rounds, ROOM, PLENTY)


@pytest.mark.parametrize("name", spreading_cases())
def test_shocks_of_every_kind_have_natives_bits(name: str) -> None:
    with devices():
        assert differing_spreads(spreading_cases()[name], CupyBackend(), NativeBackend()) == []


@pytest.mark.parametrize("numbers", [(0,), (1, 0), (2, 0, 1)])
@pytest.mark.parametrize("memory", [0, 40_000])
def test_devices_and_parts_change_no_bit(numbers: tuple[int, ...], memory: int) -> None:
    case = hit()
    with devices(3) as machine:
        assert differing_arrays(spread(case, numbers, memory=memory * len(numbers)), expected(case)) == []
    assert {device for device, *_ in parts(machine)} <= set(numbers)
    assert (len(parts(machine)) == len(case.shocks)) == (memory == 0)


def test_no_more_pinned_memory_is_taken_than_may_be() -> None:
    """Rounded up to powers of two, as CuPy has it, and where all shocks reach everybody."""
    case, memory, taken = hit(shocks=150, bears=0.5), 200_000, []

    class Watched(list[Any]):
        def append(self, launch: Any) -> None:
            taken.append(sum(size for _, size in machine.pinned))
            super().append(launch)

    with devices() as machine:
        machine.launches = Watched()
        assert differing_arrays(spread(case, memory=memory), expected(case)) == []
    assert memory // 2 < max(taken) <= memory
    assert len(taken) < 12


def test_shocks_that_reach_few_are_soon_done_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At first each is thought to reach all of the nodes, for two of which a part has room."""
    case = in_chains(nodes=240, shocks=200)
    monkeypatch.setattr(contagion, "PART_BYTES", 2 * 240 * CELL)
    with devices() as machine:
        assert differing_arrays(spread(case), expected(case)) == []
    lanes = [block[0] * grid[0] for _, grid, block in parts(machine)]
    assert lanes[0] < 8
    assert len(lanes) < 10


def test_what_does_not_fit_into_a_part_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first shocks reach nobody else, those behind them half of all nodes: more than there is room for."""
    case = then_far()
    monkeypatch.setattr(contagion, "PART_BYTES", 4 * case.exposures.nodes * CELL)
    done_again: list[int] = []
    deliver = contagion.Contagion.deliver

    def watched(work: Any, items: range, arrays: Any) -> None:
        before = work.items
        deliver(work, items, arrays)
        done_again.append(work.items - before)

    monkeypatch.setattr(contagion.Contagion, "deliver", watched)
    for numbers in ((0,), (0, 1)):
        done_again.clear()
        with devices(2):
            assert differing_arrays(spread(case, numbers), expected(case)) == []
        assert sum(done_again) > 2


def test_shocks_that_are_done_again_are_not_among_others() -> None:
    """Whose cells are not known may take more room than they are thought to."""
    case = in_chains(240, 100)
    job = network_layout.contagion(case.shocks, "once", 0)
    work = contagion.Contagion(case.exposures, job, PLENTY, ROOM, devices=1)
    cells = {name: np.empty(0, dtype) for name, dtype in contagion.CELL.items()}
    first = work.claim(10)
    assert first == range(10)
    none = {"cells": np.full(10, 3), "place": np.full(10, -1), "moving": np.zeros(10, dtype=np.int8)}
    work.deliver(first, cells | none)
    assert [work.claim(1000), work.claim(1000), work.claim(1000)] == [range(10, 100), range(100, 110), None]
    with pytest.raises(RuntimeError, match="no room for cells"):
        work.deliver(range(100, 110), cells | none)


def test_memory_that_runs_out_at_any_allocation_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part, its launch or a group's lanes are halved, pinned memory of the host included."""
    monkeypatch.setattr(crowds, "THREADS", 8)
    case = hit(30, 9)
    with devices() as machine:
        whole = spread(case, rule="once")
    assert machine.allocations > 10
    for failing in range(machine.allocations):
        for times in (1, 3):
            with devices() as short:
                short.fail_at = set(range(failing, failing + times))
                assert differing_arrays(spread(case, rule="once"), whole) == [], failing
            assert parts(short) != parts(machine)


def test_not_even_one_shock_is_a_clear_error() -> None:
    with devices() as machine:
        machine.fail_at = set(range(1000))
        with pytest.raises(gs.InputError, match="lacks memory for a single shock on device 0: Out of memory"):
            spread(hit())
        gc.collect()


@pytest.mark.parametrize("numbers", [(0,), (1, 0)])
def test_no_more_cells_are_given_than_may_be(numbers: tuple[int, ...]) -> None:
    case = hit()
    reached = len(expected(case).node)
    with devices(2):
        assert len(spread(case, numbers, most=reached).node) == reached
        with pytest.raises(MemoryError):
            spread(case, numbers, most=reached - 1)
        gc.collect()


def test_exposures_are_uploaded_once_for_all_blocks() -> None:
    case = hit()
    with devices() as machine:
        backend = CupyBackend()
        for first in (0, 7, 14):
            backend.spread(case.exposures, case.shocks.rows(first, first + 7), "once", 0, ROOM, PLENTY)
        backend.spread(in_chains().exposures, in_chains().shocks, "once", 0, ROOM, PLENTY)
        del backend
    assert [name for name, *_ in machine.launches].count("gpustress_contagion_memory") == 2


def test_no_shock_and_nobody_who_owes_spread_nothing() -> None:
    exposures = Exposures.of(sparse.csr_array((2, 2)), np.ones(2))
    with devices():
        for shocks in (np.zeros((0, 2)), np.zeros((3, 2)), np.ones((3, 2))):
            case = SpreadingCase(exposures, EquityShocks.of(sparse.csr_array(shocks)))
            assert differing_spreads(case, CupyBackend(), NativeBackend()) == []


@contextmanager
def gpu(monkeypatch: pytest.MonkeyPatch, count: int = 2) -> Iterator[Machine]:
    """A machine with devices, of which the registry has to find out anew."""
    monkeypatch.setitem(registry._BACKENDS, "cupy", lambda devices=None: CupyBackend(devices))
    with devices(count) as machine:
        yield machine


def test_the_default_on_a_machine_with_a_gpu_spreads(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that users call, by default and on devices that are named, in blocks and at once."""
    net, equity, shocks = batch(40, 12)
    with gpu(monkeypatch) as machine:
        assert isinstance(get_backend("auto", protocol=SpreadsLosses), CupyBackend)
        for more in ({}, {"backend": "cupy", "devices": [1, 0]}):
            native: dict[str, Any] = {"backend": "native"}
            for ask in (gs.cascade, gs.debtrank):
                ours, theirs = (ask(net, equity, shocks, **one) for one in (more, native))  # type: ignore[operator]
                assert ours.backend == "cupy"
                assert differing_arrays(ours.outcome, theirs.outcome) == []
            for blocks in (gs.cascade_blocks, gs.debtrank_blocks):
                for asked in ("each", sparse.csr_array(shocks)):
                    ours, theirs = (
                        list(blocks(net, equity, asked, block=5, **one))  # type: ignore[operator]
                        for one in (more, native)
                    )
                    for mine, others in zip(ours, theirs, strict=True):
                        assert differing_arrays(mine.outcome, others.outcome) == []
            falls = np.array([[0.05, 0.02, 0.0], [0.3, 0.2, 0.0]])
            for rounds in (1, None):
                ours, theirs = (sales(falls, rounds=rounds, **one) for one in (more, native))
                for name in ("distress", "sold", "price_fall", "systemicness"):
                    assert same_bits(getattr(ours, name), getattr(theirs, name))
            ours, theirs = (
                list(gs.fire_sales_blocks(*market(), falls, block=1, **one)) for one in (more, native)
            )
            for mine, others in zip(ours, theirs, strict=True):
                assert same_bits(mine.distress, others.distress)
        del ours, theirs, mine, others
    assert {device for device, *_ in parts(machine)} == {0, 1}
