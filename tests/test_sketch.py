"""Sketches: a value's bucket is read off its bits, and what is read from buckets is off by no more than it says."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gpustress import expected_shortfall, value_at_risk
from gpustress.sampling import (
    count_mean_with_error,
    count_quantile_with_error,
    mean_with_error,
    quantile_rank,
    quantile_with_error,
)
from gpustress.sweeps.sketch import (
    MANTISSA_BITS,
    OVERFLOW,
    RELATIVE_ERROR,
    TINIEST,
    LossSketch,
    Sketch,
    bucket_sums,
    buckets,
    edges,
    excess_halves,
)

NASTY = (
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    1e-300,
    1.0,
    np.nextafter(1.0, 0.0),
    -2.0,
    1e9,
    1.7e308,
)
FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(NASTY)
LEVELS = st.sampled_from([0.01, 0.05, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999])
CURRENCY = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 100.0, 100.1, 99.9])


def samples(values=FINITE, most=60):
    return arrays(np.float64, st.integers(1, most), elements=values)


def sketch_of(values):
    found, count = np.unique(buckets(values), return_counts=True)
    return Sketch(found, count, values.min(), values.max())


def loss_sketch_of(values):
    ordered = np.sort(values)
    found, start, count = np.unique(buckets(ordered), return_index=True, return_counts=True)
    high, low = (np.add.reduceat(half, start) for half in excess_halves(ordered))
    return LossSketch(found, count, values.min(), values.max(), bucket_sums(found, count, high, low))


def bucket_by_frexp(value):
    """The same by another way, for numbers that are not subnormal."""
    mantissa, exponent = math.frexp(abs(value))
    place = ((exponent + 1022) << MANTISSA_BITS) + math.floor(Fraction(mantissa) * 2 ** (MANTISSA_BITS + 1))
    place -= 1 << MANTISSA_BITS
    return int(math.copysign(place, value))


@given(FINITE)
def test_a_value_lies_between_the_edges_of_its_bucket(value):
    (bucket,) = buckets(np.array([value]))
    low, high = (float(edge[0]) for edge in edges(np.array([bucket])))
    assert low <= value <= high
    assert abs(bucket) < OVERFLOW
    assert high - low <= max(2 * RELATIVE_ERROR * min(abs(low), abs(high)), 2 * TINIEST)


@given(FINITE.filter(lambda value: abs(value) >= 2.0**-1022))
def test_a_bucket_is_what_exponent_and_leading_bits_say(value):
    assert buckets(np.array([value]))[0] == bucket_by_frexp(value)


@given(FINITE, FINITE)
def test_buckets_are_in_the_order_of_values(one, other):
    first, second = buckets(np.array(sorted((one, other))))
    assert first <= second


def test_both_zeros_share_a_bucket_whose_value_is_zero():
    assert buckets(np.array([0.0, -0.0])).tolist() == [0, 0]
    assert sketch_of(np.array([-1.0, 0.0, 0.0, 0.0, 1.0])).quantile(0.5).value == 0.0


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, -np.nan])
def test_what_is_not_finite_has_no_bucket(value):
    assert abs(buckets(np.array([value]))[0]) >= OVERFLOW


def test_a_bucket_does_not_depend_on_strides():
    values = np.random.default_rng(0).normal(size=(40, 6))
    assert np.array_equal(buckets(values.T), buckets(values).T)


@given(samples(), LEVELS)
def test_a_quantile_is_off_by_no_more_than_it_says(values, level):
    rank, _ = quantile_rank(level, len(values))
    true = np.sort(values)[rank - 1]
    found = sketch_of(values).quantile(level)
    assert abs(Fraction(found.value) - Fraction(true)) <= Fraction(found.sketch_error)
    assert found.sketch_error <= RELATIVE_ERROR * abs(true) + TINIEST


@given(FINITE, st.integers(1, 50), LEVELS)
def test_a_sample_without_spread_has_an_exact_quantile(value, count, level):
    found = sketch_of(np.full(count, value)).quantile(level)
    assert (found.value, found.sketch_error) == (value, 0.0)
    assert found.standard_error == 0.0 or (count == 1 and np.isnan(found.standard_error))


def test_the_standard_error_of_a_quantile_is_that_of_the_sample():
    values = np.random.default_rng(1).lognormal(size=20_000)
    for level in (0.05, 0.5, 0.95):
        true = quantile_with_error(np.sort(values), level)[1]
        assert sketch_of(values).quantile(level).standard_error == pytest.approx(true, rel=0.1)


def test_no_error_of_a_shortfall_is_told_where_no_path_lies_beyond_the_value_at_risk():
    losses = np.random.default_rng(0).lognormal(size=200)
    for count, known in ((20, False), (99, False), (101, True), (200, True)):
        error = loss_sketch_of(losses[:count]).expected_shortfall(0.99).standard_error
        assert np.isfinite(error) == known


def test_a_sketch_of_nothing_knows_nothing():
    empty, none = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
    sketch = LossSketch(empty, none, np.inf, -np.inf, np.empty(0))
    for found in (sketch.quantile(0.5), sketch.expected_shortfall(0.5)):
        assert np.isnan([found.value, found.standard_error, found.sketch_error]).all()


@given(samples(FINITE.filter(lambda value: abs(value) < 1e300)))
def test_sums_of_buckets_are_those_of_their_values(values):
    sketch = loss_sketch_of(values)
    for bucket, total in zip(sketch.bucket, sketch.sums, strict=True):
        members = [Fraction(value) for value in values[buckets(values) == bucket]]
        error = abs(Fraction(total) - sum(members))
        assert error <= sum(map(abs, members)) * Fraction(1e-15) + Fraction(TINIEST) * len(members)


@given(samples(CURRENCY), LEVELS)
def test_an_expected_shortfall_is_off_by_no_more_than_it_says(values, level):
    found, true = loss_sketch_of(values).expected_shortfall(level), float(expected_shortfall(values, level))
    rounding = 1e-13 * np.abs(values).max()
    assert abs(found.value - true) <= found.sketch_error + rounding
    assert found.sketch_error <= RELATIVE_ERROR * np.abs(values).max() + rounding


def test_the_errors_of_risk_measures_are_those_of_the_sample():
    values = np.random.default_rng(2).lognormal(sigma=0.5, size=20_000)
    sketch = loss_sketch_of(values)
    for level in (0.5, 0.95, 0.99):
        tail, at_risk = expected_shortfall(values, level), value_at_risk(values, level)
        found = sketch.expected_shortfall(level)
        assert found.standard_error == pytest.approx(tail.standard_error, rel=0.01)
        assert found.sketch_error < 1e-4 * found.value
        assert sketch.quantile(level).value == pytest.approx(float(at_risk), rel=RELATIVE_ERROR)


def test_a_tail_of_one_atom_is_sure():
    found = loss_sketch_of(np.array([0.0] * 90 + [7.3] * 10)).expected_shortfall(0.95)
    assert found.value == pytest.approx(7.3, rel=1e-15)
    assert (found.standard_error, found.sketch_error) == (0.0, pytest.approx(0.0, abs=1e-14))


@given(arrays(np.int64, st.integers(1, 12), elements=st.integers(0, 5)), LEVELS)
def test_counts_say_what_their_sample_says(counts, level):
    values = np.repeat(np.arange(len(counts)), counts)
    assert count_mean_with_error(counts) == pytest.approx(mean_with_error(values), nan_ok=True)
    assert count_quantile_with_error(counts, level) == pytest.approx(
        quantile_with_error(values, level), nan_ok=True
    )
