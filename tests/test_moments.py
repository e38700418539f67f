"""Moments: exact where there is no spread, accurate where the mean is far greater than the spread."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gpustress.sampling import mean_with_error
from gpustress.sweeps.moments import Moments

AMOUNTS = st.floats(-1e15, 1e15)


def of(rows):
    return Moments.of(rows, np.empty_like(rows))


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=AMOUNTS), st.data())
def test_moments_merged_are_those_of_all(rows, data):
    cut = data.draw(st.integers(0, rows.shape[1]))
    merged = Moments.none(len(rows))
    for part in (rows[:, :cut], rows[:, cut:]):
        if part.shape[1]:
            merged = merged.merged(of(part))
    largest = np.abs(rows).max()
    for i, row in enumerate(rows):
        exact = [Fraction(value) for value in row]
        mean = sum(exact) / len(exact)
        squares = float(sum((value - mean) ** 2 for value in exact))
        assert merged.count[i] == len(exact)
        assert merged.mean[i] == pytest.approx(float(mean), abs=1e-15 * largest)
        assert merged.squares[i] == pytest.approx(squares, rel=1e-12, abs=1e-26 * len(exact) * largest**2)
        assert (merged.least[i], merged.largest[i]) == (row.min(), row.max())


@given(AMOUNTS, st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_figures_without_spread_are_exact(value, counts):
    merged = Moments.none(1)
    for count in counts:
        merged = merged.merged(of(np.full((1, count), value)))
    assert (merged.mean[0], merged.squares[0]) == (value, 0.0)


def test_the_spread_of_what_hardly_varies_is_not_lost():
    values = 1e12 + np.random.default_rng(0).normal(size=(1, 5000))
    parts = [of(values[:, start : start + 1000]) for start in range(0, 5000, 1000)]
    merged = Moments.none(1)
    for part in parts:
        merged = merged.merged(part)
    _, error = mean_with_error(values[0])
    assert merged.standard_errors()[0] == pytest.approx(error, rel=1e-6)


def test_too_few_values_are_known():
    none, one = Moments.none(1), of(np.array([[3.0]]))
    assert np.isnan(none.means()).all()
    assert np.isnan(none.standard_errors()).all()
    assert one.means()[0] == 3.0
    assert np.isnan(one.standard_errors()).all()


def test_huge_values_have_a_mean_and_an_infinite_spread():
    moments = of(np.array([[1e300, -1e300, 2e300]]))
    assert moments.means()[0] == pytest.approx(2e300 / 3)
    assert moments.standard_errors()[0] == np.inf
