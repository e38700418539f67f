"""The columns of every table that a result gives or stores: the truth for code, files and docs/results.md."""

from __future__ import annotations

import sys
from typing import Final

from .result_columns import ResultColumn, ResultSchema
from .sweep_schema import SHARD_SCHEMAS, SHARDS, SWEEP_SCHEMAS

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

_SHOCK = ResultColumn("shock", "int64", "the shock's number, from 0")
CLEARING: Final = ResultSchema(
    "clearing",
    "A network cleared: a row for each shock and node.",
    (
        _SHOCK,
        ResultColumn("node", "string", "a node"),
        ResultColumn("external_assets", "float", "the shock: what it holds beside its claims, currency"),
        ResultColumn("payments", "float", "what it pays in all, currency"),
        ResultColumn("recovery", "float", "the same as a share of what it owes; 1 where it owes nothing"),
        ResultColumn("equity", "float", "what is left to its owners, currency"),
        ResultColumn("defaulted", "boolean", "whether it has less than it owes"),
        ResultColumn("round", "int64", "round in which it defaults, from 1; 0: it does not"),
    ),
    coordinates=False,
)
CLEARING_SUMMARY: Final = ResultSchema(
    "clearing_summary",
    "A network cleared: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("defaults", "int64", "how many nodes default"),
        ResultColumn("rounds", "int64", "rounds until nobody else defaults"),
        ResultColumn("unpaid", "float", "what is owed and not paid in all, currency"),
        ResultColumn("error_bound", "float", "no payment is farther from the exact one, currency"),
    ),
    coordinates=False,
)
VALUATION: Final = ResultSchema(
    "valuation",
    "A network valued: a row for each shock and node.",
    (
        _SHOCK,
        ResultColumn("node", "string", "a node"),
        ResultColumn("external_assets", "float", "the shock: what it holds beside its claims, currency"),
        ResultColumn("equity", "float", "external assets and worth of claims less debts, currency"),
        ResultColumn(
            "worth", "float", "of all that it owes, as a share of the face value; 1 where it owes nothing"
        ),
        ResultColumn("insolvent", "boolean", "whether its equity is below 0"),
    ),
    coordinates=False,
)

VALUATION_SUMMARY: Final = ResultSchema(
    "valuation_summary",
    "A network valued: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("insolvent", "int64", "how many nodes have an equity below 0"),
        ResultColumn("written_down", "float", "face value of all debts less their worth, currency"),
        ResultColumn("equity", "float", "of all nodes, currency"),
        ResultColumn("error_bound", "float", "no equity is farther from the exact one, currency"),
        ResultColumn("updates", "int64", "updates of all equities until that was shown"),
    ),
    coordinates=False,
)

CASCADE_FAILURES: Final = ResultSchema(
    "cascade_failures",
    "A cascade: a row for each failure, by shock, round and node.",
    (
        _SHOCK,
        ResultColumn("node", "string", "who failed"),
        ResultColumn("round", "int64", "in which it failed; 0: by the shock itself"),
        ResultColumn("loss", "float", "all of its losses, the shock's included, currency"),
        ResultColumn("equity", "float", "equity less losses, currency"),
    ),
    coordinates=False,
)

CASCADE_SUMMARY: Final = ResultSchema(
    "cascade_summary",
    "A cascade: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("rounds", "int64", "the last round in which a node failed; -1: none did"),
        ResultColumn("initial_failures", "int64", "nodes that failed by the shock itself"),
        ResultColumn("failures", "int64", "nodes that failed"),
        ResultColumn("initial_loss", "float", "losses by the shock itself, currency"),
        ResultColumn("loss", "float", "all losses, currency"),
    ),
    coordinates=False,
)

DEBTRANK: Final = ResultSchema(
    "debtrank",
    "DebtRank: a row for each shock and node that it distresses.",
    (
        _SHOCK,
        ResultColumn("node", "string", "a node"),
        ResultColumn("initial", "float", "share of its equity that it loses by the shock itself"),
        ResultColumn("distress", "float", "share of its equity that it has lost in the end"),
    ),
    coordinates=False,
)

