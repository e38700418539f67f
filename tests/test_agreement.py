"""Every backend against the reference: amounts to 1e-9 of what is at stake, the same decisions but for near ties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import build
import clearing
import strategies
from agreement import NEAR_TIE, Case
from build import Tables, examples
from gpustress.backends import get_backend
from gpustress.backends.base import Block
from gpustress.backends.numpy.settlement import PLAIN_UPDATES
from gpustress.compilation import compile_program
from gpustress.program import Program
from gpustress.schema import CAUSES, DISCRETIONARY, RANKS
from parity import Answer, Tally, disagreements

MOST_EXEMPT = 1e-4  # of all decisions
SEEDS = st.integers(0, 2**64 - 1)
Drawn = tuple[dict[str, Any], Tables]
Witness = Callable[[Program, Block, Answer], Any]


@dataclass(frozen=True)
class Shape:
    """A kind of system: how to make one, of how many paths, and what has to be seen in some of them."""

    systems: st.SearchStrategy[Drawn]
    seen: Witness
    paths: tuple[int, ...] = (4,)
    count: int = 10


def rings_of_the_short() -> st.SearchStrategy[Drawn]:
    def system(network: clearing.Network) -> Drawn:
        settings = {"name": "ring", "periods": 2, "periods_per_year": 1.0, "discount_rate": 0.1}
        return settings | {"default_costs": network.costs}, network.tables()

    return clearing.networks(max_entities=8).map(system)


def has_circle_of_debt(program: Program, _: Block, __: Answer) -> bool:
    """Some owe each other in a circle, in ranks that have to be met."""
    owed = (program.rank != DISCRETIONARY) & (program.amount.max(axis=1) > 0.0)
    size = program.entity_count + 1
    inside = owed & (program.payer < size - 1) & (program.receiver < size - 1)
    edges = program.payer[inside], program.receiver[inside]
    graph = coo_array((np.ones(len(edges[0])), edges), shape=(size, size))
    return int(connected_components(graph, connection="strong")[0]) < size


def somebody_fails_by(answer: Answer, cause: str) -> bool:
    return bool((answer.outcome.cause == CAUSES.index(cause)).any())


def crowds(count: int) -> dict[str, Any]:
    """The shape of a system of many, with a slow ring among them."""
    return {
        "entities": count,
        "flows": 2 * count,
        "loans": count // 8,
        "exposures": count // 4,
        "ring": "slow",
    }


SHAPES = {
    "anything": Shape(strategies.systems(), lambda p, b, a: True, paths=(3, 6), count=40),
    "no factor": Shape(strategies.systems(processes=[]), lambda p, b, a: p.factor_count == 0),
    "no flow": Shape(
        strategies.systems(flows=0, loans=0, ring="none"), lambda p, b, a: p.flow_count == 0
    ),
    "slow rings": Shape(rings_of_the_short(), lambda p, b, a: a.outcome.exact_finishes.any(), count=20),
    "one period": Shape(strategies.systems(periods=1), lambda p, b, a: p.periods == 1),
    "one path": Shape(strategies.systems(), lambda p, b, a: b.paths == 1, paths=(1,)),
    "one entity": Shape(strategies.systems(entities=1), lambda p, b, a: p.entity_count == 1),
    "300 entities": Shape(
        strategies.systems(**crowds(300)),
        lambda p, b, a: p.entity_count == 300 and somebody_fails_by(a, "liquidity"),
        count=4,
    ),
    "2 to 299 entities": Shape(
        st.integers(2, 299).flatmap(lambda count: strategies.systems(**crowds(count))),
        lambda p, b, a: 100 < p.entity_count < 300,
        count=6,
    ),
    "one path more than a vector has lanes": Shape(
        strategies.systems(), lambda p, b, a: b.paths in (5, 9, 17), paths=(2, 3, 5, 9, 17)
    ),
    "jumps": Shape(
        strategies.systems(processes=["gbm", "ou", "log_ou", "logit_ou"]),
        lambda p, b, a: (p.jump_probability > 0.5 / p.periods).any(),
    ),
    "ranks": Shape(
        strategies.systems(flows=16, tightness=0.1),
        lambda p, b, a: all(
            ((paid := a.traces[-1]["ratio"][:, :, rank]) > 0.0).any() and (paid < 1.0).any()
            for rank in range(len(RANKS))
        ),
    ),
    "circles of debt": Shape(
        strategies.systems(ring="leaking", entities=8), has_circle_of_debt
    ),
    "default costs": Shape(
        strategies.systems(default_costs=True, tightness=0.1),
        lambda p, b, a: min(p.default_costs) < 1.0 and somebody_fails_by(a, "liquidity"),
    ),
    "loans": Shape(
        strategies.systems(loans=4),
        lambda p, b, a: (p.draw_flow >= 0).any() and (p.draw_flow < 0).any(),
    ),
    "tenants": Shape(
        strategies.systems(flows=30, entities=4, tightness=0.1),
        lambda p, b, a: any((trace["impairment"] > 0.0).any() for trace in a.traces),
    ),
    "scenarios": Shape(
        strategies.systems(scenarios=3), lambda p, b, a: len(p.scenarios) == 3 * len(strategies.EFFECTS)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_backend_agrees_with_the_reference_on_every_shape(other_backend: str, name: str) -> None:
    """Under each of the three effects; every array of the outcome, and everything that happened on the way."""
    shape, tally, seen = SHAPES[name], Tally(), []
    reference, other = get_backend("numpy"), get_backend(other_backend)

    @examples(shape.count)
    @given(system=shape.systems, paths=st.sampled_from(shape.paths), first=st.integers(0, 99), seed=SEEDS)
    def agree(system: Drawn, paths: int, first: int, seed: int) -> None:
        made, block = build.system(*system), Block(seed, first, paths)
        program = compile_program(made, made.scenarios, strategies.EFFECTS)
        expected = Answer.of(reference, program, block)
        wrong = disagreements(program, expected, Answer.of(other, program, block), tally)
        assert not wrong, "\n".join(wrong[:10])
        seen.append(bool(shape.seen(program, block, expected)))

    agree()
    assert any(seen), "no system has what the shape promises"
    assert tally.exempt < MOST_EXEMPT * tally.decisions


@examples(60)
@given(system=strategies.systems(), seed=SEEDS)
def test_the_margins_of_the_reference_are_those_of_the_oracle(system: Drawn, seed: int) -> None:
    """How near a path came to another decision, as an independent reading of the model finds it."""
    case = Case(*system, "full", seed, paths=3)
    made = build.system(*system)
    program = compile_program(made, made.scenarios)
    traces = Answer.of(get_backend("numpy"), program, Block(seed, 0, case.paths)).traces
    for name, path, happened in case.expected():
        if max(happened["updates"]) > PLAIN_UPDATES:
            continue  # the oracle has its own way to finish, and judges on it
        margin = traces[program.scenarios.index(name)]["margin"][path, -1]
        assert margin == pytest.approx(min(happened["margins"].values()), rel=1e-6, abs=1e-12)


def test_a_decision_may_differ_within_the_band_alone() -> None:
    system = build.crowd(3)
    program, block = compile_program(system, system.scenarios), Block(3, 0, 9)
    answer = Answer.of(get_backend("numpy"), program, block)
    failed_at, cause = answer.outcome.failed_at.copy(), answer.outcome.cause.copy()
    failed_at[0, 4, 1], cause[0, 4, 1] = 0, CAUSES.index("credit")
    other = replace(answer, outcome=replace(answer.outcome, failed_at=failed_at, cause=cause))
    assert len(disagreements(program, answer, without_margins(other))) == 2

    tally = Tally()
    margin = answer.traces[0]["margin"].copy()
    margin[4, -1] = NEAR_TIE / 2
    near = replace(answer, traces=[answer.traces[0] | {"margin": margin}])
    assert disagreements(program, near, without_margins(other), tally) == []
    assert tally.decisions == 9 * tally.exempt > 0


def without_margins(answer: Answer) -> Answer:
    """As another backend than the reference gives it."""
    return replace(
        answer, traces=[{k: v for k, v in trace.items() if k != "margin"} for trace in answer.traces]
    )


@pytest.mark.parametrize("entities", [1, 3, 40, 300])
def test_backend_settles_a_crowd_in_as_many_updates(other_backend: str, entities: int) -> None:
    """Rings of many, with little cash."""
    system = build.crowd(entities)
    program = compile_program(system, system.scenarios, ("first_round", "full"))
    block = Block(3, 0, 9)
    expected, given_ = (Answer.of(get_backend(name), program, block) for name in ("numpy", other_backend))
    assert disagreements(program, expected, given_) == []
    assert np.array_equal(given_.outcome.updates, expected.outcome.updates)
    assert np.array_equal(given_.outcome.exact_finishes, expected.outcome.exact_finishes)
    assert somebody_fails_by(expected, "liquidity")
