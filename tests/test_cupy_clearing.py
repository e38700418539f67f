"""Clearing by the cupy backend's own code, on a stand-in for CuPy: native's bits, whatever the devices and memory."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

import gpustress as gs
from bits import differing_arrays
from clearing_cases import SOLUTIONS, ClearingCase, clearing_cases, differing_clearings, random_case, ranked
from cupy_host import devices
from gpustress.backends import get_backend
from gpustress.backends.base import ClearingOutcome, ClearsNetworks, Solution
from gpustress.backends.cupy import CupyBackend, crowds
from gpustress.backends.native import NativeBackend
from standin_cupy.machine import Machine

ROOM = 1 << 24
SHOCK = 28 * 40 + 16  # bytes that a shock of the random case takes, there and back


@pytest.fixture(autouse=True)
def small_crowds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few threads, each of which is a fibre of the host."""
    monkeypatch.setattr(crowds, "THREADS", 32)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry keeps what it finds out by what makes a backend: it has to find it out anew."""
    registry = sys.modules["gpustress.backends"]
    monkeypatch.setitem(registry._BACKENDS, "cupy", lambda devices=None: CupyBackend(devices))


def parts(machine: Machine) -> list[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Of each part, the device, the grid and the block."""
    return [each[1:4] for each in machine.launches if each[0] == "gpustress_clear"]


def cleared(
    case: ClearingCase,
    numbers: tuple[int, ...] | None = None,
    memory: int = ROOM,
    solution: Solution = "greatest",
) -> ClearingOutcome:
    """What devices of the stand-in give; the backend is gone afterwards."""
    return CupyBackend(numbers).clear(case.owed, case.shocks, case.costs, solution, memory)


def expected(case: ClearingCase, solution: Solution = "greatest") -> ClearingOutcome:
    return NativeBackend().clear(case.owed, case.shocks, case.costs, solution, ROOM)


@pytest.mark.parametrize("name", clearing_cases())
def test_networks_of_every_kind_have_natives_bits(name: str) -> None:
    with devices():
        assert differing_clearings(clearing_cases()[name], CupyBackend(), NativeBackend()) == []


@pytest.mark.parametrize("numbers", [(0,), (1, 0), (2, 0, 1)])
@pytest.mark.parametrize("shocks", [1, 4])
def test_devices_and_parts_change_no_bit(
    monkeypatch: pytest.MonkeyPatch, numbers: tuple[int, ...], shocks: int
) -> None:
    case = random_case()
    monkeypatch.setattr(crowds, "PART_BYTES", shocks * SHOCK)
    with devices(3) as machine:
        assert differing_arrays(cleared(case, numbers), expected(case)) == []
    assert {device for device, *_ in parts(machine)} <= set(numbers)
    most = min(shocks, -(-len(case.shocks) // (2 * len(numbers))))
    assert len(parts(machine)) == -(-len(case.shocks) // most)


def test_what_memory_the_host_allows_bounds_the_parts() -> None:
    case = random_case()
    with devices(2) as machine:
        assert differing_arrays(cleared(case, (0, 1), memory=2 * 2 * 2 * 2 * SHOCK), expected(case)) == []
    assert len(parts(machine)) == -(-len(case.shocks) // 2)
    with devices() as machine:
        assert differing_arrays(cleared(case, memory=0), expected(case)) == []
    assert len(parts(machine)) == len(case.shocks)


def test_many_shocks_fill_lanes_and_few_leave_rows() -> None:
    with devices() as machine:
        for shocks in (1, 3, 20, 70):
            case = ranked(shocks)
            assert differing_arrays(cleared(case), expected(case)) == []
    assert {block for _, _, block in parts(machine)} == {(1, 32, 1), (4, 8, 1), (8, 4, 1), (32, 1, 1)}


def test_memory_that_runs_out_at_any_allocation_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part, its launch or a group's lanes are halved, pinned memory of the host included."""
    monkeypatch.setattr(crowds, "THREADS", 8)
    case = ranked()
    with devices() as machine:
        whole = cleared(case)
    assert machine.allocations > 10
    for failing in range(machine.allocations):
        for times in (1, 3):
            with devices() as short:
                short.fail_at = set(range(failing, failing + times))
                assert differing_arrays(cleared(case), whole) == [], failing
            assert len(parts(short)) >= len(parts(machine))
            assert parts(short) != parts(machine)


def test_a_group_that_does_not_fit_has_fewer_lanes() -> None:
    case = random_case(shocks=40)
    with devices() as machine:
        backend = CupyBackend()
        backend.clear(case.owed, case.shocks[:1], case.costs, "greatest", ROOM)
        doubles = backend._held[0]._loaded.group_doubles  # type: ignore[union-attr]
        del backend
        machine.devices[0].memory_bytes = int(2 * 8 * 2 * doubles[4] / 0.8)
        gc.collect()
        assert differing_arrays(cleared(case), expected(case)) == []
    assert parts(machine)[-1][2][0] < 4


def test_not_even_one_shock_is_a_clear_error() -> None:
    with devices() as machine:
        machine.fail_at = set(range(1000))
        with pytest.raises(gs.InputError, match="lacks memory for a single shock on device 0: Out of memory"):
            cleared(random_case())
        gc.collect()


def test_a_network_is_uploaded_once_for_all_blocks() -> None:
    case, other = random_case(), ranked()

    def run() -> None:
        backend = CupyBackend()
        for first in (0, 4, 8):
            backend.clear(case.owed, case.shocks[first : first + 4], case.costs, "greatest", ROOM)
        backend.clear(other.owed, other.shocks, other.costs, "least", ROOM)

    with devices() as machine:
        run()
    assert [name for name, *_ in machine.launches].count("gpustress_clearing_memory") == 2


def test_no_shock_and_no_debt_are_cleared() -> None:
    nobody = gs.Network({"debtor": [], "creditor": [], "amount": []}, {"name": ["a", "b"]})
    with devices():
        for net, shocks in ((nobody, np.ones((3, 2))), (nobody, np.ones((0, 2)))):
            owed = net.obligations
            for solution in SOLUTIONS:
                ours, theirs = (
                    one.clear(owed, shocks, (1.0, 1.0), solution, ROOM)
                    for one in (CupyBackend(), NativeBackend())
                )
                assert differing_arrays(ours, theirs) == []


def test_the_default_on_a_machine_with_a_gpu_clears(registered: None) -> None:
    """Its devices can be named, and shocks that updates can't show to be exact are solved all the same."""
    names = list("abc")
    net = gs.Network(
        {"debtor": names, "creditor": list("bca"), "amount": [1.0] * 3},
        {"name": names, "external_liabilities": [1e-7, 0.0, 0.0]},
    )
    shocks = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1e-8, 0.0, 0.0]])
    with devices(2) as machine:
        assert isinstance(get_backend("auto", protocol=ClearsNetworks), CupyBackend)
        auto = gs.clear(net, shocks)
        named = gs.clear(net, shocks, backend="cupy", devices=[1])
        (block,) = gs.clear_blocks(net, shocks, backend="cupy", devices=[1, 0])
        native = gs.clear(net, shocks, backend="native")
        for ours in (auto, named, block):
            assert ours.backend == "cupy"
            assert ours.payments.tobytes() == native.payments.tobytes()
            assert ours.error_bound.tobytes() == native.error_bound.tobytes()
        del auto, named, block
    assert {device for device, *_ in parts(machine)} == {0, 1}
