"""The columns of every table that a result gives or stores, and docs/results.md, which has those of all tables."""

from __future__ import annotations

import sys
from typing import Final

from .answers.schema import ANSWER_SCHEMAS
from .networks.result_schema import NETWORK_SCHEMAS
from .result_columns import ResultColumn, ResultSchema
from .sweeps.schema import SHARD_SCHEMAS, SHARDS, SWEEP_SCHEMAS

RESULT_SCHEMA_VERSION: Final = 1  # rises when a column is added, renamed or changes its meaning

_SCENARIO = ResultColumn(
    "scenario", "string", "the run: a scenario's name, or NAME/EFFECTS where several effects ran"
)
_BASE = ResultColumn("scenario", "string", "a scenario of which both effects ran")
_ENTITY = ResultColumn("entity", "string", "an entity")
_ERROR = ResultColumn("standard_error", "float", "of the value; null where one path cannot tell")
_STORED_SCENARIO = ResultColumn("scenario", "category", _SCENARIO.doc)
_PATH = ResultColumn("path", "int64", "the path's number, from 0")

_TABLES: Final = (
    ResultSchema(
        "failures",
        "Who fails, and of what: a row for each run, entity and cause (`any` first).",
        (
            _SCENARIO,
            _ENTITY,
            ResultColumn("cause", "string", "any, credit, liquidity, solvency or imposed"),
            ResultColumn(
                "probability", "float", "share of paths on which it fails of that cause by the last period"
            ),
            _ERROR,
            ResultColumn("mean_period", "float", "mean period of those failures; null where there is none"),
        ),
    ),
    ResultSchema(
        "failure_curve",
        "By when: a row for each run, entity and period.",
        (
            _SCENARIO,
            _ENTITY,
            ResultColumn("period", "int64", "a period"),
            ResultColumn(
                "probability", "float", "share of paths on which it has failed by the end of that period"
            ),
            _ERROR,
        ),
    ),
    ResultSchema(
        "measure_summary",
        "The measures: a row for each run, measure, figure and statistic.",
        (
            _SCENARIO,
            ResultColumn("measure", "string", "a measure"),
            ResultColumn("figure", "string", "total, npv, trough (currency) or payback (periods)"),
            ResultColumn(
                "statistic",
                "string",
                "mean, q05, q25, q50, q75 or q95; of payback also share_never. A quantile is the smallest "
                "value that at least that share of paths stays at or below. A payback quantile equal to the "
                "number of periods means never; the mean of payback is over the paths that pay back",
            ),
            ResultColumn("value", "float", "currency, periods or a share; null where no path pays back"),
            _ERROR,
        ),
    ),
    ResultSchema(
        "contagion",
        "What contagion adds: a row for each scenario that ran with first_round and full, and each entity.",
        (
            _BASE,
            _ENTITY,
            ResultColumn("first_round", "float", "probability of failing when judged alone"),
            ResultColumn("full", "float", "probability of failing with all effects"),
            ResultColumn(
                "difference", "float", "full - first_round; net, for contagion can also spare someone"
            ),
            ResultColumn("standard_error", "float", "of the difference, paired over the same paths"),
            ResultColumn("added", "float", "share of paths on which it fails only with all effects"),
            ResultColumn("spared", "float", "share of paths on which it fails only when judged alone"),
        ),
    ),
    ResultSchema(
        "failure_links",
        "Who takes whom along: a row for each scenario that ran with first_round and full, and each pair.",
        (
            _SCENARIO,
            ResultColumn("source", "string", "a counterparty that has failed by then"),
            ResultColumn("target", "string", "an entity that fails only with all effects"),
            ResultColumn("probability", "float", "share of paths on which that happens"),
            _ERROR,
        ),
    ),
    ResultSchema(
        "contributions",
        "Who makes the tail of a book: a row for each run and position; they sum to the expected shortfall.",
        (
            _SCENARIO,
            ResultColumn("position", "string", "the position's name"),
            _ENTITY,
            ResultColumn("contribution", "float", "the position's mean loss in the tail, currency"),
            _ERROR,
            ResultColumn("share", "float", "of the expected shortfall; null where that is 0"),
        ),
    ),
    ResultSchema(
        "entity_contributions",
        "The same by entity: a row for each run and entity.",
        (
            _SCENARIO,
            _ENTITY,
            ResultColumn(
                "contribution", "float", "mean loss in the tail by the entity's own failure, currency"
            ),
            _ERROR,
            ResultColumn("share", "float", "of the expected shortfall; null where that is 0"),
            ResultColumn(
                "started",
                "float",
                "mean loss in the tail on the paths on which it is the first to fail; of several, equal parts",
            ),
            ResultColumn("started_error", "float", "standard error of that"),
            ResultColumn("started_share", "float", "of the expected shortfall; null where that is 0"),
        ),
    ),
    ResultSchema(
        "flow_contributions",
        "Who makes the low end of a measure: a row for each run and flow of the measure.",
        (
            _SCENARIO,
            ResultColumn("flow", "string", "a flow of the measure"),
            ResultColumn("contribution", "float", "its mean on the worst paths, times its weight, currency"),
            _ERROR,
            ResultColumn("mean", "float", "the same on all paths"),
            ResultColumn("mean_error", "float", "standard error of that"),
        ),
    ),
    ResultSchema(
        "control_variate",
        "Means that the run without effects controls: a row for each scenario and measure.",
        (
            _SCENARIO,
            ResultColumn("measure", "string", "a measure"),
            ResultColumn("value", "float", "the mean of its figure, controlled, currency"),
            _ERROR,
            ResultColumn("plain", "float", "the mean without the control"),
            ResultColumn("plain_error", "float", "standard error of that"),
            ResultColumn("beta", "float", "what the control's deviation counts"),
            ResultColumn(
                "variance_ratio",
                "float",
                "the plain mean's variance over the value's; null where nothing varies",
            ),
        ),
    ),
    ResultSchema(
        "cascade_starts",
        "Who fails first: a row for each run and entity.",
        (
            _SCENARIO,
            _ENTITY,
            ResultColumn(
                "probability", "float", "share of paths on which it is the first to fail, or one of them"
            ),
            _ERROR,
            ResultColumn(
                "share",
                "float",
                "of the paths with a failure, those that start together having equal parts; null where nobody fails",
            ),
            ResultColumn(
                "mean_followers", "float", "how many fail later on those paths; null where there is none"
            ),
            ResultColumn("followers_error", "float", "standard error of that mean"),
        ),
    ),
    ResultSchema(
        "cascade_followers",
        "What follows: a row for each run, each entity that fails first on some path, and each other.",
        (
            _SCENARIO,
            ResultColumn("starter", "string", "who fails first"),
            ResultColumn("entity", "string", "another entity"),
            ResultColumn("probability", "float", "of failing later on the paths that the starter starts"),
            _ERROR,
            ResultColumn(
                "otherwise", "float", "probability of failing on all other paths; null where there is none"
            ),
            ResultColumn(
                "contagion",
                "float",
                "the part of the probability in which it does not fail when judged alone; null where first_round "
                "was not run",
            ),
        ),
    ),
    ResultSchema(
        "contagion_losses",
        "What contagion adds to losses and failures: two rows for each scenario that ran with both effects.",
        (
            _BASE,
            ResultColumn(
                "figure", "string", "mean_loss (of the book, currency) or failures (how many entities)"
            ),
            ResultColumn("first_round", "float", "mean when everybody is judged alone"),
            ResultColumn("full", "float", "mean with all effects"),
            ResultColumn("difference", "float", "full - first_round"),
            ResultColumn("standard_error", "float", "of the difference, paired over the same paths"),
            ResultColumn("share", "float", "difference / full; null where that is 0"),
            ResultColumn("share_error", "float", "standard error of the share"),
        ),
    ),
    ResultSchema(
        "entities",
        "Every entity on every path, in the order of runs, paths, entities.",
        (
            _STORED_SCENARIO,
            _PATH,
            ResultColumn("entity", "category", _ENTITY.doc),
            ResultColumn(
                "failed_at", "int16", "period of the failure; the number of periods where it survives"
            ),
            ResultColumn("cause", "category", "none, credit, liquidity, solvency or imposed"),
            ResultColumn(
                "lowest_liquidity", "float", "least cash + credit line at the end of a period, currency"
            ),
            ResultColumn("final_cash", "float", "cash after the last period, currency"),
        ),
        coordinates=False,
    ),
    ResultSchema(
        "measures",
        "Every measure on every path, in the order of measures, runs, paths.",
        (
            ResultColumn("measure", "category", "a measure"),
            _STORED_SCENARIO,
            _PATH,
            ResultColumn("total", "float", "sum over all periods, currency"),
            ResultColumn("npv", "float", "the sum discounted, currency"),
            ResultColumn("trough", "float", "lowest running total after a period, currency"),
            ResultColumn(
                "payback",
                "int16",
                "first period from which the running total is never negative; the number of periods: never",
            ),
        ),
        coordinates=False,
    ),
    ResultSchema(
        "series",
        "Every series that was asked for by `record`, in the order of series, runs, paths, periods.",
        (
            ResultColumn("series", "category", "what was recorded, e.g. `cash:NAME`"),
            _STORED_SCENARIO,
            _PATH,
            ResultColumn("period", "int16", "a period"),
            ResultColumn("value", "float", "its value in that period"),
        ),
        coordinates=False,
    ),
    ResultSchema(
        "weights",
        "What every path weighs, in the order of runs, paths; stored only for importance sampling.",
        (
            _STORED_SCENARIO,
            _PATH,
            ResultColumn(
                "weight", "float", "in an estimate: how likely the path is, over how likely it was drawn"
            ),
        ),
        coordinates=False,
    ),
    ResultSchema(
        "coordinates",
        "Where each scenario of a grid or sample lies; stored only for those.",
        (ResultColumn("scenario", "string", "a scenario of scenarios.parquet"),),
    ),
)

