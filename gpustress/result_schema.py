"""The columns of every table that a run, a sweep or a stored result gives; `result_reference` prints all tables."""

from __future__ import annotations

from typing import Final

from .result_columns import ResultColumn, ResultSchema

RESULT_SCHEMA_VERSION: Final = 1  # rises when a column is added, renamed or changes its meaning

_SCENARIO = ResultColumn(
    "scenario", "string", "the run: a scenario's name, or NAME/EFFECTS where several effects ran"
)
_BASE = ResultColumn("scenario", "string", "a scenario of which both effects ran")
_ENTITY = ResultColumn("entity", "string", "an entity")
_ERROR = ResultColumn("standard_error", "float", "of the value; null where one path cannot tell")
_STORED_SCENARIO = ResultColumn("scenario", "category", _SCENARIO.doc)
_PATH = ResultColumn("path", "int64", "the path's number, from 0")
_RUN = ResultColumn("scenario", "string", "the run, as in `failures`")
_SAMPLING_ERROR = ResultColumn(
    "standard_error", "float", "of the value, for sampling; null where one path cannot tell"
)
_SKETCH_ERROR = ResultColumn(
    "sketch_error", "float", "the most by which the value is off for being read from a sketch; 0: exact"
)

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
            ResultColumn(
                "added",
                "float",
                "share of paths on which it fails only with all effects; null where paths weigh differently",
            ),
            ResultColumn("spared", "float", "the same of those on which it fails only when judged alone"),
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

_OF_SWEEPS: Final = (
    ResultSchema(
        "sweep_measure_summary",
        "The measures of a sweep: `measure_summary` with the error of its sketches.",
        (
            _RUN,
            ResultColumn("measure", "string", "a measure"),
            ResultColumn("figure", "string", "total, npv, trough (currency) or payback (periods)"),
            ResultColumn("statistic", "string", "as in `measure_summary`"),
            ResultColumn("value", "float", "currency, periods or a share; null where no path pays back"),
            _SAMPLING_ERROR,
            _SKETCH_ERROR,
        ),
    ),
    ResultSchema(
        "loss_summary",
        "The books of a sweep: a row for each run, book, statistic and level.",
        (
            _RUN,
            ResultColumn("book", "string", "a book"),
            ResultColumn("statistic", "string", "expected_loss, value_at_risk or expected_shortfall"),
            ResultColumn("level", "float", "of the risk measure; null of the expected loss"),
            ResultColumn("value", "float", "currency, at its value before the first period"),
            _SAMPLING_ERROR,
            _SKETCH_ERROR,
        ),
    ),
    ResultSchema(
        "entity_summary",
        "What entities hold in a sweep: a row for each run, entity and figure.",
        (
            _RUN,
            ResultColumn("entity", "string", "an entity"),
            ResultColumn("figure", "string", "lowest_liquidity or final_cash, as in `entities`"),
            ResultColumn("mean", "float", "currency"),
            _SAMPLING_ERROR,
            ResultColumn("standard_deviation", "float", "over the paths; null where one path cannot tell"),
            ResultColumn("least", "float", "over the paths, currency"),
            ResultColumn("largest", "float", "over the paths, currency"),
        ),
    ),
    ResultSchema(
        "series_summary",
        "Recorded series of a sweep: a row for each run, series, period and statistic.",
        (
            _RUN,
            ResultColumn("series", "string", "what was recorded, e.g. `cash:NAME`"),
            ResultColumn("period", "int64", "a period"),
            ResultColumn("statistic", "string", "mean, q05, q25, q50, q75 or q95"),
            ResultColumn("value", "float", "its value in that period"),
            _SAMPLING_ERROR,
            _SKETCH_ERROR,
        ),
    ),
    ResultSchema(
        "quantile",
        "A quantile of a sweep, of whatever level: a row for each run, and each period of a series.",
        (
            _RUN,
            ResultColumn("period", "int64", "of a series; else null"),
            ResultColumn(
                "value", "float", "the smallest value that at least that share of paths stays at or below"
            ),
            _SAMPLING_ERROR,
            _SKETCH_ERROR,
        ),
    ),
)

RESULT_SCHEMAS: Final[dict[str, ResultSchema]] = {schema.name: schema for schema in (*_TABLES, *_OF_SWEEPS)}

STORED: Final = ("entities", "measures", "series")  # one row a path and more; written piece by piece
SUMMARIES: Final = (
    "failures",
    "failure_curve",
    "measure_summary",
)  # methods of a result, stored for who reads files
