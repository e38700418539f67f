"""`gpustress reverse`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, Problem, bad_argument
from .console import console, print_json, reported
from .inputs import scenarios_from, system_from
from .interrupt import heed_interrupt
from .numerals import number_in, real, whole
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

if TYPE_CHECKING:
    from ..answers.design_point import LikeliestPoint
    from ..answers.reverse import ReverseStress


def reverse(
    folder: Folder,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ADDRESS[=NUMBER]...]",
            help="What is changed, e.g. flow.kind:revenue.scale. Several, or one with a number, move together: each by "
            "the amount times its number (1 if none is given).",
        ),
    ] = None,
    *,
    likeliest: Annotated[
        bool,
        typer.Option(
            "--likeliest",
            help="Instead of changing an ADDRESS, find the likeliest path of all factors on which it happens.",
        ),
    ] = False,
    low: Annotated[
        float | None, typer.Option("--low", metavar="X", parser=real, help="Least value that is tried.")
    ] = None,
    high: Annotated[
        float | None, typer.Option("--high", metavar="X", parser=real, help="Greatest value that is tried.")
    ] = None,
    target: Annotated[
        float | None, typer.Option("--target", metavar="X", parser=real, help="What the statistic should be.")
    ] = None,
    reach: Annotated[
        float,
        typer.Option(
            "--reach",
            metavar="X",
            parser=real,
            help="With --likeliest: standard deviations that are searched.",
        ),
    ] = 6.0,
    op: Annotated[
        str | None,
        typer.Option(
            "--op",
            metavar="OP",
            help="What is done with the parameter: set, scale or add. Default: set; of several add.",
        ),
    ] = None,
    measure: Measure = None,
    figure: Figure = "npv",
    entity: Entity = None,
    statistic: StatisticName = "mean",
    level: Level = 0.99,
    horizon: Horizon = None,
    start: Annotated[
        int | None, typer.Option("--start", metavar="N", parser=whole(), help="First period of the change.")
    ] = None,
    end: Annotated[
        int | None, typer.Option("--end", metavar="N", parser=whole(), help="Last period of the change.")
    ] = None,
    scenarios: ScenarioFile = None,
    scenario: ScenarioName = None,
    paths: Paths = 10_000,
    seed: Seed = 0,
    effects: OneEffect = "full",
    backend: Backend = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Find what it takes: the smallest change at which a statistic meets a target, or the likeliest path to it.

    The statistic is of a measure (--measure), of a failure (--statistic failure_probability --entity NAME), or of the
    losses of the system's positions. With --likeliest a measure or the loss meets the target on a single path, or
    somebody fails on it (--entity NAME, without --target); there are no draws, so --paths and --seed change nothing.
    """
    with reported(as_json):
        from ..answers.design_point import likeliest_point
        from ..answers.reverse import reverse_stress

        heed_interrupt()
        asked: dict[str, Any] = {
            "target": target, "measure": measure, "figure": figure, "entity": entity or None, "horizon": horizon,
            "scenarios": scenarios_from(scenarios), "scenario": scenario, "effects": effects, "backend": backend,
            "threads": threads,
        }  # fmt: skip
        found: LikeliestPoint | ReverseStress
        if likeliest:
            _refuse(parameters, {"--low": low, "--high": high, "--op": op, "--start": start, "--end": end})
            if statistic not in ("mean", "failure_probability"):
                remedy = "Leave it out: one path has a figure and no distribution."
                raise bad_argument("--statistic", statistic, "does not go with --likeliest", remedy)
            found = likeliest_point(system_from(folder), reach=reach, **asked)
        else:
            _demand(parameters, {"--low": low, "--high": high, "--target": target})
            asked["bounds"] = (low, high)
            found = reverse_stress(
                system_from(folder), _parameter(parameters or []), op=op, statistic=statistic,
                level=level, start=start, end=end, paths=paths, seed=seed, **asked,
            )  # fmt: skip
        heed_interrupt()
        if as_json:
            print_json(found.as_json())
        else:
            _show(found)


def _show(found: LikeliestPoint | ReverseStress) -> None:
    from ..answers.design_point import LikeliestPoint
    from ..rendering import print_table

    if isinstance(found, LikeliestPoint):
        title, table = f"{found.event}: the likeliest path", found.factors
    else:
        title, table = f"{found.statistic}, {found.paths:,} paths, seed {found.seed}", found.evaluations
    rows = [["-" if value is None else value if isinstance(value, str) else f"{value:.6g}" for value in row.values()]
            for row in table.to_pylist()]  # fmt: skip
    if rows:
        print_table(console(), title, table.column_names, rows)
    print(found.answer)


def _parameter(parameters: list[str]) -> str | dict[str, float]:
    """One address, or a direction: numbers by address."""
    if len(parameters) == 1 and _number(parameters[0]) is None:
        return parameters[0]
    direction: dict[str, float] = {}
    for given in parameters:
        number = _number(given)
        address = given if number is None else given.rpartition("=")[0]
        if address in direction:
            raise bad_argument("ADDRESS", given, "stands there twice", "Name each address once.")
        direction[address] = 1.0 if number is None else number
    return direction


def _number(given: str) -> float | None:
    """What stands after the last `=`; None where that is no number, for names may hold one."""
    _, equals, number = given.rpartition("=")
    return number_in(number) if equals else None


def _refuse(parameters: list[str] | None, options: dict[str, object]) -> None:
    remedy = "Leave it out: all factors move, and nothing else does."
    given = {"ADDRESS": " ".join(parameters) if parameters else None, **options}
    problems = [Problem(name, None, None, repr(value), "does not go with --likeliest", remedy)
                for name, value in given.items() if value is not None]  # fmt: skip
    if problems:
        raise InputError(problems)


def _demand(parameters: list[str] | None, options: dict[str, object]) -> None:
    remedy = "Give it, or ask for the --likeliest path."
    given = {"ADDRESS": parameters or None, **options}
    problems = [
        Problem(name, None, None, "", "is missing", remedy) for name, value in given.items() if value is None
    ]
    if problems:
        raise InputError(problems)