RESULT_SCHEMAS: Final[dict[str, ResultSchema]] = {
    schema.name: schema for schema in (*_TABLES, *SWEEP_SCHEMAS)
}

STORED: Final = ("entities", "measures", "series")  # one row a path and more; written piece by piece
SUMMARIES: Final = (
    "failures",
    "failure_curve",
    "measure_summary",
)  # methods of a result, stored for who reads files

_INTRODUCTION: Final = f"""\
# Tables of results

Version {RESULT_SCHEMA_VERSION} of the tables that a run gives (`run.failures()`, `run.failure_curve()`,
`run.measure_summary()`, `run.contagion()`, `gs.failure_links(run)`,
`gs.contributions(run, ...)`) and of those that `run.write(folder)`
stores. This page is made from `gpustress/result_schema.py`:
`python -m gpustress.result_schema > docs/results.md` writes it anew.

Where scenarios come from a grid or a sample, the tables marked with a star have one more column for each
address that the grid changes, named by the address (`factor.ai_demand.shift`), with the value it has there;
null where the scenario leaves the address as it is.

Periods count from 0. Amounts are in the system's currency. Every estimate comes with its standard error:
binomial for probabilities, paired for differences of two runs on the same paths, s/sqrt(P) for means, from
order statistics (Woodruff 1952) for quantiles, from the tail's asymptotic variance for contributions.

## A stored result

| file | what |
|---|---|
| `run.json` | the manifest: versions, seed, paths, backend, digests, runs, checksums of all other files |
| `system/` | the system as it was run, a folder that `gs.read_system` reads |
| `scenarios.parquet` | the scenarios as they were run (the input table `scenarios`) |
| `coordinates.parquet` | the scenarios' coordinates, of a grid or sample |
| `entities.parquet`, `measures.parquet`, `series.parquet` | every path |
| `weights.parquet` | what every path weighs, of importance sampling ([variance.md](variance.md)) |
| `failures.parquet`, `failure_curve.parquet`, `measure_summary.parquet` | the estimates |

The manifest is written last and the folder appears whole or not at all. The same run gives the same bytes.
"""


def result_tables_markdown() -> str:
    """Return the reference page of all tables of results, docs/results.md."""
    parts = [_INTRODUCTION]
    parts += [
        _section(schema.name, schema)
        for schema in (*RESULT_SCHEMAS.values(), *ANSWER_SCHEMAS, *NETWORK_SCHEMAS)
    ]
    parts.append(SHARDS)
    parts += [_section(f"Of a shard: {schema.name}", schema) for schema in SHARD_SCHEMAS.values()]
    return "\n".join(parts)


def _section(title: str, schema: ResultSchema) -> str:
    star = " \\*" if schema.coordinates else ""
    rows = "".join(f"| {column.name} | {column.type} | {column.doc} |\n" for column in schema.columns)
    return f"## {title}{star}\n\n{schema.doc}\n\n| column | type | what |\n|---|---|---|\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(result_tables_markdown())
