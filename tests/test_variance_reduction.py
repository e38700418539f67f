"""Variance reduction: drawn as docs/model.md says, unbiased, its errors honest, the same bits however it is run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats.qmc import Sobol

import bits
import build
import gpustress as gs
from build import entity, flow
from gpustress.backends import get_backend
from gpustress.backends.base import Block, Outcome, Series
from gpustress.checksums import CHECKSUM, file_checksum, signed_json
from gpustress.compilation import compile_program
from gpustress.drawing import Drawing, Tilt
from gpustress.job import prepare
from gpustress.points import make_points
from gpustress.report import find
from gpustress.schema import CAUSES
from gpustress.store import MANIFEST
from gpustress.summary import summarise
from gpustress.variance_reduction import Antithetic, ImportanceSampling, QuasiMonteCarlo, VarianceReduction
from needs import require_backend


@pytest.fixture(scope="module")
def native() -> Any:
    """The module of the compiled backend."""
    info = next(info for info in gs.backends() if info.name == "native")
    require_backend(info, "compiler")
    from gpustress.backends import native

    return native


WAYS: tuple[VarianceReduction, ...] = (
    Antithetic(),
    QuasiMonteCarlo(),
    ImportanceSampling("lab", pilot_paths=512),
)
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


# Quasi-Monte Carlo


def scrambled_points(dimensions: int, paths: int, scrambles: int) -> NDArray[np.float64]:
    """u of (path, dimension), straight from the text of docs/variance.md; digit by digit."""
    count = paths // scrambles
    sobol = (Sobol(dimensions, scramble=False, bits=30).random(count) * 2.0**30).astype(
        np.uint64
    )  # in Gray's order
    u = np.empty((paths, dimensions))
    for d in range(dimensions):
        random = np.concatenate([words(SEED, "\x00points", d, block, 5) for block in range(8)])
        shift = np.concatenate(
            [words(SEED, "\x00points", d, block, 6) for block in range(-(-scrambles // 4))]
        )
        for place in range(count):
            gray = place ^ place >> 1
            digits = [int(sobol[place, d]) >> 29 - digit & 1 for digit in range(30)]
            word = 0
            for digit in range(30):  # column `digit` of the matrix: 1 at its place, random below
                column = 1 << 63 - digit | int(random[digit]) & (1 << 63 - digit) - 1
                word ^= column * digits[digit]
            for scramble in range(scrambles):
                u[gray * scrambles + scramble, d] = ((word ^ int(shift[scramble])) >> 12) + 0.5
    return u * 2.0**-52


def test_quasi_random_normals_are_those_of_the_text(backend: str) -> None:
    periods, way = 7, QuasiMonteCarlo(4)
    run = gs.simulate(
        mover(), paths=64, seed=SEED, backend=backend, record=["factor:x"], variance_reduction=way
    )
    component = ndtri(scrambled_points(periods, 64, 4))
    t, c = np.indices((periods, periods)) + 1
    matrix = 2.0 / np.sqrt(2 * periods + 1) * np.cos((2 * t - 1) * (2 * c - 1) * np.pi / (4 * periods + 2))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(periods), atol=1e-14)
    motion = np.cumsum(matrix, axis=0)  # of a Brownian motion: the components are its principal ones
    np.testing.assert_allclose(motion.T @ motion, np.diag(np.diag(motion.T @ motion)), atol=1e-13)
    np.testing.assert_allclose(steps(run), component @ matrix.T, atol=1e-6)


def test_the_first_dimensions_of_each_scramble_are_a_net(backend: str) -> None:
    """Of 2^m points one lies in each of 2^m boxes, whatever their shape: what Sobol's first two dimensions promise."""
    factor = {"name": "x", "process": "ou", "initial": 0.0, "volatility": 1.0, "reversion": 1e-9}
    made = build.small(periods=40, entities=[entity("host", 1.0, hazard=0.02)], factors=[factor])
    run = gs.simulate(
        made, paths=64 * 16, seed=SEED, backend=backend, record=["factor:x"], variance_reduction="quasi"
    )
    t, c = np.indices((40, 40)) + 1
    matrix = 2.0 / 9.0 * np.cos((2 * t - 1) * (2 * c - 1) * np.pi / 162)
    u = ndtr(steps(run) @ matrix)[:, :2].reshape(64, 16, 2)
    for scramble in range(16):
        for halvings in range(7):
            cell = np.floor(u[:, scramble] * [2**halvings, 2 ** (6 - halvings)]).astype(int)
            assert len(set(map(tuple, cell))) == 64
    # The credit threshold has the third dimension: of 64 points, those that fail by a period are known to one.
    failed = (run.failed_at[0, :, 0].reshape(64, 16) < 40).sum(axis=0)
    assert np.abs(failed - 64 * -np.expm1(-0.8)).max() < 1.0


