"""The columns of what is kept of a sweep's shard."""

from __future__ import annotations

from typing import Final

from ..result_columns import ResultColumn, ResultSchema

_RUN = ResultColumn("scenario", "category", "the run, as in `failures`")
_ENTITY = ResultColumn("entity", "category", "an entity")
_PATHS = ResultColumn("paths", "int64", "on how many paths of the shard")
_BUCKET = ResultColumn("bucket", "int32", "a bucket of the sketch, below 0 for negative values")
_FIRST_PATH = ResultColumn("first_path", "int64", "number of the shard's first path")
_SUBJECT = ResultColumn("subject", "category", "measure:NAME, entity:NAME, book:NAME or series:NAME")
_FIGURE = ResultColumn(
    "figure", "category", "total, npv or trough; lowest_liquidity or final_cash; loss; value (of a series)"
)
_PERIOD = ResultColumn("period", "int16", "of a series; else null")

_SHARD_TABLES: Final = (
    ResultSchema(
        "runs",
        "The shard itself: a row for each run.",
        (
            _RUN,
            _FIRST_PATH,
            ResultColumn("paths", "int64", "how many paths the shard has"),
            ResultColumn("exact_finishes", "int64", "path-periods whose settlement was finished exactly"),
        ),
        coordinates=False,
    ),
    ResultSchema(
        "failures",
        "Who failed: a row for each run, entity, cause and period with a failure.",
        (
            _RUN,
            _ENTITY,
            ResultColumn("cause", "category", "credit, liquidity, solvency or imposed"),
            ResultColumn("period", "int16", "of the failure"),
            _PATHS,
        ),
        coordinates=False,
    ),
    ResultSchema(
        "contagion",
        "Who failed under one of two effects alone: a row for each run with effects full whose scenario ran with "
        "first_round too, and each entity.",
        (
            _RUN,
            _ENTITY,
            ResultColumn("added", "int64", "paths on which it fails only with all effects"),
            ResultColumn("spared", "int64", "paths on which it fails only when judged alone"),
        ),
        coordinates=False,
    ),
    ResultSchema(
        "payback",
        "When measures pay back: a row for each run, measure and period with a path.",
        (
            _RUN,
            ResultColumn("measure", "category", "a measure"),
            ResultColumn("period", "int16", "of the payback; the number of periods: never"),
            _PATHS,
        ),
        coordinates=False,
    ),
    ResultSchema(
        "moments",
        "Means and spreads: a row for each run, subject, figure and period.",
        (
            _RUN,
            _FIRST_PATH,
            _SUBJECT,
            _FIGURE,
            _PERIOD,
            ResultColumn("paths", "int64", "how many values there are"),
            ResultColumn("mean", "float", "of them"),
            ResultColumn("squares", "float", "sum of the squared differences from the mean"),
            ResultColumn("least", "float", "of them"),
            ResultColumn("largest", "float", "of them"),
        ),
        coordinates=False,
    ),
    ResultSchema(
        "sketches",
        "Distributions: a row for each run, subject, figure, period and bucket with a value; not of entities.",
        (_RUN, _SUBJECT, _FIGURE, _PERIOD, _BUCKET, _PATHS),
        coordinates=False,
    ),
    ResultSchema(
        "losses",
        "Distributions of losses: a row for each run, book and bucket with a path.",
        (
            _RUN,
            ResultColumn("book", "category", "a book"),
            _BUCKET,
            _PATHS,
            ResultColumn(
                "excess_high", "int64",
                "what the losses have beyond the bucket's edge nearest to 0, summed exactly: in units of 2^22 of a "
                "loss's last place",
            ),
            ResultColumn("excess_low", "int64", "the rest of it, in units of a loss's last place"),
        ),
        coordinates=False,
    ),
)  # fmt: skip

SHARD_SCHEMAS: Final[dict[str, ResultSchema]] = {schema.name: schema for schema in _SHARD_TABLES}

SHARDS: Final = """\
# What is kept of a shard

A sweep with `keep="summary"` keeps of each shard (a range of paths under some scenarios) the tables below, and
makes its own of all shards together. Counts are exact. The tables do not depend on how many paths were computed at
once.

- **Means and standard errors** come from moments over units of 4,096 paths, counted from the shard's first, which
  are merged in the order of the paths (Chan, Golub and LeVeque 1979): n = n1 + n2, d = m2 - m1, m = m1 + d n2 / n,
  and for the sums of squared differences q = q1 + q2 + d^2 n1 n2 / n. The standard error is sqrt(q / (n - 1)) /
  sqrt(n).
- **Quantiles** come from sketches with 256 buckets between a power of two and the next, for each sign, as
  DDSketch's (Masson, Rim and Lee 2019). A bucket b > 0 holds the values from the double with the bits b * 2^44 up
  to that with the bits (b + 1) * 2^44, a bucket b < 0 the same with a minus; bucket 0 what is nearer to 0 than
  2^-1030. The quantile is the middle of its bucket, less what lies beyond the least and the largest value. So it is
  off by at most 2^-9 of itself (0.2 percent), and `sketch_error` says by how much at most. Its standard error is
  Woodruff's (1952), with the values of a bucket spread evenly over it.
- **Expected shortfall** is exact but for the bucket of the value at risk, for the losses of a bucket have their
  exact sum. Of the m worst of n losses in that bucket, with sum s, between l and h, the sum lies between m s / n
  and the lesser of m h and s - (n - m) l: the value is the middle, `sketch_error` half of the difference, over (1 -
  level) P. The standard error is that of `gs.expected_shortfall`, with the most spread inside of a bucket that its
  mean m allows, (h - m)(m - l).
"""
