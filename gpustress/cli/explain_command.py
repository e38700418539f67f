"""`gpustress explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import complain, print_json, reported
from .interrupt import heed_interrupt
from .options import Json


def explain(
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Folder of a stored result (`gpustress run --out`).")
    ],
    *,
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="NAME", help="A scenario or run of it; default: the first."),
    ] = None,
    factors: Annotated[
        bool,
        typer.Option(
            "--factors",
            help="Attribute variances to the factors too (Sobol indices, with SALib): factors + 3 new runs of as many "
            "paths.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Explain a stored result in words.

    Who fails first and who follows, what contagion adds, which positions make the tail of the book's losses, what the
    factors do on the worst paths, and the stories of the median and the worst path. With --factors also which factor's
    shocks the variance of losses, failures and measures is due to.
    """
    with reported(as_json):
        from ..answers.explanation import explain as explanation_of
        from ..store import read_result

        heed_interrupt()
        run = read_result(out)
        found = explanation_of(run, scenario, factor_shares=factors, tell=complain)
        heed_interrupt()
        if as_json:
            print_json(found.as_json())
            return
        print(f"{found.scenario}\n")
        for sentence in found.words:
            print(f"- {sentence}")
        for name, one in zip(("median", "worst"), found.stories, strict=True):
            print(f"\nThe {name} path, number {one.path}, {one.judged_by}:\n{one}")