DEBTRANK_SUMMARY: Final = ResultSchema(
    "debtrank_summary",
    "DebtRank: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("impact", "float", "share of economic value that contagion distresses: the DebtRank"),
        ResultColumn("aggregate_vulnerability", "float", "share of all equity that contagion takes"),
        ResultColumn("failures", "int64", "nodes that have lost all of their equity"),
    ),
    coordinates=False,
)

FIRE_SALES: Final = ResultSchema(
    "fire_sales",
    "Fire sales of common assets: a row for each shock and holder.",
    (
        _SHOCK,
        ResultColumn("holder", "string", "a holder"),
        ResultColumn("direct_vulnerability", "float", "share of its equity that the shock itself takes"),
        ResultColumn("indirect_vulnerability", "float", "share of its equity that everybody's sales take"),
        ResultColumn("systemicness", "float", "share of all equity that its sales take"),
    ),
    coordinates=False,
)

FIRE_SALES_SUMMARY: Final = ResultSchema(
    "fire_sales_summary",
    "Fire sales of common assets: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("sold", "float", "all sales, currency"),
        ResultColumn("aggregate_vulnerability", "float", "share of all equity that the sales take"),
        ResultColumn("failures", "int64", "holders that have lost all of their equity"),
    ),
    coordinates=False,
)

REVERSE_STRESS: Final = ResultSchema(
    "reverse_stress",
    "Every value on the way to the root of a reverse stress, in the order of points.",
    (
        ResultColumn("point", "float", "the parameter's value; of a direction, the amount moved along it"),
        ResultColumn("value", "float", "the statistic there"),
        _ERROR,
        ResultColumn("low", "float", "lower end of its confidence interval"),
        ResultColumn("high", "float", "upper end"),
    ),
    coordinates=False,
)

_FACTOR = ResultColumn("factor", "string", "a factor")
_CENTRAL = ResultColumn("central", "float", "its value on the path without shocks")
DESIGN_POINT: Final = ResultSchema(
    "likeliest_point",
    "The likeliest path of the factors on which something happens: a row for each factor and period.",
    (
        _FACTOR,
        ResultColumn("period", "int64", "a period"),
        ResultColumn("shock", "float", "its own standard normal w in that period; eps = C^(1/2) w"),
        _CENTRAL,
        ResultColumn("value", "float", "its value on this path"),
    ),
    coordinates=False,
)

DESIGN_POINT_FACTORS: Final = ResultSchema(
    "likeliest_point_factors",
    "What each factor does on that path: a row for each factor.",
    (
        _FACTOR,
        ResultColumn("share", "float", "of the squared distance, its own shocks'; null where there are none"),
        ResultColumn(
            "period", "int64", "up to the failure (else up to the last), in which it is moved farthest"
        ),
        _CENTRAL,
        ResultColumn("value", "float", "its value on this path, in that period"),
        ResultColumn("deviations", "float", "how far its state y is moved there, in its standard deviations"),
    ),
    coordinates=False,
)

DESIGN_POINT_RAY: Final = ResultSchema(
    "likeliest_point_ray",
    "The straight way to that path and a quarter beyond: a row for each distance.",
    (
        ResultColumn("distance", "float", "from the path without shocks, in standard deviations"),
        ResultColumn("value", "float", "the measure's figure or the loss; 1 for the failure, else 0"),
        ResultColumn("failures", "int64", "entities that fail"),
    ),
    coordinates=False,
)

DESIGN_POINT_STEPS: Final = ResultSchema(
    "likeliest_point_steps",
    "The way of the search: a row for each start and step.",
    (
        ResultColumn("start", "int64", "number of a ray from which the search starts, the nearest first"),
        ResultColumn("step", "int64", "0: the ray itself"),
        ResultColumn("distance", "float", "at which the event first happens, in standard deviations"),
    ),
    coordinates=False,
)

