"""The same bits, whatever the blocks, the memory, the path that is replayed, or the folder in between."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import build
import gpustress as gs
import strategies
from bits import differing, run, same_bits
from build import Tables, examples
from gpustress.backends import get_backend
from gpustress.backends.base import Block, Outcome, Series
from gpustress.compilation import compile_program
from gpustress.program import Program
from gpustress.schema import CAUSES
from gpustress.simulation import plan, result_bytes

Drawn = tuple[dict[str, Any], Tables]


def in_blocks(program: Program, backend: str, seed: int, paths: int, size: int) -> list[NDArray[Any]]:
    """Every array of the outcome, put together from blocks of `size` paths."""
    chosen = get_backend(backend)
    wanted = [
        ("cash", program.entity_count),
        ("flow", program.flow_count),
        ("measure", program.measure_count),
    ]
    wanted += [("factor", program.factor_count), ("estate", 1)]
    series = tuple(Series(kind, item) for kind, count in wanted for item in range(count))
    outcomes = [
        chosen.simulate(program, Block(seed, first, min(size, paths - first)), series)
        for first in range(0, paths, size)
    ]
    together = []
    for field in dataclasses.fields(Outcome):
        parts = [getattr(outcome, field.name) for outcome in outcomes]
        counted = field.name in ("exact_finishes", "updates")
        together.append(np.sum(parts, axis=0) if counted else np.concatenate(parts, axis=1))
    return together


@examples(15)
@given(system=strategies.systems(), seed=st.integers(0, 2**64 - 1))
def test_the_split_into_blocks_changes_no_bit(backend: str, system: Drawn, seed: int) -> None:
    made = build.system(*system)
    program = compile_program(made, made.scenarios)
    whole = in_blocks(program, backend, seed, paths=23, size=23)
    for size in (1, 2, 3, 7, 16):
        assert all(map(same_bits, whole, in_blocks(program, backend, seed, paths=23, size=size))), size


def test_the_split_into_large_blocks_changes_no_bit(backend: str) -> None:
    made = build.system(*a_large_system())
    program = compile_program(made, made.scenarios)
    whole = in_blocks(program, backend, 9, paths=300, size=300)
    for size in (64, 65, 128, 299):
        assert all(map(same_bits, whole, in_blocks(program, backend, 9, paths=300, size=size))), size


def test_the_memory_given_changes_no_bit(backend: str) -> None:
    made, paths = build.system(*a_large_system()), 200
    program, chosen = compile_program(made, made.scenarios), get_backend(backend)
    series = len(build.every_series(made))
    least = result_bytes(program, paths, series) + chosen.block_bytes(program, 1, series)
    sizes = set()
    whole = run(made, backend, paths=paths, memory="2GB")
    for memory in (least, least + 5 * chosen.block_bytes(program, 1, 0), 2 * least):
        sizes.add(plan(program, chosen, paths, series, memory))
        assert differing(whole, run(made, backend, paths=paths, memory=memory)) == []
    assert min(sizes) < paths, "the least memory has to cut the run into blocks"
    assert len(sizes) > 1


def a_large_system() -> Drawn:
    """Many entities and flows, with everything in it."""
    shape = {
        "periods_per_year": 4, "periods": 12, "unit": 1.0, "tightness": 0.5, "odd_names": False,
        "entities": 12, "processes": list(strategies.PROCESSES), "correlated": True, "triggers": 0.5,
        "ring": "leaking", "flows": 40, "driven": 0.2, "loans": 5, "exposures": 8, "measures": 3,
        "positions": 0, "scenarios": 3,
        "default_costs": True, "shuffled": True, "edge": True,
    }  # fmt: skip
    return strategies.Maker(Random(4), shape).make()


@examples(40)
@given(system=strategies.systems(), path=st.integers(0, 7), effects=st.sampled_from(strategies.EFFECTS))
def test_replay_equals_the_run_to_the_bit(backend: str, system: Drawn, path: int, effects: str) -> None:
    made = build.system(*system)
    periods = made.settings.periods
    result = run(made, backend, paths=8, effects=effects)
    for s, name in enumerate(result.scenarios):
        replay = gs.replay(made, scenario=name, path=path, seed=5, effects=effects, backend=backend)
        for kind, table, column in (
            ("cash", replay.entities, "closing_cash"),
            ("flow", replay.flows, "paid"),
            ("measure", replay.measures, "value"),
            ("factor", replay.factors, "value"),
        ):
            for item, values in build.by_item(table, column).items():
                assert same_bits(values, result.series[f"{kind}:{item}"][s, path]), f"{kind}:{item}"
        assert same_bits(replay.estate["estate"].to_numpy(), result.series["estate"][s, path])
        for item, values in build.by_item(replay.measures, "running_total").items():
            assert values[-1] == result.measures[item].total[s, path]
            assert min(values) == result.measures[item].trough[s, path]
        failed = {
            entity: (int(result.failed_at[s, path, i]), CAUSES[result.cause[s, path, i]])
            for i, entity in enumerate(result.entities)
            if result.failed_at[s, path, i] < periods
        }
        assert {e["entity"]: (e["period"], e["cause"]) for e in replay.events.to_pylist()} == failed
        assert replay.events["period"].to_pylist() == sorted(replay.events["period"].to_pylist())


@examples(8)
@given(system=strategies.systems(), format_=st.sampled_from(["csv", "parquet", "arrow"]))
def test_a_system_written_and_read_back_gives_the_same_bits(
    backend: str, system: Drawn, format_: Any
) -> None:
    made = build.system(*system)
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder) / "system", format_)
        back = gs.read_system(Path(folder) / "system")
    assert back == made
    ours, theirs = run(made, backend), run(back, backend)
    assert ours.digest == theirs.digest
    assert differing(ours, theirs) == []
