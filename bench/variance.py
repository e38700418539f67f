"""`python -m bench.variance [--paths N] [--seeds N]`: what variance reduction gains for the same work.

On the example of the AI build-out, full effects: means of its measures, and the probability that Oracle fails by
liquidity, with so much more cash and credit that this happens on about one path in a thousand. Work is time of the
processor, all of a call to `simulate`: points, pilot run and weights included. A gain is the plain estimate's variance
times its work over the other's; variances are the means over seeds of squared standard errors (that these are honest is
tested).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import gpustress as gs

EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "ai_buildout"
MEASURES: Final = (
    "ai_net",
    "microsoft_net",
    "google_net",
    "amazon_net",
    "meta_net",
    "oracle_net",
    "oracle_capacity",
)
ENTITY: Final = "oracle"
LIQUIDITY: Final = 1.55  # times its cash and its credit line
STRESSED: Final = "oracle_lines"
MEANS: Final = "means"


@dataclass(frozen=True)
class Found:
    """Estimates of one way, and what they took.

    Attributes
    ----------
    seconds : float
        Of the processor, a run.
    value, variance : dict of str to float
        By the name of the figure: means over seeds.
    """

    seconds: float
    value: dict[str, float]
    variance: dict[str, float]


def scenarios() -> pa.Table:
    """The system as it is, and the one in which a shortage is rare."""
    changes = [
        {"scenario": MEANS, "parameter": None, "op": None, "value": None},
        *(
            {"scenario": STRESSED, "parameter": f"entity.{ENTITY}.{what}", "op": "scale", "value": LIQUIDITY}
            for what in ("cash", "credit_line")
        ),
    ]
    schema = pa.schema(
        {"scenario": pa.string(), "parameter": pa.string(), "op": pa.string(), "value": pa.float64()}
    )
    return pa.Table.from_pylist(changes, schema=schema)


def means(run: gs.Result) -> dict[str, tuple[float, float]]:
    """Mean npv of each measure, with its error."""
    rows = run.measure_summary().to_pylist()
    return {
        row["measure"]: (row["value"], row["standard_error"])
        for row in rows
        if row["figure"] == "npv" and row["statistic"] == "mean" and row["measure"] in MEASURES
    }


def shortage(run: gs.Result) -> dict[str, tuple[float, float]]:
    """Probability that ENTITY fails by liquidity."""
    row = next(
        row for row in run.failures().to_pylist() if (row["entity"], row["cause"]) == (ENTITY, "liquidity")
    )
    return {f"{ENTITY} fails by liquidity": (row["probability"], row["standard_error"])}


def found(
    scenario: str,
    way: Any,
    paths: int,
    seeds: int,
    figures: Callable[[gs.Result], dict[str, tuple[float, float]]],
    effects: str = "full",
) -> Found:
    """What a way finds and takes."""
    system, table = gs.read_system(EXAMPLE), scenarios()
    table = table.filter(pc.equal(table["scenario"], scenario))
    gs.simulate(
        system, table, paths=64, effects=effects, threads=1
    )  # imports, and the first use of each kernel
    seconds, each = 0.0, []
    for seed in range(seeds):
        start = time.process_time()
        run = gs.simulate(
            system, table, paths=paths, seed=1000 + seed, effects=effects, threads=1, variance_reduction=way
        )
        seconds += time.process_time() - start
        each.append(figures(run))
    return Found(
        seconds / seeds,
        {name: float(np.mean([one[name][0] for one in each])) for name in each[0]},
        {name: float(np.mean([one[name][1] ** 2 for one in each])) for name in each[0]},
    )


def controlled(paths: int, seeds: int) -> Found:
    """The same of means that the run without effects controls."""
    system, table = gs.read_system(EXAMPLE), scenarios()
    table = table.filter(pc.equal(table["scenario"], MEANS))
    seconds, each = 0.0, []
    for seed in range(seeds):
        start = time.process_time()
        rows = gs.control_variate(system, table, paths=paths, seed=1000 + 2 * seed, threads=1).to_pylist()
        seconds += time.process_time() - start
        each.append(
            {
                row["measure"]: (row["value"], row["standard_error"])
                for row in rows
                if row["measure"] in MEASURES
            }
        )
    return Found(
        seconds / seeds,
        {name: float(np.mean([one[name][0] for one in each])) for name in each[0]},
        {name: float(np.mean([one[name][1] ** 2 for one in each])) for name in each[0]},
    )


def gain(plain: Found, other: Found, name: str) -> float:
    """How many times the work plain paths would take for the same error."""
    return plain.variance[name] * plain.seconds / (other.variance[name] * other.seconds)


def settling(paths: int) -> list[tuple[int, float, float, float, float]]:
    """Of the first measure: paths, plain value and error, quasi-Monte Carlo value and error."""
    system, table = gs.read_system(EXAMPLE), scenarios()
    table = table.filter(pc.equal(table["scenario"], MEANS))
    tables = [
        {
            row["paths"]: (row["value"], row["standard_error"])
            for row in gs.convergence(
                gs.simulate(system, table, paths=paths, seed=1, variance_reduction=way), measure=MEASURES[0]
            ).to_pylist()
        }
        for way in (None, "quasi")
    ]
    return [
        (count, *tables[0][count], *tables[1][count]) for count in sorted(tables[0].keys() & tables[1].keys())
    ]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.variance", description=__doc__)
    parser.add_argument("--paths", type=int, default=1 << 15, help="of a run; a power of two")
    parser.add_argument("--seeds", type=int, default=4, help="runs of each way")
    given = parser.parse_args()
    paths, seeds = given.paths, given.seeds
    plain = found(MEANS, None, paths, seeds, means)
    ways = {
        "antithetic": found(MEANS, "antithetic", paths, seeds, means),
        "quasi": found(MEANS, "quasi", paths, seeds, means),
        "control": controlled(paths, seeds),
    }
    print(f"Means of npv, {paths:,} paths, {seeds} seeds; gain in variance for the same work\n")
    print(
        "| measure | mean | plain error | antithetic | quasi | control variate |\n|---|---|---|---|---|---|"
    )
    for name in MEASURES:
        cells = " | ".join(f"{gain(plain, way, name):.1f}" for way in ways.values())
        print(f"| {name} | {plain.value[name]:.4g} | {plain.variance[name] ** 0.5:.2g} | {cells} |")
    taken = ", ".join(f"{name} {way.seconds / plain.seconds:.2f}" for name, way in ways.items())
    print(f"\nWork against plain paths: {taken}.\n")
    rare = found(STRESSED, None, paths, seeds, shortage)
    way = gs.ImportanceSampling(ENTITY, "liquidity")
    tilted = found(STRESSED, way, paths, seeds, shortage)
    print(
        "| figure | plain | its error | importance sampling | its error | work | gain |\n|---|---|---|---|---|---|---|"
    )
    for name, value in rare.value.items():
        row = [name, f"{value:.3g}", f"{rare.variance[name] ** 0.5:.2g}", f"{tilted.value[name]:.3g}"]
        row += [f"{tilted.variance[name] ** 0.5:.2g}", f"{tilted.seconds / rare.seconds:.2f}"]
        print(f"| {' | '.join([*row, f'{gain(rare, tilted, name):.1f}'])} |")
    print(f"\nHow the mean npv of {MEASURES[0]} settles\n")
    print("| paths | plain | error | quasi | error |\n|---|---|---|---|---|")
    for count, *cell in settling(paths):
        print(f"| {count:,} | {cell[0]:.5g} | {cell[1]:.2g} | {cell[2]:.5g} | {cell[3]:.2g} |")


if __name__ == "__main__":
    main()
