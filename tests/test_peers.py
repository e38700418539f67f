"""The loops that the bench measures the library by do the same job."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import pytest

from bench.peers import peers
from bench.peers.draws import library_draws
from bench.reference import SEED, reference_system
from gpustress.backends import get_backend
from gpustress.backends.base import Outcome
from gpustress.job import Job, prepare
from needs import require

PATHS = 500  # no whole number of batches
AMOUNTS = 1e-9  # relative to the largest of its kind on the path


@cache
def reference_job() -> Job:
    return prepare(reference_system(), None, "full", None)


@cache
def reference_outcome() -> Outcome:
    job = reference_job()
    return get_backend("numpy").simulate(job.program, job.block(SEED, 0, PATHS))


@cache
def replayed(name: str) -> Outcome:
    job = reference_job()
    return peers(job.program, threads=2)[name].replay(library_draws(job.program, SEED, PATHS))


@pytest.fixture(params=["numba", "jax"])
def peer(request: pytest.FixtureRequest) -> str:
    require(request.param, importlib.util.find_spec(request.param), "install the bench extra")
    return str(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("figure", ["failed_at", "cause", "payback"])
def test_a_peer_decides_as_the_reference_does_on_the_same_draws(peer: str, figure: str) -> None:
    np.testing.assert_array_equal(getattr(replayed(peer), figure), getattr(reference_outcome(), figure))


@pytest.mark.slow
@pytest.mark.parametrize("figure", ["lowest_liquidity", "final_cash", "total", "npv", "trough"])
def test_a_peer_gives_the_amounts_of_the_reference_on_the_same_draws(peer: str, figure: str) -> None:
    expected = getattr(reference_outcome(), figure)
    scale = np.abs(expected).max(axis=-1, keepdims=True)
    assert (np.abs(getattr(replayed(peer), figure) - expected) <= AMOUNTS * scale).all()


@pytest.mark.slow
def test_a_peer_draws_from_the_same_distributions(peer: str) -> None:
    """How often each entity fails, and of what, on draws of the peer's own: no further off than chance."""
    job, paths = reference_job(), 4096
    own = peers(job.program, threads=2)[peer].run(paths, SEED)
    ours = get_backend("auto").simulate(job.program, job.block(SEED, 0, paths))
    for cause in range(4):
        one, other = (np.mean(outcome.cause[0] == cause, axis=0) for outcome in (own, ours))
        deviation = np.sqrt((one * (1.0 - one) + other * (1.0 - other)) / paths)
        assert (np.abs(one - other) <= 5.0 * deviation + 5.0 / paths).all()