def test_more_dimensions_than_sobol_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sobol, "MAXDIM", 6)
    with pytest.raises(gs.InputError, match=r"needs 7 dimensions, a Sobol sequence has 6"):
        gs.simulate(mover(), paths=64, variance_reduction="quasi")


def test_the_dimensions_are_in_the_order_of_the_text() -> None:
    points = make_points(0, 2, 2, np.array([True, False, True]), np.array([False, True, True]), 4)
    assert points.normal_dimension.tolist() == [[0, 2, 6, 8], [10, 11, 12, 13], [1, 3, 7, 9]]
    assert points.credit_dimension.tolist() == [-1, 4, 5]


def test_a_constant_factor_that_others_correlate_with_has_dimensions(backend: str) -> None:
    made = build.small(
        periods=3,
        factors=[{"name": "still", "process": "constant"}, *mover().factors.to_pylist()],
        correlations=[{"factor_a": "still", "factor_b": "x", "value": 1.0}],
    )
    run = gs.simulate(
        made, paths=32, backend=backend, seed=SEED, record=["factor:x"], variance_reduction="quasi"
    )
    alone = gs.simulate(
        mover(), paths=32, backend=backend, seed=SEED, record=["factor:x"], variance_reduction="quasi"
    )
    assert np.isfinite(steps(run)).all()
    assert steps(run).std() > 0.5
    assert not bits.same_bits(steps(run), steps(alone)[:, :3])


def test_more_paths_begin_with_the_same() -> None:
    few, many = (gs.simulate(a_system(), paths=n, seed=SEED, variance_reduction="quasi") for n in (64, 1024))
    assert bits.same_bits(few.final_cash, many.final_cash[:, :64])


def test_numbers_of_paths_that_lie_unevenly_are_refused() -> None:
    with pytest.raises(gs.InputError, match=r"16 scrambles times a power of two.*8,192 or 16,384"):
        gs.simulate(a_system(), paths=10_000, variance_reduction="quasi")
    with pytest.raises(gs.InputError, match=r"Give 16 or 32"):
        gs.simulate(a_system(), paths=1, variance_reduction="quasi")
    assert gs.simulate(a_system(), variance_reduction="quasi").paths == 1 << 14


def test_a_path_that_no_run_has_is_not_replayed() -> None:
    last = 16 * (1 << 22) - 1
    gs.replay(a_system(), path=last, scenario="calm", variance_reduction="quasi")
    with pytest.raises(gs.InputError, match=r"path.*no path of 16 scrambles.*0 to 67,108,863"):
        gs.replay(a_system(), path=last + 1, scenario="calm", variance_reduction="quasi")


@pytest.mark.parametrize("scrambles", [1, 3, 2048, "many"])
def test_numbers_of_scrambles_that_are_none_are_refused(scrambles: Any) -> None:
    with pytest.raises(gs.InputError, match="power of two"):
        QuasiMonteCarlo(scrambles)


# Importance sampling


def weight_of(log_ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 / 8.0 + 7.0 / 8.0 * np.exp(log_ratio))


def test_drifting_normals_weigh_what_the_text_says(backend: str) -> None:
    made = mover()
    program, drift = compile_program(made, made.scenarios), np.linspace(-1.0, 0.5, 7)
    tilt = Tilt(drift[None, None], np.ones((1, 1)))
    outcome = get_backend(backend).simulate(
        program, Block(SEED, 3, 20, drawing=Drawing(tilt=tilt)), (Series("factor", 0),)
    )
    z = np.diff(outcome.series[0, :, 0], axis=1, prepend=0.0)
    path = np.arange(3, 23)
    plain = np.array(
        [np.concatenate([ndtri(uniforms(SEED, "x", p, b, 0)) for b in range(2)])[:7] for p in path]
    )
    np.testing.assert_allclose(z, plain + drift * (path % 8 != 0)[:, None], atol=1e-6)
    log_ratio = (z * drift - drift**2 / 2.0).sum(axis=1)
    np.testing.assert_allclose(outcome.weight[0, :, 0], weight_of(log_ratio), rtol=1e-6)


