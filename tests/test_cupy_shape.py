"""Layouts of launches and sizes of parts, on devices that nobody has to have."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build import examples
from gpustress.backends.cupy.crowds import FEWEST_LANES, LANES, choose_crowds
from gpustress.backends.cupy.shape import (
    MEMORY_SHARE,
    PART_BYTES,
    SLOTS,
    TEAMS,
    WARP,
    WAVES,
    Limits,
    Plan,
    Shape,
    choose_plan,
    choose_shape,
)

# From NVIDIA's tables of compute capabilities.
H100 = Limits(132, 32, 2048, 65536, 228 << 10, 227 << 10, 1 << 10)
A100 = Limits(108, 32, 2048, 65536, 164 << 10, 163 << 10, 1 << 10)
RTX_5090 = Limits(170, 24, 1536, 65536, 100 << 10, 99 << 10, 1 << 10)
DEVICES = [H100, A100, RTX_5090]

any_limits = st.builds(
    lambda device, multiprocessors: dataclasses.replace(device, multiprocessors=multiprocessors),
    st.sampled_from(DEVICES),
    st.integers(1, 200),
)


@pytest.mark.parametrize(("entities", "team"), [(1, 1), (2, 8), (8, 8), (9, 32), (32, 32), (300, 32)])
def test_a_team_has_a_thread_for_each_entity_up_to_a_warp(entities: int, team: int) -> None:
    assert choose_shape(entities, 100, 128, H100).team == team


def test_states_that_leave_no_room_for_a_whole_warp_of_small_teams_get_larger_teams() -> None:
    doubles = (227 << 10) // 8 // 8
    shape = choose_shape(1, doubles, 128, H100)
    assert (shape.team, shape.shared) == (8, True)
    assert choose_shape(1, 4 * doubles, 128, H100).team == 32


def test_a_state_that_no_block_can_hold_lies_in_the_devices_memory() -> None:
    shape = choose_shape(300, (227 << 10) // 8, 128, H100)
    assert not shape.shared
    assert shape.shared_bytes == 0
    assert choose_shape(300, (227 << 10) // 8 - 1, 128, H100).shared


def test_a_device_holds_as_many_blocks_as_shared_memory_and_registers_leave_room_for() -> None:
    assert choose_shape(32, 1900, 128, H100).blocks == 132 * 14
    assert choose_shape(32, 100, 128, H100).blocks == 132 * 16
    assert choose_shape(32, 100, 168, H100).blocks == 132 * 12


@examples(100)
@given(
    entities=st.integers(1, 400),
    doubles=st.integers(1, 60_000),
    registers=st.integers(16, 168),
    limits=any_limits,
)
def test_a_shape_stays_within_what_the_device_has(
    entities: int, doubles: int, registers: int, limits: Limits
) -> None:
    shape = choose_shape(entities, doubles, registers, limits)
    assert shape.team in TEAMS
    assert shape.team * shape.teams == WARP
    assert doubles <= shape.state_doubles <= doubles + 1
    assert shape.state_doubles % 2 == 1
    assert shape.shared_bytes <= limits.block_shared_bytes
    resident, left = divmod(shape.blocks, limits.multiprocessors)
    assert left == 0
    assert 1 <= resident <= limits.blocks
    assert resident * WARP * registers <= limits.registers
    assert resident * (shape.shared_bytes + limits.reserved_shared_bytes) <= limits.shared_bytes


any_shape = st.builds(
    lambda entities, doubles, limits: choose_shape(entities, doubles, 128, limits),
    st.integers(1, 400),
    st.integers(1, 60_000),
    any_limits,
)


@examples(200)
@given(
    shape=any_shape,
    path_bytes=st.integers(1, 10**8),
    team_bytes=st.integers(0, 10**7),
    scenarios=st.integers(1, 1000),
    paths=st.integers(1, 10**7),
    devices=st.integers(1, 8),
    free_bytes=st.integers(1, 10**11),
)
def test_a_plan_fits_or_is_the_least_there_is(
    shape: Shape,
    path_bytes: int,
    team_bytes: int,
    scenarios: int,
    paths: int,
    devices: int,
    free_bytes: int,
) -> None:
    plan = choose_plan(
        shape, path_bytes=path_bytes, team_bytes=team_bytes, scenarios=scenarios, paths=paths,
        devices=devices, free_bytes=free_bytes,
    )  # fmt: skip
    assert 1 <= plan.items <= paths
    assert 1 <= plan.blocks <= shape.blocks
    taken = SLOTS * (plan.items * plan.item_bytes + plan.blocks * plan.block_bytes)
    assert plan.items == 1 or taken <= MEMORY_SHARE * free_bytes
    assert plan.items == 1 or plan.items * path_bytes <= PART_BYTES


def test_a_long_run_has_parts_of_a_good_size_and_a_short_one_is_shared_out() -> None:
    shape = choose_shape(32, 1900, 128, H100)

    def of(paths: int, devices: int = 1) -> int:
        return choose_plan(
            shape, path_bytes=700, team_bytes=20_000, scenarios=1, paths=paths, devices=devices,
            free_bytes=70 << 30,
        ).items  # fmt: skip

    assert of(10**7) == PART_BYTES // 700
    assert of(100_000) == 50_000  # one is computed, one is copied
    assert of(100_000, devices=2) == 25_000
    assert of(20_000) == WAVES * shape.blocks  # fewer would leave threads without work
    assert of(5) == 5


def test_what_did_not_fit_limits_plans_for_paths_of_another_size() -> None:
    fitting = Plan(items=6, blocks=4, item_bytes=100, block_bytes=10)
    later = Plan(items=50, blocks=8, item_bytes=20, block_bytes=10).at_most(fitting)
    assert (later.items, later.blocks) == (30, 4)
    assert Plan(items=3, blocks=1, item_bytes=100, block_bytes=10).at_most(fitting).items == 3
    assert Plan(items=3, blocks=1, item_bytes=10_000, block_bytes=10).at_most(fitting).items == 1


def test_halving_takes_from_what_takes_more_and_ends_at_one_path_on_one_block() -> None:
    plan: Plan | None = Plan(items=12, blocks=8, item_bytes=10, block_bytes=10)
    seen = []
    while plan is not None:
        seen.append((plan.items, plan.blocks))
        plan = plan.halved()
    assert seen == [(12, 8), (6, 8), (6, 4), (3, 4), (3, 2), (1, 2), (1, 1)]


@examples(100)
@given(
    shocks=st.integers(1, 10**6),
    of_part=st.integers(1, 10**6),
    devices=st.integers(1, 4),
    registers=st.integers(32, 128),
    nodes=st.integers(1, 10**5),
    free_bytes=st.integers(10**6, 10**11),
    limits=any_limits,
)
def test_a_part_of_fewer_shocks_has_fewer_lanes_in_the_same_memory(
    shocks: int, of_part: int, devices: int, registers: int, nodes: int, free_bytes: int, limits: Limits
) -> None:
    plan = choose_crowds(
        shock_bytes=20 * nodes, group_bytes={lanes: 32 * nodes * lanes for lanes in LANES}, registers=registers,
        shocks=shocks, devices=devices, free_bytes=free_bytes, part_bytes=PART_BYTES, limits=limits,
    )  # fmt: skip
    assert plan.fitted(plan.items).lanes == plan.lanes
    part = plan.fitted(min(of_part, plan.items))
    assert part.blocks * part.block_bytes <= plan.blocks * plan.block_bytes
    assert part.block_bytes == plan.group_bytes[part.lanes]
    assert min(plan.lanes, FEWEST_LANES) <= part.lanes <= plan.lanes
    assert 1 <= part.blocks <= -(-min(of_part, plan.items) // part.lanes)


def test_a_device_is_busy_also_with_the_few_shocks_of_which_a_part_has_room_for_all_cells() -> None:
    plan = choose_crowds(
        shock_bytes=1000, group_bytes={lanes: 3_600_000 * lanes for lanes in LANES}, registers=81, shocks=100_000,
        devices=1, free_bytes=70 << 30, part_bytes=PART_BYTES, limits=H100,
    )  # fmt: skip
    assert (plan.lanes, plan.fitted(33).lanes, plan.fitted(33).blocks) == (32, 4, 9)
