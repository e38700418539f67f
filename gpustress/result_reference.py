"""The reference page of all tables of results, docs/results.md, from their schemas."""

from __future__ import annotations

import sys
from typing import Final

from .answers.schema import ANSWER_SCHEMAS
from .networks.result_schema import NETWORK_SCHEMAS
from .result_columns import ResultSchema
from .result_schema import RESULT_SCHEMA_VERSION, RESULT_SCHEMAS
from .sweeps.schema import SHARD_SCHEMAS, SHARDS

_INTRODUCTION: Final = f"""\
# Tables of results

Version {RESULT_SCHEMA_VERSION} of the tables that a run gives (`run.failures()`, `run.failure_curve()`,
`run.measure_summary()`, `run.contagion()`, `gs.failure_links(run)`,
`gs.contributions(run, ...)`) and of those that `run.write(folder)`
stores. This page is made from the tables' schemas:
`python -m gpustress.result_reference > docs/results.md` writes it anew.

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