def test_twisted_thresholds_weigh_what_was_looked_at(backend: str) -> None:
    """Who is hit: by its threshold; who lives: by its gathered hazard; who fails otherwise: by that until then."""
    hazard, twist, periods = 0.1, 3.0, 5
    hosts = [
        entity("host", 1.0, hazard=hazard),
        entity("poor", 2.5, hazard=hazard),
        entity("imposed", hazard=hazard),
    ]
    made = build.small(periods=periods, entities=hosts, flows=[flow("rent", "poor", None, 1.0)],
                       scenarios=build.scenario("base", ("entity.imposed.fail_at", "set", 3)))  # fmt: skip
    program = compile_program(made, made.scenarios)
    tilt = Tilt(np.zeros((1, 0, periods)), np.full((1, 3), twist))
    outcome = get_backend(backend).simulate(program, Block(SEED, 0, 80, drawing=Drawing(tilt=tilt)))
    tilted = np.arange(80) % 8 != 0
    log_ratio = np.zeros(80)
    for i, name in enumerate(("host", "poor", "imposed")):
        u = np.array([uniforms(SEED, name, path, 0, 1)[0] for path in range(80)])
        threshold = -np.log(u) / np.where(tilted, twist, 1.0)
        looked_at = (
            hazard * np.array([periods, 3, 3])[i]
        )  # poor is short in period 2, after the look at credit
        hit = threshold <= looked_at
        assert (hit == (outcome.cause[0, :, i] == CAUSES.index("credit"))).all()
        assert 5 < hit.sum() < 75
        log_ratio += np.where(hit, np.log(twist) - (twist - 1.0) * threshold, -(twist - 1.0) * looked_at)
    np.testing.assert_allclose(outcome.weight[0, :, 0], weight_of(log_ratio), rtol=1e-9)


def test_a_rare_credit_event_has_its_probability() -> None:
    made = build.small(periods=10, entities=[entity("host", 1.0, hazard=1e-4)])
    run = gs.simulate(made, paths=4096, seed=SEED, variance_reduction="importance:host")
    row = run.failures().to_pylist()[0]
    truth = -np.expm1(-1e-3)
    assert abs(row["probability"] - truth) < 4.0 * row["standard_error"]
    assert row["standard_error"] ** 2 * 100.0 < truth / 4096


def test_a_rare_shortage_has_its_probability() -> None:
    """Revenue follows a factor of one period: short where it lies below a quantile that is known."""
    p = 1e-4
    factor = {"name": "x", "process": "gbm", "initial": 1.0, "volatility": 1.0, "drift": 0.5}
    made = build.small(
        entities=[entity("lab", 0.0)],
        factors=[factor],
        flows=[
            flow("sales", None, "lab", 1.0, "revenue"),
            flow("rent", "lab", None, float(np.exp(ndtri(p)))),
        ],
        sensitivities=[{"target": "sales", "factor": "x", "elasticity": 1.0}],
    )
    way = gs.ImportanceSampling("lab", "liquidity", pilot_paths=1024)
    run = gs.simulate(made, paths=4096, seed=SEED, variance_reduction=way)
    row = run.failures().to_pylist()[0]
    assert abs(row["probability"] - p) < 4.0 * row["standard_error"]
    assert row["standard_error"] ** 2 * 300.0 < p / 4096


def test_no_path_weighs_more_than_its_group_and_all_weigh_one_on_average() -> None:
    run = gs.simulate(a_system(), paths=1 << 15, seed=SEED, variance_reduction=WAYS[2])
    assert run.weights is not None
    assert run.weights.max() <= 8.0
    groups = run.weights.reshape(2, -1, 8).mean(axis=2)
    assert (np.abs(groups.mean(axis=1) - 1.0) < 4.0 * groups.std(axis=1) / np.sqrt(1 << 12)).all()
    assert (run.weights.std(axis=1) > 0.3).all()


