"""The page put together."""

from __future__ import annotations

import os
import tempfile
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import jinja2
import matplotlib as mpl
import numpy as np
import pyarrow as pa

from ..amounts import never_seen, unit_of
from ..estimates import run_place
from ..folders import check_page
from ..result import check_result
from ..summary import summarise
from ..variance_reduction import check_plain
from ..version import VERSION
from . import figures
from .assumptions import assumptions
from .drawings import legible
from .explorer import explorer
from .fans import with_series
from .findings import find
from .gallery import DETAILED, drawn_series, explored_series, gallery
from .scripts import content_hash, embeddable
from .telling import tell_stories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..amounts import Unit
    from ..result import Result
    from .answer import Answer
    from .findings import Findings

LISTED: Final = 40  # scenarios in the overview
PLOTLY: Final = (
    "plotly-cartesian.min.js"  # as npm's plotly.js-cartesian-dist-min has it; it sets window.Plotly
)
JUDGED: Final = {  # how, where it isn't with all effects
    "first_round": "everybody judged alone",
    "none": "a projection in which nobody can fail",
}
DRAWN, EXPLORED = 20_000, 2_000  # paths that are run again at most, for pictures and for the reader's choice


def write_report(
    run: Result,
    path: str | os.PathLike[str],
    *,
    answers: Sequence[Answer] = (),
    findings: Findings | None = None,
) -> None:
    """Write the page of a result: one HTML file that loads nothing.

    Parameters
    ----------
    run : Result
    path : path
        Of the file; replaced where it exists, whole or not at all.
    answers : sequence of Answer
        What else the page tells, e.g. what a reverse stress test found.
    findings : Findings, optional
        As `find` gives them; None: they are asked for, in some more runs on the same draws.

    Raises
    ------
    InputError
        `run` is no result, or `path` is no file that may be written.
    OSError
        The disk is full.
    """
    check_result(run)
    target = check_page(path)
    text = report_html(run, answers=answers, findings=findings)
    handle, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(aside, 0o644)
        os.replace(aside, target)
    except BaseException:
        os.unlink(aside)
        raise


def report_html(run: Result, *, answers: Sequence[Answer] = (), findings: Findings | None = None) -> str:
    """The page of a result as text; the same result gives the same page.

    Parameters
    ----------
    run : Result
    answers : sequence of Answer
    findings : Findings, optional
        As of `write_report`.

    Returns
    -------
    str
        HTML without any reference to something outside of it.
    """
    check_result(run)
    check_plain(run, "the report")
    findings = find(run) if findings is None else findings
    summary = summarise(run)
    main = run_place(run, findings.scenario)
    places = list(dict.fromkeys([main, *(run_place(run, one.scenario) for one in run.runs)]))
    detailed = places[:DETAILED]
    of_main = summary["runs"][main]
    drawn = with_series(run, [run.runs[main].scenario], drawn_series(run, of_main), DRAWN)
    chosen = [run.runs[place].scenario for place in detailed]
    series = with_series(run, chosen, explored_series(run, of_main), EXPLORED)
    currency = run.system.settings.currency
    package = files(__package__)
    style = package.joinpath("page.css").read_text(encoding="utf-8")
    scripts = [embeddable(package.joinpath(name).read_text(encoding="utf-8")) for name in (PLOTLY, "page.js")]
    runs = summary["runs"]
    context: dict[str, Any] = {
        "answers": answers,
        "assumptions": assumptions(run),
        "averting": findings.averting,
        "books": _book_unit(runs, currency),
        "chosen": {"explorer": explorer(run, detailed, series), "partial": series.partial,
                   "seen": series.run.paths},
        "command": _command(run),
        "detailed": [runs[place] for place in detailed],
        "drawings": gallery(run, main, drawn, summary, findings),
        "f": figures,
        "judged": JUDGED.get(of_main["effects"]),
        "main": runs[main],
        "measures": {runs[place]["run"]: _measure_unit(runs[place], currency) for place in detailed},
        "more": max(0, len(places) - LISTED),
        "never": never_seen(run.paths),
        "ordered_by": "the loss of the book" if of_main["book"] else "the number of failures",
        "overview": [runs[place] for place in places[:LISTED]],
        "revenue": _revenue_unit(findings, currency),
        "script_hashes": [content_hash(script) for script in scripts],
        "scripts": scripts,
        "stories": tell_stories(findings.stories, run.system.settings),
        "style": style,
        "summary": summary,
        "versions": {"gpustress": VERSION, "numpy": np.__version__, "pyarrow": pa.__version__,
                     "matplotlib": mpl.__version__},
    }  # fmt: skip
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(package.joinpath("page.html.j2").read_text(encoding="utf-8"))
    # Control characters have no place in HTML; a name may hold none, a source may.
    return legible(template.render(context))


def _measure_unit(run: dict[str, Any], currency: str) -> Any:
    money = [figure["value"] for measure in run["measures"] for name in ("total", "npv", "trough")
             for figure in measure[name].values()]  # fmt: skip
    return _finer(money, currency)


def _finer(amounts: Sequence[float | None], currency: str) -> Unit:
    """The unit of a table, a thousand times smaller where its largest has a single digit: the others are smaller."""
    return unit_of([amount / 10.0 for amount in amounts if amount is not None], currency)


def _revenue_unit(findings: Findings, currency: str) -> Any:
    averted = findings.averting
    return figures.unit_for([] if averted is None else [averted.revenue, averted.needed], currency)


def _book_unit(runs: Sequence[dict[str, Any]], currency: str) -> Any:
    names = ("expected_loss", "value_at_risk", "expected_shortfall")
    losses = [run["book"][name]["value"] for run in runs if run["book"] for name in names]
    return _finer(losses, currency)


def _command(run: Result) -> str:
    effects = list(dict.fromkeys(one.effects for one in run.runs))
    return (
        f"gpustress run SYSTEM --paths {run.paths} --seed {run.seed} --effects {','.join(effects)} --out OUT"
    )
