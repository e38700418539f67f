"""The columns of every table that a result gives or stores: the truth for code, files and docs/results.md."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

RESULT_SCHEMA_VERSION: Final = 1  # rises when a column is added, renamed or changes its meaning

Type = Literal["string", "category", "float", "int64", "int16", "boolean"]

_ARROW: Final[dict[Type, pa.DataType]] = {
    "string": pa.string(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "float": pa.float64(),
    "int64": pa.int64(),
    "int16": pa.int16(),
    "boolean": pa.bool_(),
}


@dataclass(frozen=True)
class ResultColumn:
    """One column of a table of results; `category` is a string, dictionary encoded."""

    name: str
    type: Type
    doc: str


@dataclass(frozen=True)
class ResultSchema:
    """One table of results.

    Attributes
    ----------
    name : str
        Also the name of its file, where it is stored.
    doc : str
        What a row is, and in which order rows come.
    columns : tuple of ResultColumn
    coordinates : bool
        Whether a grid's coordinates follow as further columns.
    """

    name: str
    doc: str
    columns: tuple[ResultColumn, ...]
    coordinates: bool = True

    def arrow(self, coordinates: Iterable[str] = ()) -> pa.Schema:
        """The Arrow schema, with a float column for each of the `coordinates`."""
        fields = [pa.field(column.name, _ARROW[column.type]) for column in self.columns]
        if self.coordinates:
            fields += [pa.field(address, pa.float64()) for address in coordinates]
        return pa.schema(fields)


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

NETWORK_SCHEMAS: Final = (
    CLEARING,
    CLEARING_SUMMARY,
    CASCADE_FAILURES,
    CASCADE_SUMMARY,
    DEBTRANK_SUMMARY,
    FIRE_SALES_SUMMARY,
)

RESULT_SCHEMAS: Final[dict[str, ResultSchema]] = {schema.name: schema for schema in _TABLES}

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
| `failures.parquet`, `failure_curve.parquet`, `measure_summary.parquet` | the estimates |

The manifest is written last and the folder appears whole or not at all. The same run gives the same bytes.
"""


def result_tables_markdown() -> str:
    """Return the reference page of all tables of results, docs/results.md."""
    parts = [_INTRODUCTION]
    for schema in (*RESULT_SCHEMAS.values(), *NETWORK_SCHEMAS):
        star = " \\*" if schema.coordinates else ""
        rows = "".join(f"| {column.name} | {column.type} | {column.doc} |\n" for column in schema.columns)
        parts.append(
            f"## {schema.name}{star}\n\n{schema.doc}\n\n| column | type | what |\n|---|---|---|\n{rows}"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(result_tables_markdown())