def test_a_failure_that_cannot_be_changes_nothing() -> None:
    made = build.small(periods=3, entities=[entity("safe", 1.0)])
    run = gs.simulate(made, paths=16, variance_reduction="importance:safe")
    assert run.weights is not None
    assert (run.weights == 1.0).all()
    nobody = gs.simulate(a_system(), paths=16, effects="none", variance_reduction=WAYS[2])
    assert nobody.failures()["probability"].to_pylist() == [0.0] * 30


def test_the_pilot_of_a_scenario_is_its_own() -> None:
    """So that a replay of one scenario alone, and a network of it, are of the same paths."""
    made = a_system()
    both = gs.simulate(made, paths=64, seed=SEED, variance_reduction=WAYS[2])
    storm = made.scenarios.filter(pc.equal(made.scenarios["scenario"], "storm"))
    alone = gs.simulate(made, storm, paths=64, seed=SEED, variance_reduction=WAYS[2])
    assert both.weights is not None
    assert alone.weights is not None
    assert bits.same_bits(both.weights[1:], alone.weights)


def test_faults_in_what_is_asked_of_importance_sampling_are_told() -> None:
    made = a_system()
    for way, message in (
        (gs.ImportanceSampling("lap"), r"failure.*no entity.*lab"),
        ("importance:", r"no way to reduce variance"),
        ("importance", r"no way to reduce variance"),
    ):
        with pytest.raises(gs.InputError, match=message):
            gs.simulate(made, paths=16, variance_reduction=way)
    with pytest.raises(gs.InputError, match=r"no multiple of 8.*Give 8 or 16"):
        gs.simulate(made, paths=9, variance_reduction="importance:lab")
    with pytest.raises(gs.InputError, match=r"cause.*liquidty.*liquidity"):
        gs.ImportanceSampling("lab", "liquidty")
    with pytest.raises(gs.InputError, match=r"pilot_paths.*multiple of 8"):
        gs.ImportanceSampling("lab", pilot_paths=100)
    names: Any = np.array(["lab", "cloud"])
    with pytest.raises(gs.InputError, match=r"failure.*no name of an entity"):
        gs.ImportanceSampling(names)
    with pytest.raises(gs.InputError, match=r"cause.*no cause that may be rare"):
        gs.ImportanceSampling("lab", names)
    own = {"path": np.repeat(np.arange(8), 6), "period": np.tile(np.arange(6), 8), "demand": np.ones(48)}
    with pytest.raises(gs.InputError, match=r"factor paths of one's own"):
        gs.simulate(made, paths=8, factors=own, variance_reduction="importance:lab")


def test_what_happens_in_two_runs_has_no_weight() -> None:
    run = gs.simulate(
        a_system(), paths=64, effects=["first_round", "full"], variance_reduction=WAYS[2], record=["cash:lab"]
    )
    table = run.contagion().to_pylist()
    assert all(row["added"] is None and row["spared"] is None for row in table)
    shares = {(row["scenario"], row["entity"]): row["probability"] for row in run.failures().to_pylist()
              if row["cause"] == "any"}  # fmt: skip
    for row in table:
        assert row["full"] == shares[f"{row['scenario']}/full", row["entity"]]
        assert row["first_round"] == shares[f"{row['scenario']}/first_round", row["entity"]]
        assert row["difference"] == row["full"] - row["first_round"]
    told = summarise(run)["runs"][1]["entities"][0]["contagion"]
    assert told["difference"]["value"] == table[0]["difference"]
    assert summarise(run)["variance_reduction"]["failure"] == "lab"


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
def test_what_contagion_adds_is_unbiased_and_its_error_honest(way: VarianceReduction) -> None:
    """Against plain paths, for the host, which fails by its own hazard and by the lab's."""
    made, effects, seeds = a_system(hazard=0.6), ["first_round", "full"], 40

    def added(seed: int, paths: int, way: VarianceReduction | None) -> tuple[float, float]:
        run = gs.simulate(made, paths=paths, seed=seed, effects=effects, variance_reduction=way)
        rows = {(row["scenario"], row["entity"]): row for row in run.contagion().to_pylist()}
        return rows["calm", "host"]["difference"], rows["calm", "host"]["standard_error"]

    truth, own = added(1, 1 << 15, None)
    assert truth > 20.0 * own
    found = np.array([added(2000 + seed, 512, way) for seed in range(seeds)])
    spread = found[:, 0].std(ddof=1)
    assert abs(found[:, 0].mean() - truth) < 4.0 * np.hypot(own, spread / np.sqrt(seeds))
    assert 0.6 < spread / np.sqrt(np.mean(found[:, 1] ** 2)) < 1.45


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_errors_are_honest(way: VarianceReduction) -> None:
    """The spread of estimates over seeds is what each claims of itself, on average over the squares."""
    made, seeds = a_system(), 40
    found = np.array([
        figures(gs.simulate(made, paths=1024, seed=1000 + seed, variance_reduction=way), curve=False)
        for seed in range(seeds)
    ])  # fmt: skip
    spread = found[:, :, 0].std(axis=0, ddof=1)
    claimed = np.sqrt(np.nanmean(found[:, :, 1] ** 2, axis=0))
    smooth = np.array([name.startswith("mean") for name in names(made)]) & (spread > 0.0)
    ratio = spread[smooth] / claimed[smooth]
    assert smooth.sum() == 16
    # A standard deviation from 40 values is known to 11 %: four times that.
    assert (ratio > 0.6).all(), ratio
    assert (ratio < 1.45).all(), ratio
    assert 0.9 < np.median(ratio) < 1.1


