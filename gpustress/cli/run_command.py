"""`gpustress run`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .console import complain, console, print_json, reported
from .inputs import scenarios_from, split, system_from
from .interrupt import heed_interrupt
from .options import (
    Backend,
    Devices,
    Effects,
    Folder,
    Json,
    Memory,
    Paths,
    Record,
    ScenarioFile,
    Seed,
    Threads,
    VarianceReduction,
)


def run(
    folder: Folder,
    *,
    paths: Paths = 10_000,
    seed: Seed = 0,
    scenarios: ScenarioFile = None,
    effects: Effects = ["first_round,full"],  # noqa: B006
    backend: Backend = "auto",
    threads: Threads = None,
    devices: Devices = None,
    memory: Memory = None,
    record: Record = None,
    variance_reduction: VarianceReduction = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FOLDER", help="Store the result there, as Parquet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a system; print who fails and what is lost.

    The summary says of every scenario who fails, when, why and by contagion, what the measures come to, and
    what the book of positions loses, each with its standard error.
    """
    with reported(as_json):
        from ..rendering import render
        from ..simulation import simulate
        from ..store import check_target
        from ..summary import summarise

        heed_interrupt()
        if out is not None:
            check_target(out, "--out")
        system = system_from(folder)
        result = simulate(
            system,
            scenarios_from(scenarios),
            paths=paths,
            seed=seed,
            backend=backend,
            threads=threads,
            devices=devices or None,
            effects=split(effects),
            record=record or (),
            memory=memory,
            progress=True,
            variance_reduction=variance_reduction,
        )
        heed_interrupt()
        summary = summarise(result)
        unheard = None
        try:  # before the result is written: a full disk takes no summary away, nor a lost reader the result
            if as_json:
                print_json(summary)
            else:
                render(summary, console())
            sys.stdout.flush()
        except OSError as error:
            unheard = error
        if out is not None:
            result.write(out)
            complain(f"Written to {out}")
        if unheard is not None:
            raise unheard
