"""What is kept of a shard: the same bytes whatever the blocks, the same sums whatever the order of the shards."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpustress as gs
from gpustress import Scenarios
from gpustress.backends.base import Outcome
from gpustress.book import read_book
from gpustress.errors import InputError
from gpustress.job import prepare
from gpustress.schema import CAUSES
from gpustress.sweeps import sparse_counts, tally
from gpustress.sweeps.combination import combine
from gpustress.sweeps.schema import SHARD_SCHEMAS
from gpustress.sweeps.sketch import MANTISSA_BITS
from gpustress.sweeps.tally import KINDS, OCTAVES, UNIT, Tally, kept_figures, nbytes
from made import made_system

EFFECTS = ("first_round", "full")
SERIES = ("cash:alpha", "estate")
SYSTEM = made_system()
JOB = prepare(SYSTEM, None, EFFECTS, None)
BOOKS = {
    "own": read_book(SYSTEM),
    "short": read_book(SYSTEM, {"name": ["x", "y"], "entity": ["alpha", "gamma"], "exposure": [-5.1, 7.7]}),
}
NASTY = (0.0, -0.0, 5e-324, -5e-324, 1e-300, -1e150, 1e150, 1e9, -1e9)


def made_outcome(job=JOB, paths=50, series=SERIES, seed=0, nasty=True):
    """Random contents of the right shapes."""
    random = np.random.default_rng(seed)
    made = Outcome.empty(job.program, paths, len(series))
    periods = job.program.periods
    made.failed_at[:] = random.integers(0, periods + 1, made.failed_at.shape)
    made.cause[:] = random.integers(1, len(CAUSES), made.cause.shape)
    made.cause[made.failed_at == periods] = 0
    made.payback[:] = random.integers(0, periods + 1, made.payback.shape)
    made.exact_finishes[:] = random.integers(0, 9, len(job.runs))
    for name in ("lowest_liquidity", "final_cash", "total", "npv", "trough", "series"):
        array = getattr(made, name)
        array[:] = random.normal(size=array.shape) * 10.0 ** random.integers(-3, 9, array.shape)
        if nasty:
            odd = random.random(array.shape) < 0.1
            array[odd] = random.choice(NASTY, odd.sum())
    return made


def part(outcome, start, stop):
    """Some of its paths; the first of them have all exact finishes."""
    arrays = {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}
    paths = {name: array[:, start:stop] for name, array in arrays.items() if array.ndim > 1}
    once = {name: array * (start == 0) for name, array in arrays.items() if array.ndim == 1}
    return Outcome(**paths, **once)


def tables(outcome, cuts=(), first_path=0, job=JOB, books=BOOKS, series=SERIES):
    """Tables of a shard whose blocks end at the cuts."""
    counted = Tally(job, books, first_path, series)
    ends = sorted({0, *cuts, outcome.failed_at.shape[1]})
    for start, stop in pairwise(ends):
        counted.add(part(outcome, start, stop))
    return counted.tables()


def same(one, other):
    return one.keys() == other.keys() and all(as_bytes(one[kind]) == as_bytes(other[kind]) for kind in one)


def as_bytes(table):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def put_together(shards, paths, job=JOB, books=BOOKS, series=SERIES):
    return combine(
        shards, system=job.system, runs=job.runs, coordinates=job.coordinates, paths=paths, books=books,
        series=series,
    )  # fmt: skip


def everything(summary):
    """All that a summary gives, as one text of its bits."""
    given = [summary.failures(), summary.failure_curve(), summary.contagion(), summary.measure_summary(),
             summary.loss_summary(), summary.entity_summary(), summary.series_summary()]  # fmt: skip
    return [as_bytes(table) for table in given] + [summary.exact_finishes.tolist()]


@settings(max_examples=40)
@given(st.integers(1, 70), st.lists(st.integers(1, 69), max_size=8), st.integers(0, 5))
def test_no_size_of_blocks_changes_a_byte(paths, cuts, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "UNIT", 16)
        outcome = made_outcome(paths=paths, seed=seed)
        whole = tables(outcome)
        assert same(whole, tables(outcome, [cut for cut in cuts if cut < paths]))


@pytest.mark.parametrize("cuts", [[1], [UNIT], [UNIT - 1, UNIT + 1], [3000, 6000], [UNIT, 2 * UNIT]])
def test_no_size_of_blocks_changes_a_byte_of_whole_units(cuts):
    outcome = made_outcome(paths=2 * UNIT + 300)
    assert same(tables(outcome), tables(outcome, cuts))


@settings(max_examples=20)
@given(st.data())
def test_no_order_and_no_grouping_of_shards_changes_a_bit(data):
    outcome = made_outcome(paths=60)
    ends = sorted({0, 60, *data.draw(st.lists(st.integers(1, 59), min_size=1, max_size=5))})
    shards = [tables(part(outcome, start, stop), first_path=start) for start, stop in pairwise(ends)]
    expected = everything(put_together(shards, 60))
    shuffled = data.draw(st.permutations(shards))
    cut = data.draw(st.integers(0, len(shards)))
    groups = [group for group in (shuffled[:cut], shuffled[cut:]) if group]
    grouped = [
        {
            kind: pa.concat_tables([shard[kind] for shard in group], promote_options="permissive")
            for kind in KINDS
        }
        for group in groups
    ]
    assert everything(put_together(shuffled, 60)) == expected
    assert everything(put_together(grouped, 60)) == expected


def test_shards_of_single_scenarios_come_to_the_same_as_those_of_all():
    grid = Scenarios.grid({"entity.alpha.cash": [5.0, 10.0]})
    job = prepare(SYSTEM, grid, EFFECTS, None)
    outcome = made_outcome(job, paths=50)
    shards = []
    for name in grid.names:
        one = prepare(
            SYSTEM, grid.table.filter(pa.compute.equal(grid.table["scenario"], name)), EFFECTS, None
        )
        runs = [i for i, run in enumerate(job.runs) if run.scenario == name]
        arrays = {field: getattr(outcome, field)[runs] for field in outcome.__dataclass_fields__}
        shards.append(tables(Outcome(**arrays), job=one))
    whole = everything(put_together([tables(outcome, job=job)], 50, job))
    assert everything(put_together(shards, 50, job)) == whole


def test_rows_of_other_runs_are_passed_over():
    shard = tables(made_outcome())
    alone = prepare(SYSTEM, None, EFFECTS, None)
    summary = combine(
        [shard], system=SYSTEM, runs=alone.runs[1:], coordinates=None, paths=50, books=BOOKS, series=SERIES
    )
    whole = put_together([shard], 50)
    assert np.array_equal(summary.failure_counts[0], whole.failure_counts[1])
    assert summary.measure_summary().equals(whole.measure_summary().slice(len(summary.measure_summary())))


def test_tables_survive_parquet(tmp_path):
    shard = tables(made_outcome())
    read = {}
    for kind, table in shard.items():
        pq.write_table(table, tmp_path / f"{kind}.parquet", compression="zstd")
        read[kind] = pq.read_table(tmp_path / f"{kind}.parquet")
    assert everything(put_together([read], 50)) == everything(put_together([shard], 50))


def test_every_kind_has_its_schema_and_is_always_there():
    plain = prepare(made_system(measures=None), None, "full", None)
    for shard in (tables(made_outcome()), tables(made_outcome(plain, series=()), (), 0, plain, {}, ())):
        assert tuple(shard) == KINDS
        for kind, table in shard.items():
            assert table.schema.equals(SHARD_SCHEMAS[kind].arrow())
            assert table.validate(full=True) is None


def test_a_system_with_nothing_to_measure_is_counted():
    plain = prepare(made_system(measures=None), None, "full", None)
    summary = put_together([tables(made_outcome(plain, series=()), (), 0, plain, {}, ())], 50, plain, {}, ())
    assert summary.measure_summary().num_rows == summary.loss_summary().num_rows == 0
    assert summary.failures().num_rows == 15
    with pytest.raises(InputError, match="first_round"):
        summary.contagion()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(("array", "subject", "figure"), [
    ("final_cash", "entity:", "final_cash"), ("npv", "measure:", "npv"), ("series", "series:", "value"),
])  # fmt: skip
def test_an_amount_that_overflows_is_named(value, array, subject, figure):
    outcome = made_outcome(paths=UNIT + 20)
    getattr(outcome, array)[1, UNIT + 7, 0] = value
    counted = Tally(JOB, BOOKS, 1000, SERIES)
    counted.add(part(outcome, 0, 100))
    counted.add(part(outcome, 100, UNIT + 20))
    with pytest.raises(InputError, match=rf"{subject}.*{figure}.*'base/full', path {1000 + UNIT + 7}"):
        counted.tables()


@pytest.mark.parametrize("given", [[], [0], [1], [0, 0, 1], [0, 1, 1]])
def test_shards_that_are_missing_or_come_twice_are_refused(given):
    outcome = made_outcome()
    shards = [tables(part(outcome, 0, 20)), tables(part(outcome, 20, 50), first_path=20)]
    with pytest.raises(InputError, match="each of them once"):
        put_together([shards[i] for i in given], 50)


def test_shards_of_another_book_or_series_are_refused():
    shard = tables(made_outcome())
    with pytest.raises(InputError, match="short"):
        put_together([shard], 50, books={"own": BOOKS["own"]})
    with pytest.raises(InputError, match="estate"):
        put_together([shard], 50, series=("cash:alpha",))


def test_a_tally_holds_no_more_than_it_says():
    outcome = made_outcome(paths=3 * UNIT, nasty=False)
    tracemalloc.start()
    try:
        tables(outcome, [1000, 5000])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= nbytes(JOB, BOOKS, SERIES)


def test_a_tally_whose_figures_are_spread_as_far_as_it_says_holds_no_more(monkeypatch):
    for module in (tally, sparse_counts):
        monkeypatch.setattr(module, "PENDING", 1 << 10)
    count = OCTAVES << MANTISSA_BITS
    outcome = made_outcome(paths=count, nasty=False)
    bits = (np.int64(1000 << MANTISSA_BITS) + np.arange(count)) << (52 - MANTISSA_BITS)
    spread = bits.view(np.float64) * np.where(np.arange(count) % 2, -1.0, 1.0)
    for name in ("total", "npv", "trough", "series"):
        array = getattr(outcome, name)
        array[:] = np.random.default_rng(1).permutation(spread).reshape(1, -1, *[1] * (array.ndim - 2))
    tracemalloc.start()
    try:
        found = tables(outcome)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    entries = found["sketches"].num_rows
    assert entries == len(JOB.runs) * (3 * 2 + 2 * 8) * count
    assert peak <= nbytes(JOB, BOOKS, SERIES)


def test_figures_are_those_that_are_kept():
    figures = kept_figures(SYSTEM, BOOKS, SERIES)
    assert len(set(figures)) == len(figures) == 3 * 2 + 2 * 8 + 2 + 2 * 3
    assert tables(made_outcome())["moments"].num_rows == 2 * len(figures)


def test_losses_are_those_of_the_book():
    outcome = made_outcome(paths=200)
    summary = put_together([tables(outcome)], 200)
    for run in range(2):
        for book in BOOKS.values():
            table = book.loss_by_entity(SYSTEM.settings, 3, None)
            loss = sum(table[i][outcome.failed_at[run, :, i]] for i in range(3))
            rows = summary.loss_summary([0.9]).to_pylist()
            row = rows[3 * (run * len(BOOKS) + list(BOOKS.values()).index(book)) :][:3]
            assert row[0]["value"] == pytest.approx(loss.mean(), rel=1e-13)
            for found, true in (
                (row[1], gs.value_at_risk(loss, 0.9)),
                (row[2], gs.expected_shortfall(loss, 0.9)),
            ):
                assert abs(found["value"] - float(true)) <= found["sketch_error"] + 1e-12 * abs(
                    found["value"]
                )
