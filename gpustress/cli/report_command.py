"""`gpustress report`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .console import FAILED, complain, print_json, reported
from .interrupt import heed_interrupt
from .numerals import real
from .options import Json


def report(
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT", help="Folder of a stored result, as `gpustress run --out OUT` makes it."
        ),
    ],
    *,
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="NAME", help="What the page begins with; default: the first."),
    ] = None,
    reverse: Annotated[
        list[str] | None,
        typer.Option(
            "--reverse",
            metavar="FILE",
            help="What `gpustress reverse --json` printed: the page then tells what would avert it. Repeatable.",
        ),
    ] = None,
    avert_to: Annotated[
        float | None,
        typer.Option(
            "--avert-to",
            metavar="SHARE",
            parser=real,
            help="Share of the paths on which the first to fail may fail, e.g. 0.1; the page tells what revenue that "
            "takes. By default the largest of 0.1, 0.01, 0.001 and 0.0001 that at least halves its failures.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell a stored result on one HTML page, OUT/report.html.

    The page needs no network: it can be mailed. It holds who fails first, how likely, what it takes with it, what the
    book loses and what revenue would avert it, each with its error; pictures, single paths told, tables, the
    assumptions with their sources, and how to repeat the run. For some of it the run's scenario is run again with
    changes, on the same draws.
    """
    with reported(as_json):
        from ..folders import check_page
        from ..store import REPORT, read_result

        result = read_result(out)
        heed_interrupt()
        page = os.path.join(out, REPORT)
        check_page(page, "OUT")
        try:
            from ..report import answer_of_reverse, find, write_report

            answers = [answer_of_reverse(file) for file in reverse or ()]
            findings = find(result, scenario, avert_to=avert_to, tell=complain)
            heed_interrupt()
            write_report(result, page, answers=answers, findings=findings)
        except ImportError as missing:
            complain(f"gpustress: {missing}")
            raise typer.Exit(FAILED) from missing
        heed_interrupt()
        if as_json:
            print_json({"ok": True, "report": page, "bytes": os.path.getsize(page), **findings.as_json()})
        else:
            print(page)