def figures(run: gs.Result, curve: bool = True) -> list[tuple[float, float]]:
    """Every estimate that a result and the risk measures give: value and standard error."""
    return [(value, error) for _, value, error in named_figures(run, curve)]


def names(made: gs.System) -> list[str]:
    return [name for name, _, _ in named_figures(gs.simulate(made, paths=64), curve=False)]


def named_figures(run: gs.Result, curve: bool) -> list[tuple[str, float, float]]:
    found = [("mean", row["probability"], row["standard_error"]) for row in run.failures().to_pylist()]
    if curve:
        found += [
            ("mean", row["probability"], row["standard_error"]) for row in run.failure_curve().to_pylist()
        ]
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


@pytest.mark.parametrize(
    "way",
    [gs.QuasiMonteCarlo(np.int64(8)), gs.ImportanceSampling("lab", pilot_paths=np.int64(64))],  # type: ignore[arg-type]
    ids=lambda way: way.scheme,
)
def test_settings_of_numpys_integers_are_stored(way: VarianceReduction, tmp_path: Path) -> None:
    gs.simulate(a_system(), paths=64, seed=SEED, variance_reduction=way).write(tmp_path / "out")
    assert gs.read_result(tmp_path / "out").variance_reduction == way


def sign_again(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest that fits the files beside it: whoever changes a result can do that too."""
    del manifest[CHECKSUM]
    manifest["files"] = {name: file_checksum(folder / name) for name in manifest["files"]}
    (folder / MANIFEST).write_text(signed_json(manifest))


@pytest.mark.parametrize(
    ("reduction", "message"),
    [
        (None, "does not fit the format's version"),
        ({"scheme": "antithetic"}, "weights of the paths do not fit how they were drawn"),
        ({"scheme": "importance", "failure": "nobody"}, "failure is of no entity"),
        ({"scheme": "quasi", "scrambles": 4, "failure": "lab"}, "does not fit the files beside it"),
    ],
)
def test_a_stored_run_that_says_it_was_drawn_otherwise_is_refused(
    reduction: Any, message: str, tmp_path: Path
) -> None:
    gs.simulate(a_system(), paths=64, variance_reduction="importance:lab").write(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    sign_again(tmp_path, manifest | {"variance_reduction": reduction})
    with pytest.raises(gs.InputError, match=message):
        gs.read_result(tmp_path)


def test_a_stored_run_without_its_weights_is_refused(tmp_path: Path) -> None:
    gs.simulate(a_system(), paths=64, variance_reduction="importance:lab").write(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    del manifest["files"]["weights.parquet"]
    sign_again(tmp_path, manifest)
    with pytest.raises(gs.InputError, match="weights of the paths do not fit how they were drawn"):
        gs.read_result(tmp_path)


@pytest.mark.parametrize("weight", [np.nan, -1.0, np.inf, 9.0])
def test_stored_weights_that_are_none_are_refused(weight: float, tmp_path: Path) -> None:
    gs.simulate(a_system(), paths=64, variance_reduction="importance:lab").write(tmp_path)
    file = tmp_path / "weights.parquet"
    table = pq.read_table(file)
    place = table.schema.get_field_index("weight")
    changed = table["weight"].to_numpy().copy()
    changed[5] = weight
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(changed)), file)
    sign_again(tmp_path, json.loads((tmp_path / MANIFEST).read_text()))
    with pytest.raises(gs.InputError, match=r"weights.parquet.*no weight, 0 to 8"):
        gs.read_result(tmp_path)


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


def test_a_report_refuses_such_a_run_before_it_searches() -> None:
    run = gs.simulate(a_system(), paths=64, seed=SEED, variance_reduction="importance:lab")
    said: list[str] = []
    with pytest.raises(gs.InputError, match="the report needs independent paths"):
        find(run, tell=said.append)
    assert said == []


@pytest.mark.parametrize("way", [None, *WAYS], ids=lambda way: way.scheme if way else "plain")
def test_a_run_replays_its_own_paths(way: VarianceReduction | None) -> None:
    effects = ["first_round", "full"]
    run = gs.simulate(a_system(), paths=64, seed=SEED, effects=effects, variance_reduction=way)
    for place, name in enumerate(run.scenarios):
        told = run.replay(9, name)
        assert (told.scenario, told.path, told.seed) == (name, 9, SEED)
        totals = told.measures["value"].to_numpy().sum()
        assert totals == pytest.approx(run.measures["margin"].total[place, 9], rel=1e-12)
        failed = {row["entity"]: row["period"] for row in told.events.to_pylist()}
        assert [failed.get(entity, run.periods) for entity in run.entities] == run.failed_at[
            place, 9
        ].tolist()
    assert run.replay(9, "storm").scenario == "storm/full"
    assert run.replay(9).scenario == "calm/full"
    elsewhere = replace(run, backend="cupy")  # stored where there was a GPU
    assert elsewhere.replay(9, "storm").events == run.replay(9, "storm").events


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ((64,), "path"),
        ((-1,), "path"),
        ((True,), "path"),
        ((0, "rain"), "scenario"),
        ((0, "storm/none"), "scenario"),
    ],
)
def test_a_run_replays_no_other_path(asked: tuple[Any, ...], named: str) -> None:
    run = gs.simulate(a_system(), paths=64)
    with pytest.raises(gs.InputError, match=f"`{named}`: is no"):
        run.replay(*asked)
    own = {"path": np.repeat(np.arange(64), 6), "period": np.tile(np.arange(6), 64), "demand": np.ones(384)}
    with pytest.raises(gs.InputError, match="`factors`: are not the factor paths of the run"):
        run.replay(0, factors=own)


def test_a_path_without_its_twin_is_refused() -> None:
    with pytest.raises(gs.InputError, match=r"paths.*twin \(value 7\). Give 6 or 8"):
        gs.simulate(a_system(), paths=7, variance_reduction="antithetic")


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(gs.InputError, match=r"variance_reduction.*no way.*'anti'.*antithetic, quasi or"):
        gs.simulate(a_system(), paths=8, variance_reduction="anti")
    several: Any = np.array(["antithetic", "quasi"])
    with pytest.raises(gs.InputError, match=r"variance_reduction.*no way"):
        gs.simulate(a_system(), paths=8, variance_reduction=several)


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
    _, shown, _ = call("run", tmp_path / "system", "--paths", 64, "--variance-reduction", "importance:lab")
    assert "drawn by importance of lab" in " ".join(shown.split())


def drawing_of(way: VarianceReduction, made: gs.System) -> Drawing:
    """As of a run; of importance sampling one that tilts everything, not only what the pilot found worth it."""
    if isinstance(way, ImportanceSampling):
        drift = np.linspace(-0.8, 0.6, 2 * 2 * 6).reshape(2, 2, 6)
        return Drawing(tilt=Tilt(drift, np.array([[1.0, 2.5, 1.0], [1.0, 0.6, 1.0]])))
    return way.drawing(prepare(made, None, "full", None), SEED, 1024, get_backend("numpy"))
