"""Variance reduction: drawn as docs/model.md says, unbiased, its errors honest, the same bits however it is run."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

import bits
import build
import gpustress as gs
from build import entity, flow
from gpustress.backends import get_backend
from gpustress.backends.base import Block, Outcome, Series
from gpustress.compilation import compile_program
from gpustress.drawing import Drawing
from gpustress.variance_reduction import Antithetic, VarianceReduction
from needs import require_backend


@pytest.fixture(scope="module")
def native() -> Any:
    """The module of the compiled backend."""
    info = next(info for info in gs.backends() if info.name == "native")
    require_backend(info, "compiler")
    from gpustress.backends import native

    return native


WAYS: tuple[VarianceReduction, ...] = (Antithetic(),)
SEED = 11


def a_system(hazard: float = 0.05) -> gs.System:
    """A lab whose revenue follows demand pays a host, which may also fail by credit; demand jumps and is correlated."""
    return build.small(
        periods=6,
        periods_per_year=4.0,
        discount_rate=0.05,
        entities=[
            entity("lab", 3.0, credit_line=1.0),
            entity("host", 1.0, hazard=hazard),
            entity("bank", 5.0),
        ],
        factors=[
            {"name": "demand", "process": "gbm", "initial": 1.0, "volatility": 0.4, "jump_rate": 0.5,
             "jump_mean": -0.1, "jump_volatility": 0.1},
            {"name": "power", "process": "log_ou", "initial": 2.0, "volatility": 0.3, "reversion": 1.0},
        ],
        correlations=[{"factor_a": "demand", "factor_b": "power", "value": -0.5}],
        flows=[
            flow("sales", None, "lab", 20.0, "revenue"),
            flow("rent", "lab", "host", 22.0),
            flow("power", "host", None, 20.0, "power"),
        ],
        sensitivities=[
            {"target": "sales", "factor": "demand", "elasticity": 1.0},
            {"target": "power", "factor": "power", "elasticity": 0.3},
            {"target": "host", "factor": "demand", "elasticity": -1.0},
        ],
        measures=[{"measure": "margin", "flow": "sales"}, {"measure": "margin", "flow": "rent", "weight": -1.0}],
        positions=[{"name": "bond", "entity": "lab", "exposure": 10.0, "recovery": 0.4},
                   {"name": "note", "entity": "host", "exposure": 5.0}],
        scenarios=[*build.scenario("calm", ("factor.demand.shift", "set", 0.1)),
                   *build.scenario("storm", ("factor.demand.volatility", "set", 0.8))],
    )  # fmt: skip


def words(seed: int, name: str, path: int, block: int, stream: int) -> NDArray[np.uint64]:
    """Four words, straight from the text of the contract on draws."""
    identity = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    key = np.array([seed, identity], dtype=np.uint64)
    counter = np.array([path, block, stream, 0], dtype=np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(4)


def uniforms(seed: int, name: str, path: int, block: int, stream: int) -> NDArray[np.float64]:
    return ((words(seed, name, path, block, stream) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def mover(process: str = "ou") -> gs.System:
    """A factor that shows its normals: y = z as long as nothing reverts."""
    factor = {"name": "x", "process": process, "initial": 0.0, "volatility": 1.0, "reversion": 1e-9}
    return build.small(periods=7, factors=[factor])


def steps(run: gs.Result) -> NDArray[np.float64]:
    """The shocks of the factor x, (P, T)."""
    path = run.series["factor:x"][0]
    return np.diff(path, axis=1, prepend=0.0)


# Antithetic paths


def test_an_antithetic_pair_has_one_paths_draws_and_their_opposites(backend: str) -> None:
    run = gs.simulate(
        mover(), paths=6, seed=SEED, backend=backend, record=["factor:x"], variance_reduction="antithetic"
    )
    z = np.array([
        np.concatenate([ndtri(uniforms(SEED, "x", pair, block, 0)) for block in range(2)])[:7] for pair in range(3)
    ])  # fmt: skip
    np.testing.assert_allclose(steps(run)[0::2], z, atol=1e-7)
    np.testing.assert_allclose(steps(run)[1::2], -z, atol=1e-7)


def test_the_credit_threshold_of_the_twin_is_of_one_minus_u(backend: str) -> None:
    periods, hazard = 40, 0.05
    made = build.small(periods=periods, entities=[entity("host", 1.0, hazard=hazard)])
    run = gs.simulate(made, paths=40, seed=SEED, backend=backend, variance_reduction="antithetic")
    u = np.array([uniforms(SEED, "host", pair, 0, 1)[0] for pair in range(20)])
    threshold = -np.log(np.stack([u, 1.0 - u], axis=1).ravel())
    fails = np.minimum(np.ceil(threshold / hazard) - 1, periods)
    assert (run.failed_at[0, :, 0] == fails).all()
    assert 0 < (fails < periods).sum() < 40


# What holds for every way


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_the_split_into_blocks_changes_no_bit(backend: str, way: VarianceReduction) -> None:
    made = a_system()
    drawing, program, chosen = (
        drawing_of(way, made),
        compile_program(made, made.scenarios),
        get_backend(backend),
    )
    series = tuple(Series("factor", k) for k in range(2))

    def in_blocks(size: int) -> list[NDArray[Any]]:
        outcomes = [
            chosen.simulate(program, Block(SEED, first, min(size, 24 - first), drawing=drawing), series)
            for first in range(0, 24, size)
        ]
        kept = [
            field.name
            for field in dataclasses.fields(Outcome)
            if field.name not in ("exact_finishes", "updates")
        ]
        return [np.concatenate([getattr(outcome, name) for outcome in outcomes], axis=1) for name in kept]

    whole = in_blocks(24)
    for size in (1, 3, 8, 17):
        assert all(map(bits.same_bits, whole, in_blocks(size))), size


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_lanes_threads_and_levels_change_no_bit(native: Any, way: VarianceReduction) -> None:
    levels, NativeBackend = native.backend.levels, native.NativeBackend
    made = a_system()
    program, block = compile_program(made, made.scenarios), Block(SEED, 5, 100, drawing=drawing_of(way, made))
    first, *others = (
        NativeBackend(level, threads).simulate(program, block) for level in levels() for threads in (1, 2)
    )
    for other in others:
        assert bits.differing_arrays(first, other) == []


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_the_backends_agree(other_backend: str, way: VarianceReduction) -> None:
    made = a_system()
    ours, theirs = (
        gs.simulate(
            made, paths=256, seed=SEED, backend=name, variance_reduction=way, record=["factor:demand"]
        )
        for name in ("numpy", other_backend)
    )
    assert (ours.failed_at == theirs.failed_at).all()
    assert (ours.cause == theirs.cause).all()
    np.testing.assert_allclose(theirs.measures["margin"].npv, ours.measures["margin"].npv, atol=1e-8)
    np.testing.assert_allclose(theirs.series["factor:demand"], ours.series["factor:demand"], rtol=1e-9)
    if ours.weights is not None:
        np.testing.assert_allclose(theirs.weights, ours.weights, rtol=1e-9)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_replay_equals_the_run_to_the_bit(backend: str, way: VarianceReduction) -> None:
    made = a_system()
    run = gs.simulate(
        made, paths=64, seed=SEED, backend=backend, variance_reduction=way, record=["factor:demand"]
    )
    for path in (0, 9, 63):
        replay = gs.replay(
            made, path=path, scenario="storm", seed=SEED, backend=backend, variance_reduction=way
        )
        shown = build.by_item(replay.factors, "value")["demand"]
        assert bits.same_bits(np.array(shown), run.series["factor:demand"][1, path])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_estimates_are_unbiased(way: VarianceReduction) -> None:
    made, count = a_system(), 1 << 14
    plain = gs.simulate(made, paths=count, seed=1)
    other = gs.simulate(made, paths=count, seed=2, variance_reduction=way)
    compared = 0
    for (value, error), (again, error_again) in zip(figures(plain), figures(other), strict=True):
        off = abs(value - again)
        assert off <= 4.0 * np.hypot(error, error_again) + 1e-12, (value, error, again, error_again)
        compared += error > 0.0
    assert compared > 60


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_errors_are_honest(way: VarianceReduction) -> None:
    """The spread of estimates over seeds is what each claims of itself, on average over the squares."""
    made, seeds = a_system(), 60
    found = np.array([
        figures(gs.simulate(made, paths=1024, seed=1000 + seed, variance_reduction=way)) for seed in range(seeds)
    ])  # fmt: skip
    spread = found[:, :, 0].std(axis=0, ddof=1)
    claimed = np.sqrt(np.nanmean(found[:, :, 1] ** 2, axis=0))
    smooth = np.array([name.startswith("mean") for name in names(made)]) & (spread > 0.0)
    ratio = spread[smooth] / claimed[smooth]
    assert smooth.sum() > 20
    # A standard deviation from 60 values is known to 9 %; four times that, and a few tenths more for discrete figures.
    assert (ratio > 0.6).all(), ratio
    assert (ratio < 1.45).all(), ratio
    assert 0.9 < np.median(ratio) < 1.1


def figures(run: gs.Result) -> list[tuple[float, float]]:
    """Every estimate that a result and the risk measures give: value and standard error."""
    return [(value, error) for _, value, error in named_figures(run)]


def names(made: gs.System) -> list[str]:
    return [name for name, _, _ in named_figures(gs.simulate(made, paths=64))]


def named_figures(run: gs.Result) -> list[tuple[str, float, float]]:
    found = [("mean", row["probability"], row["standard_error"]) for row in run.failures().to_pylist()]
    found += [("mean", row["probability"], row["standard_error"]) for row in run.failure_curve().to_pylist()]
    found += [
        (f"{row['statistic']} {row['figure']}", row["value"], row["standard_error"])
        for row in run.measure_summary().to_pylist()
        if row["figure"] != "payback" or row["statistic"] == "share_never"
    ]
    for risk in (gs.value_at_risk(run, 0.9), gs.expected_shortfall(run, 0.9)):
        values, errors = np.asarray(risk.value), np.asarray(risk.standard_error)
        found += [("risk", float(v), float(e)) for v, e in zip(values, errors, strict=True)]
    found += [
        ("risk", r["contribution"], r["standard_error"]) for r in gs.contributions(run, level=0.9).to_pylist()
    ]
    return found


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_a_stored_run_comes_back(way: VarianceReduction, tmp_path: Path) -> None:
    made = a_system()
    run = gs.simulate(made, paths=64, seed=SEED, variance_reduction=way)
    run.write(tmp_path / "out")
    back = gs.read_result(tmp_path / "out")
    assert back.variance_reduction == run.variance_reduction
    assert bits.differing(run, back) == []
    assert back.weights is None if run.weights is None else bits.same_bits(back.weights, run.weights)
    assert figures(back) == figures(run)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
@pytest.mark.parametrize(
    "asked",
    [
        gs.losses,
        gs.cascade_starts,
        gs.cascade_followers,
        gs.worst_world,
        gs.story,
        gs.explain,
        gs.failure_links,
    ],
    ids=lambda asked: asked.__name__,
)
def test_what_counts_on_independent_paths_refuses_others(way: VarianceReduction, asked: Any) -> None:
    run = gs.simulate(
        a_system(), paths=64, seed=SEED, effects=["first_round", "full"], variance_reduction=way
    )
    with pytest.raises(gs.InputError, match="independent paths"):
        asked(run)


def test_a_path_without_its_twin_is_refused() -> None:
    with pytest.raises(gs.InputError, match=r"paths.*twin \(value 7\). Give 6 or 8"):
        gs.simulate(a_system(), paths=7, variance_reduction="antithetic")


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(gs.InputError, match=r"variance_reduction.*no way.*'anti'.*one of antithetic"):
        gs.simulate(a_system(), paths=8, variance_reduction="anti")


def test_the_command_line_takes_a_way(call: Any, tmp_path: Path) -> None:
    a_system().write(tmp_path / "system")
    code, out, _ = call(
        "run",
        tmp_path / "system",
        "--paths",
        64,
        "--variance-reduction",
        "antithetic",
        "--json",
        "--out",
        tmp_path / "out",
    )
    assert code == 0
    assert '"scheme": "antithetic"' in out
    assert gs.read_result(tmp_path / "out").variance_reduction == Antithetic()


def drawing_of(way: VarianceReduction, made: gs.System) -> Drawing:
    return way.drawing()
