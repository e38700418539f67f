"""The stand-in for CUDA: it does what CUDA does, and finds what a kernel does wrong."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from numpy.typing import NDArray

from cuda_standin import ORDERS, STANDIN, Standin, compiler
from needs import require

SHARED = 8 * 8  # bytes: a double for each of 8 threads


@pytest.fixture(scope="module")
def watched() -> Standin:
    """Kernels that do wrong, with an eye on races."""
    require("compiler", compiler())
    return Standin(STANDIN / "wrong.cu")


@pytest.fixture(scope="module")
def unwatched() -> Standin:
    """The same, whose faults show in what they compute alone."""
    require("compiler", compiler())
    return Standin(STANDIN / "wrong.cu", races=False)


def passed_on(standin: Standin, order: str, waits: bool) -> NDArray[np.float64]:
    out = np.empty(8)
    standin.launch("pass_on", (1, 1, 1), (8, 1, 1), SHARED, [pointer(out), bytes(ctypes.c_int(waits))], order)
    return out


def pointer(array: NDArray[np.generic]) -> bytes:
    return bytes(ctypes.c_void_p(array.ctypes.data))


@pytest.mark.parametrize("order", ORDERS)
def test_a_barrier_makes_what_was_written_seen(watched: Standin, order: str) -> None:
    assert passed_on(watched, order, waits=True).tolist() == [1, 2, 3, 4, 5, 6, 7, 0]


@pytest.mark.parametrize("order", ORDERS)
def test_a_missing_barrier_changes_what_is_read(unwatched: Standin, order: str) -> None:
    assert passed_on(unwatched, order, waits=True).tolist() == [1, 2, 3, 4, 5, 6, 7, 0]
    unseen = np.isnan(passed_on(unwatched, order, waits=False))
    assert unseen.any()
    if order != "random":  # the first to run reads what is not there yet
        assert unseen.tolist() == [order == "forward"] * 7 + [order == "reverse"]


@pytest.mark.parametrize("order", ORDERS)
def test_a_missing_barrier_is_a_race_in_every_order(watched: Standin, order: str) -> None:
    with pytest.raises(RuntimeError, match="without a barrier"):
        passed_on(watched, order, waits=False)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kernel", ["pass_to_the_other_warp", "write_what_all_have_read"])
def test_a_barrier_of_the_block_orders_what_one_of_a_warp_does_not(
    watched: Standin, kernel: str, order: str
) -> None:
    def launched(waits: int) -> NDArray[np.float64]:
        out = np.zeros(65)
        watched.launch(
            kernel, (1, 1, 1), (64, 1, 1), 8 * SHARED, [pointer(out), bytes(ctypes.c_int(waits))], order
        )
        return out

    numbers = [(i + 32) % 64 for i in range(64)]
    assert launched(1).tolist() == (
        [*numbers, 0.0] if kernel == "pass_to_the_other_warp" else [1.0] + 64 * [0.0]
    )
    for waits in (0, 2):
        with pytest.raises(RuntimeError, match="without a barrier"):
            launched(waits)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("leave_others_waiting", r"deadlock: .* waits at __syncwarp for thread \(3, 0, 0\) .* has left"),
        ("wait_at_two_places", r"deadlock: .* waits at __syncwarp for thread \(3, 0, 0\) .* at __any_sync"),
        (
            "wait_as_a_stranger",
            r"thread \(7, 0, 0\) of block .*: __syncwarp with a mask that does not hold it",
        ),
        (
            "leave_the_block_waiting",
            r"deadlock: .* waits at __syncthreads for thread \(3, 0, 0\) .* has left",
        ),
        (
            "wait_for_block_and_warp",
            r"deadlock: .* waits at __syncthreads for thread \(3, 0, 0\) .* at __syncwarp",
        ),
        ("wait_for_nobody", "__syncwarp with a mask that holds threads which the block does not have"),
    ],
)
def test_who_waits_in_vain_is_an_error(watched: Standin, kernel: str, message: str) -> None:
    for order in ORDERS:
        with pytest.raises(RuntimeError, match=message):
            watched.launch(kernel, (2, 1, 1), (8, 1, 1), 0, [], order)


def test_shared_memory_ends_where_the_launch_says(watched: Standin) -> None:
    def write(doubles: int) -> None:
        watched.launch("write_behind_shared", (1, 1, 1), (1, 1, 1), SHARED, [bytes(ctypes.c_int(doubles))])

    write(7)
    with pytest.raises(RuntimeError, match="behind the 64 bytes of shared memory"):
        write(8)


def test_what_nobody_has_written_is_not_a_number(watched: Standin) -> None:
    out = np.zeros(8)
    for _ in range(2):  # nor what an earlier launch left
        passed_on(watched, "forward", waits=True)
        watched.launch("read_unset", (1, 1, 1), (8, 1, 1), SHARED, [pointer(out)])
        assert np.isnan(out).all()


@pytest.mark.parametrize(("grid", "block"), [((2, 1, 1), (1, 1, 1)), ((1, 1, 1), (2, 1, 1))])
def test_what_blocks_or_threads_add_up_without_atomics_races(
    watched: Standin, grid: tuple[int, int, int], block: tuple[int, int, int]
) -> None:
    total = np.zeros(1, dtype=np.uint64)

    def count(plain: int) -> None:
        watched.launch("count", grid, block, 0, [pointer(total), bytes(ctypes.c_int(plain))])

    count(plain=0)
    assert total[0] == 2
    for plain in range(1, block[0] + 1):
        with pytest.raises(RuntimeError, match="without a barrier"):
            count(plain)


@pytest.mark.parametrize("order", ORDERS)
def test_a_vote_counts_in_its_team_alone(watched: Standin, order: str) -> None:
    out = np.zeros((5, 40))
    watched.launch("vote", (5, 1, 1), (8, 5, 1), 0, [pointer(out)], order)
    assert np.array_equal(out, np.broadcast_to(np.arange(40) // 8 == 1, (5, 40)))


@pytest.mark.parametrize(
    ("grid", "block", "shared_bytes"),
    [
        ((0, 1, 1), (1, 1, 1), 0),
        ((1, 1, 1), (1, 0, 1), 0),
        ((1, 1, 1), (65, 1, 1), 0),
        ((1, 1, 1), (1, 1, 1), 228 << 10),
    ],
)
def test_a_launch_that_cuda_would_refuse_is_an_error(
    watched: Standin, grid: tuple[int, int, int], block: tuple[int, int, int], shared_bytes: int
) -> None:
    with pytest.raises(RuntimeError):
        watched.launch("leave_others_waiting", grid, block, shared_bytes, [])


def test_arguments_of_other_sizes_are_an_error(watched: Standin) -> None:
    for arguments in ([], [bytes(8)], [bytes(8), bytes(8)], [bytes(8), bytes(4), bytes(4)]):
        with pytest.raises(RuntimeError, match="takes parameters of"):
            watched.launch("pass_on", (1, 1, 1), (8, 1, 1), SHARED, arguments)
    with pytest.raises(RuntimeError, match="no entry"):
        watched.launch("pass_off", (1, 1, 1), (8, 1, 1), SHARED, [])
