"""`gpustress report`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .console import FAILED, complain, print_json, reported
from .interrupt import heed_interrupt
from .options import Json


def report(
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT", help="Folder of a stored result, as `gpustress run --out OUT` makes it."
        ),
    ],
    *,
    reverse: Annotated[
        list[str] | None,
        typer.Option(
            "--reverse",
            metavar="FILE",
            help="What `gpustress reverse --json` printed: the page then tells what would avert it. Repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell a stored result on one HTML page, OUT/report.html.

    The page needs no network: it can be mailed. It holds who fails first, how likely, what it takes with it and
    what the book loses, each with its error; pictures, tables, the assumptions with their sources, and how to
    repeat the run.
    """
    with reported(as_json):
        from ..store import REPORT, read_result

        result = read_result(out)
        heed_interrupt()
        page = os.path.join(out, REPORT)
        try:
            from ..report import answer_of_reverse

            result.report(page, answers=[answer_of_reverse(file) for file in reverse or ()])
        except ImportError as missing:
            complain(f"gpustress: {missing}")
            raise typer.Exit(FAILED) from missing
        heed_interrupt()
        if as_json:
            print_json({"ok": True, "report": page, "bytes": os.path.getsize(page)})
        else:
            print(page)
