"""Programs and blocks for tests of the CUDA entry, and how what two backends make of them differs."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import get_args

import numpy as np

import build
import strategies
from bits import same_bits
from clearing import DEBT, Network, Payment
from gpustress.backends.base import Backend, Block, Outcome, Series, SeriesKind
from gpustress.compilation import compile_program
from gpustress.drawing import Drawing, Tilt
from gpustress.points import make_points
from gpustress.program import Program

Case = tuple[Program, Block]


def everything(seed: int) -> Case:
    """A random system with all that the model has, under all effects; a few paths, and some factors' own ones."""
    shape = {
        "periods_per_year": 4, "periods": 6, "unit": 1.0, "tightness": 0.5, "odd_names": False,
        "entities": 9, "processes": list(strategies.PROCESSES), "correlated": True, "triggers": 1.0,
        "ring": "leaking", "flows": 30, "driven": 0.3, "loans": 5, "exposures": 8, "measures": 3,
        "positions": 0, "scenarios": 2, "default_costs": True, "shuffled": True, "edge": True,
    }  # fmt: skip
    made = build.system(*strategies.Maker(Random(seed), shape).make())
    program = compile_program(made, made.scenarios, strategies.EFFECTS)
    factor_paths = np.random.default_rng(seed).uniform(0.6, 1.5, (3, program.periods))
    return program, Block(seed, 3, 3, {1: factor_paths})


def on_points(case: Case) -> Case:
    """The same on quasi-random points, of which some draws have none."""
    program, block = case
    moves = np.arange(program.factor_count) != 1
    hazardous = (program.hazard > 0.0).any(axis=0)
    points = make_points(block.seed, 4, 8, moves, hazardous, program.periods)
    return program, dataclasses.replace(block, drawing=Drawing(points=points))


def antithetic(case: Case) -> Case:
    """The same in pairs."""
    program, block = case
    return program, dataclasses.replace(block, drawing=Drawing(antithetic=True))


def tilted(case: Case) -> Case:
    """The same with a tilt of every draw."""
    program, block = case
    random, scenarios = np.random.default_rng(block.seed), len(program.scenarios)
    drift = random.normal(size=(scenarios, program.factor_count, program.periods))
    twist = random.uniform(0.5, 4.0, (scenarios, program.entity_count))
    return program, dataclasses.replace(block, drawing=Drawing(tilt=Tilt(drift, twist)))


def slow_ring() -> Case:
    """A ring of debts that leaks little: its settlement is finished exactly."""
    debts = [Payment(i, (i + 1) % 9, DEBT, 1.0) for i in range(9)]
    ends = [Payment(0, None, DEBT, 1e-4), Payment(None, 0, DEBT, 0.25e-4)]
    system = Network((0.0,) * 9, (0.0,) * 9, (*debts, *ends), (1.0, 1.0)).system(periods=2)
    return compile_program(system, system.scenarios, strategies.EFFECTS), Block(1, 0, 3)


def write_offs() -> Case:
    """One fails; each failure strands an asset of the next, who has a claim too, and fails: rounds of write-offs."""
    names = [f"n{i}" for i in range(9)]
    entities = [build.entity(name, cash=5.0, other_debt=60.0, solvency_trigger=True) for name in names]
    assets = [
        build.flow(
            f"asset {i}", names[i], None, 1.0, kind="capex", life=4.0, opening_book=100.0, tenant=names[i - 1]
        )
        for i in range(8, 0, -1)
    ]
    claims = [{"holder": names[i], "issuer": names[i - 1], "amount": 1.0} for i in range(1, 9)]
    made = build.small(
        periods=3,
        entities=[entities[0] | {"other_assets": 70.0}, *entities[1:]],
        flows=assets,
        exposures=claims,
        scenarios=build.scenario("base", ("entity.n0.fail_at", "set", 1)),
    )
    return compile_program(made, made.scenarios, strategies.EFFECTS), Block(1, 0, 3)


def every_series(program: Program) -> tuple[Series, ...]:
    """All that can be recorded, the last first: so that the thread that records is seldom the one that computed."""
    counts = (program.entity_count, program.flow_count, program.measure_count, program.factor_count, 1)
    kinds: tuple[SeriesKind, ...] = get_args(SeriesKind)
    series = [Series(kind, item) for kind, count in zip(kinds, counts, strict=True) for item in range(count)]
    return tuple(reversed(series))


def differing(case: Case, one: Backend, other: Backend) -> list[str]:
    """What is not the same to the bit in the outcomes of a block, and in its traces."""
    program, block = case
    series = every_series(program)
    ours, theirs = (backend.simulate(program, block, series) for backend in (one, other))
    names = [field.name for field in dataclasses.fields(Outcome)]
    found = [name for name in names if not same_bits(getattr(ours, name), getattr(theirs, name))]
    scenario = len(program.scenarios) - 1
    traced, expected = (backend.trace(program, block, scenario).arrays for backend in (one, other))
    return found + [f"trace of {name}" for name in expected if not same_bits(traced[name], expected[name])]