_PARAMETER = ResultColumn("parameter", "string", "an address")
SENSITIVITIES: Final = ResultSchema(
    "sensitivities",
    "Derivatives of a statistic: a row for each parameter.",
    (
        _PARAMETER,
        ResultColumn("unstressed", "float", "its value; null where it is not one number"),
        ResultColumn("derivative", "float", "of the statistic, per unit of the parameter"),
        ResultColumn(
            "standard_error", "float", "of the derivative, paired over the same paths; null of one path"
        ),
        ResultColumn("bias", "float", "of the derivative at this step, as two steps tell it"),
        ResultColumn("step", "float", "that was chosen; null pathwise, as are the last two columns"),
        ResultColumn(
            "scheme",
            "string",
            "central, or where the parameter can't move both ways forward or backward; pathwise",
        ),
        ResultColumn("down", "float", "the statistic one step lower"),
        ResultColumn("up", "float", "the statistic one step higher"),
    ),
    coordinates=False,
)

SENSITIVITY_STEPS: Final = ResultSchema(
    "sensitivity_steps",
    "Every step that was tried: a row for each parameter and step, the largest first.",
    (
        _PARAMETER,
        ResultColumn("step", "float", "the step"),
        ResultColumn("derivative", "float", "the difference quotient"),
        ResultColumn("standard_error", "float", "of it, paired over the same paths; null of one path"),
    ),
    coordinates=False,
)

WORST_WORLD: Final = ResultSchema(
    "worst_world",
    "The factors on the worst paths against all paths: a row for each factor and period.",
    (
        _FACTOR,
        ResultColumn("period", "int64", "a period"),
        ResultColumn("mean", "float", "over all paths"),
        ResultColumn("worst_mean", "float", "over the worst paths"),
        ResultColumn("difference", "float", "worst_mean - mean"),
        ResultColumn("standard_error", "float", "of the difference; null where one path cannot tell"),
        ResultColumn(
            "deviations", "float", "the difference in standard deviations of the factor in that period"
        ),
    ),
    coordinates=False,
)

STORY: Final = ResultSchema(
    "story",
    "One path in words: a row for each sentence, by period.",
    (
        ResultColumn("period", "int64", "a period"),
        ResultColumn("label", "string", "the same as a date, e.g. 2029Q3"),
        ResultColumn("text", "string", "what happened"),
    ),
    coordinates=False,
)

SOBOL_INDICES: Final = ResultSchema(
    "sobol_indices",
    "Shares of a variance: a row for each output and factor, and for the entities' credit events.",
    (
        ResultColumn("output", "string", "loss, failures (how many), failure:ENTITY or npv:MEASURE"),
        ResultColumn("factor", "string", "a factor's own shocks, or `credit events`"),
        ResultColumn(
            "first", "float", "share of the variance that goes if it is known; null where nothing varies"
        ),
        ResultColumn("first_error", "float", "standard error of that"),
        ResultColumn("total", "float", "share of the variance that is left if all others are known"),
        ResultColumn("total_error", "float", "standard error of that"),
    ),
    coordinates=False,
)

CONVERGENCE: Final = ResultSchema(
    "convergence",
    "How an estimate settles: a row for each number of paths.",
    (
        ResultColumn("paths", "int64", "the first so many paths of the run; all in the last row"),
        ResultColumn("value", "float", "the statistic of those paths"),
        _ERROR,
        ResultColumn("low", "float", "lower end of the interval"),
        ResultColumn("high", "float", "upper end"),
    ),
    coordinates=False,
)
ANSWER_SCHEMAS: Final = (
    REVERSE_STRESS, DESIGN_POINT, DESIGN_POINT_FACTORS, DESIGN_POINT_RAY, DESIGN_POINT_STEPS, SENSITIVITIES,
    SENSITIVITY_STEPS, WORST_WORLD, STORY, SOBOL_INDICES, CONVERGENCE,
)  # fmt: skip

NETWORK_SCHEMAS: Final = (
    CLEARING,
    CLEARING_SUMMARY,
    VALUATION,
    VALUATION_SUMMARY,
    CASCADE_FAILURES,
    CASCADE_SUMMARY,
    DEBTRANK,
    DEBTRANK_SUMMARY,
    FIRE_SALES,
    FIRE_SALES_SUMMARY,
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
