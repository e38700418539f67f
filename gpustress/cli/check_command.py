"""`gpustress check`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .console import duration, print_json, reported, size_of
from .inputs import scenarios_from, split, system_from
from .interrupt import heed_interrupt
from .options import Effects, Folder, Json, Paths, ScenarioFile

if TYPE_CHECKING:
    from ..system import System


def check(
    folder: Folder,
    *,
    scenarios: ScenarioFile = None,
    paths: Paths = 10_000,
    effects: Effects = ["first_round,full"],  # noqa: B006 (typer reads the default, nothing changes it)
    as_json: Json = False,
) -> None:
    """Check a system, and estimate what a run takes.

    Lists every problem at once; without any, the size of the system and what a run would take.
    """
    with reported(as_json):
        from ..run_estimate import estimate

        heed_interrupt()
        system = system_from(folder)
        taken = estimate(system, scenarios_from(scenarios), paths=paths, effects=split(effects))
        size = _size(system)
        if as_json:
            print_json(
                {
                    "ok": True,
                    "system": system.settings.name,
                    "size": size,
                    "notes": list(map(dataclasses.asdict, system.notes)),
                    "estimate": dataclasses.asdict(taken),
                }
            )
            return
        for note in system.notes:
            print(f"Note: {note}")
        print(f"{system.settings.name}: no problems.")
        print("Size: " + ", ".join(f"{name} {count:,}" for name, count in size.items() if count))
        print(
            f"A run of {taken.paths:,} paths x {taken.runs} (scenarios x effects) with backend "
            f"{taken.backend}: about {duration(taken.seconds)},\n{size_of(taken.memory_bytes)} of memory "
            f"({size_of(taken.free_bytes)} are free) and, if written, {size_of(taken.disk_bytes)} on disk."
        )


def _size(system: System) -> dict[str, int]:
    settings = system.settings
    return {"periods": settings.periods, **{name: table.num_rows for name, table in system.tables.items()}}
