"""`gpustress reverse`."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import console, print_json, reported
from .inputs import scenarios_from, system_from
from .interrupt import heed_interrupt
from .options import (
    Backend,
    Entity,
    Figure,
    Folder,
    Horizon,
    Json,
    Level,
    Measure,
    OneEffect,
    Paths,
    ScenarioFile,
    ScenarioName,
    Seed,
    StatisticName,
    Threads,
)


def reverse(
    folder: Folder,
    parameter: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="What is changed, e.g. flow.kind:revenue.scale.")
    ],
    *,
    low: Annotated[float, typer.Option("--low", metavar="X", help="Least value that is tried.")],
    high: Annotated[float, typer.Option("--high", metavar="X", help="Greatest value that is tried.")],
    target: Annotated[float, typer.Option("--target", metavar="X", help="What the statistic should be.")],
    op: Annotated[
        str, typer.Option("--op", metavar="OP", help="What is done with the parameter: set, scale or add.")
    ] = "set",
    measure: Measure = None,
    figure: Figure = "npv",
    entity: Entity = None,
    statistic: StatisticName = "mean",
    level: Level = 0.99,
    horizon: Horizon = None,
    start: Annotated[
        int | None, typer.Option("--start", metavar="N", help="First period of the change.")
    ] = None,
    end: Annotated[int | None, typer.Option("--end", metavar="N", help="Last period of the change.")] = None,
    scenarios: ScenarioFile = None,
    scenario: ScenarioName = None,
    paths: Paths = 10_000,
    seed: Seed = 0,
    effects: OneEffect = "full",
    backend: Backend = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Find what it takes: the smallest change at which a statistic meets a target.

    The statistic is of a measure (--measure), of a failure (--statistic failure_probability --entity NAME), or of the
    losses of the system's positions.
    """
    with reported(as_json):
        from ..rendering import print_table
        from ..reverse import reverse_stress

        heed_interrupt()
        found = reverse_stress(
            system_from(folder), parameter, bounds=(low, high), target=target, op=op, measure=measure,
            figure=figure, entity=entity or None, statistic=statistic, level=level, horizon=horizon, start=start,
            end=end, scenarios=scenarios_from(scenarios), scenario=scenario, paths=paths, seed=seed,
            effects=effects, backend=backend, threads=threads,
        )  # fmt: skip
        heed_interrupt()
        if as_json:
            print_json(found.as_json())
            return
        rows = [[f"{row[name]:.6g}" if row[name] is not None else "-" for name in found.evaluations.column_names]
                for row in found.evaluations.to_pylist()]  # fmt: skip
        print_table(console(), f"{found.statistic}, {found.paths:,} paths, seed {found.seed}",
                    found.evaluations.column_names, rows)  # fmt: skip
        print(found.answer)
