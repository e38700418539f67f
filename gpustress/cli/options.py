"""Arguments and options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

from .numerals import real, whole

Folder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="Folder of a system: system.toml and its tables.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, numbers unrounded.")]
ScenarioFile = Annotated[
    str | None,
    typer.Option("--scenarios", metavar="FILE", help="Scenarios to run instead of the system's own."),
]
Paths = Annotated[
    int,
    typer.Option("--paths", metavar="N", min=1, parser=whole(1), help="Monte Carlo paths of each scenario."),
]
Effects = Annotated[
    list[str],
    typer.Option(
        "--effects",
        metavar="E",
        help="none, first_round or full; several by commas or by repeating the option. first_round and full "
        "together tell what contagion adds; full alone takes half the time.",
    ),
]
Backend = Annotated[
    str, typer.Option("--backend", metavar="B", help="auto, or a backend that `gpustress info` lists.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        parser=whole(1),
        help="At most so many threads; default: as many as there are processors.",
    ),
]
Devices = Annotated[
    list[int] | None,
    typer.Option(
        "--device",
        metavar="N",
        min=0,
        parser=whole(0),
        help="A CUDA device to compute on, for the backend cupy. Repeatable; default: 0.",
    ),
]
Record = Annotated[
    list[str] | None,
    typer.Option(
        "--record", metavar="NAME",
        help="Keep a time series: cash:ENTITY, flow:NAME, measure:NAME, factor:NAME or estate. Repeatable.",
    ),
]  # fmt: skip
VarianceReduction = Annotated[
    str | None,
    typer.Option(
        "--variance-reduction",
        metavar="WAY",
        help="antithetic: paths in pairs of opposite draws; quasi: scrambled Sobol points, for which N has to be "
        "16 times a power of two; importance:ENTITY: draws that make its failure likely, weighted. "
        "Default: every path by itself.",
    ),
]
Seed = Annotated[
    int,
    typer.Option("--seed", metavar="N", min=0, parser=whole(0), help="The same seed gives the same result."),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="What the run may take, e.g. 4GB; default: a quarter of what is free.",
    ),
]
Measure = Annotated[
    str | None,
    typer.Option("--measure", metavar="NAME", help="A measure; default: the losses of the positions."),
]
Figure = Annotated[
    str, typer.Option("--figure", metavar="F", help="Of the measure: total, npv, trough or payback.")
]
Entity = Annotated[
    list[str] | None,
    typer.Option(
        "--entity", metavar="NAME", help='Whose failure; repeatable: one of them is enough; "any": anybody.'
    ),
]
StatisticName = Annotated[
    str,
    typer.Option(
        "--statistic", metavar="S", help="mean, quantile, failure_probability or expected_shortfall."
    ),
]
Level = Annotated[
    float, typer.Option("--level", metavar="P", parser=real, help="Of a quantile or an expected shortfall.")
]
Horizon = Annotated[
    float | None,
    typer.Option("--horizon", metavar="YEARS", parser=real, help="Of losses and failures; default: all."),
]
ScenarioName = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="NAME",
        help="The scenario in question; default: the only one of --scenarios, or the system as it is.",
    ),
]
OneEffect = Annotated[str, typer.Option("--effects", metavar="E", help="none, first_round or full.")]
