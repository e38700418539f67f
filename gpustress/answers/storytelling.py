"""The story of one path in words, period by period."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..amounts import UNITS
from ..arguments import is_number
from ..dates import period_label
from ..errors import bad_argument
from ..estimates import run_place
from ..result import check_result
from ..sampling import quantile_rank
from ..tables import floats, strings
from .attribution import badness
from .plain_data import fields_as_json
from .schema import STORY

if TYPE_CHECKING:
    from ..result import Result
    from ..settings import Settings
    from ..single_path import Replay
    from ..system import System

MEDIAN, WORST_PATH = "median", "worst"
UNPAID: Final = 1e-6  # of what is due: less is rounding
CUT: Final = 0.99  # a discretionary ratio below this is told as a cut
LARGE: Final = 0.001  # of all impairments of the path: smaller ones are not told
_FAILS: Final = {
    "imposed": "is made to fail",
    "credit": "fails by a credit event",
    "liquidity": "runs out of cash and fails",
    "solvency": "owes more than it has and fails",
}
DIGITS: Final = 3  # of an amount


@dataclass(frozen=True, eq=False, repr=False)
class Story:
    """One path, told.

    Attributes
    ----------
    scenario : str
        Name of the run.
    path : int
    value : float
        By which it was chosen: the loss of the book, the measure, or the number of failures.
    judged_by : str
        The same in words.
    share_better : float
        Share of paths that are no worse.
    replay : Replay
        Everything that happened.
    table : pyarrow.Table
        period, label, text: a row for each sentence, in order.
    """

    scenario: str
    path: int
    value: float
    judged_by: str
    share_better: float
    replay: Replay
    table: pa.Table

    def __repr__(self) -> str:
        """Say in a line whose story it is."""
        return f"<Story of path {self.path} of {self.scenario!r}: {self.table.num_rows} sentences>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentences."""
        from ..notebook import answer_html

        return answer_html(f"Path {self.path} of {self.scenario}", str(self).split("\n"))

    def __str__(self) -> str:
        """The sentences, a line for each period."""
        lines: dict[str, list[str]] = {}
        for row in self.table.to_pylist():
            lines.setdefault(row["label"], []).append(row["text"])
        return "\n".join(f"{label}: {' '.join(texts)}" for label, texts in lines.items())

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON, without the replay."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields_as_json({name: value for name, value in fields.items() if name != "replay"})


def story(
    run: Result,
    scenario: str | None = None,
    *,
    which: str | float = WORST_PATH,
    path: int | None = None,
    measure: str | None = None,
    figure: str = "npv",
    positions: Any = None,
    horizon: float | None = None,
    factors: Any = None,
) -> Story:
    """Tell the story of one path of a run: who fails, what is not paid, what is cut and written off.

    Parameters
    ----------
    run : Result
    scenario : str, optional
        A run's or a scenario's name; None: the first.
    which : "median", "worst" or float
        Which path: of a loss quantile, e.g. 0.95. Of paths that tie, the one with the smallest number.
    path : int, optional
        Its number instead.
    measure, figure, positions, horizon
        By what paths are ordered, as of `worst_world`.
    factors : anything that speaks Arrow, optional
        Factor paths of one's own, if the run had some.

    Returns
    -------
    Story

    Raises
    ------
    InputError
        An argument is not as it has to be.
    """
    check_result(run)
    place = run_place(run, scenario)
    bad = badness(run, place, measure=measure, figure=figure, positions=positions, horizon=horizon)
    level = {MEDIAN: 0.5, WORST_PATH: 1.0}.get(which, which) if isinstance(which, str) else which
    if not is_number(level) or not 0.0 < float(level) <= 1.0:
        remedy = 'Write "median", "worst" or a quantile such as 0.95.'
        raise bad_argument("which", which, "names no path", remedy)
    if path is None:
        rank = run.paths if level == 1.0 else quantile_rank(float(level), run.paths)[0]
        path = int(np.flatnonzero(bad == np.sort(bad)[rank - 1])[0])
    told = run.replay(path, run.scenarios[place], factors=factors)
    value = bad[told.path]
    own = float(-value if measure is not None and figure != "payback" else value)
    return Story(
        scenario=run.scenarios[place],
        path=told.path,
        value=own,
        judged_by=_judged_by(run.system, own, measure, figure, positions),
        share_better=float(np.mean(bad <= value)),
        replay=told,
        table=tell(run.system, told, run.runs[place].effects),
    )


def tell(system: System, told: Replay, effects: str) -> pa.Table:
    """A replay in sentences.

    Parameters
    ----------
    system : System
    told : Replay
    effects : str
        With which it ran.

    Returns
    -------
    pyarrow.Table
        period, label, text.
    """
    settings = system.settings
    sentences: list[tuple[int, str]] = [(0, _factors(system, told, 0))] if len(system.factor_names) else []
    sentences += [
        *_failures(told, settings),
        *_cuts(told),
        *_lines(told, effects),
        *_write_offs(system, told),
    ]
    failing = sorted(set(told.events["period"].to_pylist()))
    if failing and failing[0] > 0 and len(system.factor_names):
        sentences.append((failing[0], _factors(system, told, failing[0])))
    if not failing:
        sentences.append((settings.periods - 1, "Nobody has failed."))
    sentences.sort(key=lambda sentence: sentence[0])  # of one period as they were found
    schema = STORY.arrow()
    arrays = [
        [period for period, _ in sentences],
        [period_label(settings, period) for period, _ in sentences],
        [text for _, text in sentences],
    ]
    return pa.Table.from_arrays(
        [pa.array(a, f.type) for a, f in zip(arrays, schema, strict=True)], schema=schema
    )


def money(value: float, currency: str) -> str:
    """An amount for people: 12.3 billion USD."""
    value = float(f"{value:.{DIGITS}g}")  # first, for it may reach the next unit
    size, word = next(((size, word) for size, word in UNITS if abs(value) >= size), (1.0, ""))
    number = value / size
    text = f"{number:,.0f}" if abs(number) >= 10.0**DIGITS else f"{number:.{DIGITS}g}"
    return " ".join(part for part in (text, word, currency) if part)


def _judged_by(system: System, value: float, measure: str | None, figure: str, positions: Any) -> str:
    if measure is not None:
        text = f"{value:.0f} (a period)" if figure == "payback" else money(value, system.settings.currency)
        return f"{measure}'s {figure} {text}"
    if positions is None and not system.tables["positions"].num_rows:
        return f"{value:.0f} failures"
    return f"loss {money(value, system.settings.currency)}"


def _factors(system: System, told: Replay, period: int) -> str:
    at = np.asarray(told.factors["period"]) == period
    values = np.asarray(told.factors["value"])[at]
    initial = floats(system.tables["factors"], "initial")
    parts = [f"{name} {value:.3g} (at first {first:.3g})"
             for name, value, first in zip(system.factor_names, values, initial, strict=True)]  # fmt: skip
    return "The world: " + ", ".join(parts) + "."


def _failures(told: Replay, settings: Settings) -> list[tuple[int, str]]:
    """Who fails, and whom it leaves unpaid in that period."""
    period, rank = np.asarray(told.flows["period"]), np.asarray(told.flows["rank"])
    billed, paid = np.asarray(told.flows["billed"]), np.asarray(told.flows["paid"])
    payer, receiver = strings(told.flows, "payer"), strings(told.flows, "receiver")
    payers = np.array([str(name) for name in payer])
    sentences = []
    for event in told.events.to_pylist():
        text = f"{event['entity']} {_FAILS[event['cause']]}"
        mine = (payers == event["entity"]) & (period == event["period"]) & (rank != "discretionary")
        missing = np.where(mine, billed - paid, 0.0)
        if missing.sum() > UNPAID * max(float(billed[mine].sum()), 1e-300):
            by_receiver: dict[str, float] = {}
            for place in np.flatnonzero(missing > 0.0):
                name = str(receiver[place])
                by_receiver[name] = by_receiver.get(name, 0.0) + float(missing[place])
            worst = max(by_receiver, key=lambda name: by_receiver[name])
            part = "most" if by_receiver[worst] > 0.5 * float(missing.sum()) else "the largest part"
            text += (
                f", leaving {money(float(missing.sum()), settings.currency)} unpaid, {part} of it to {worst}"
            )
        sentences.append((event["period"], text + "."))
    return sentences


def _cuts(told: Replay) -> list[tuple[int, str]]:
    """When somebody who goes on begins to cut its discretionary spending, and when it pays in full again."""
    sentences = []
    for name, rows in _by_entity(told):
        cut = False
        for row in rows:
            if row["failed"]:
                break
            now = row["ratio_discretionary"] < CUT
            if now and not cut:
                share = 100.0 * row["ratio_discretionary"]
                sentences.append((row["period"], f"{name} cuts its discretionary payments to {share:.0f} %."))
            elif cut and not now:
                sentences.append((row["period"], f"{name} makes its discretionary payments in full again."))
            cut = now
    return sentences


def _lines(told: Replay, effects: str) -> list[tuple[int, str]]:
    """When somebody first draws on its credit line; without effects, when its cash falls below 0, line or none."""
    sentences = []
    for name, rows in _by_entity(told):
        for row in rows:
            opening, closing = row["opening_cash"], row["closing_cash"]
            if effects == "none" and opening >= 0.0 > closing:
                sentences.append((row["period"], f"{name}'s cash falls below 0."))
                break
            if effects != "none" and closing < min(opening, 0.0):
                sentences.append((row["period"], f"{name} draws on its credit line."))
                break
    return sentences


def _write_offs(system: System, told: Replay) -> list[tuple[int, str]]:
    """Impairments by owner and period."""
    impairment = np.asarray(told.books["impairment"]) if told.books.num_rows else np.zeros(0)
    total = float(impairment.sum())
    owner = dict(zip(strings(told.flows, "flow"), strings(told.flows, "payer"), strict=True))
    sums: dict[tuple[int, str], float] = {}
    for place in np.flatnonzero(impairment > 0.0):
        key = (told.books["period"][int(place)].as_py(), str(owner[told.books["flow"][int(place)].as_py()]))
        sums[key] = sums.get(key, 0.0) + float(impairment[place])
    return [
        (period, f"{name} writes off {money(value, system.settings.currency)} of its assets.")
        for (period, name), value in sums.items()
        if value >= LARGE * total
    ]


def _by_entity(told: Replay) -> list[tuple[str, list[dict[str, Any]]]]:
    columns = ["period", "entity", "opening_cash", "closing_cash", "ratio_discretionary", "failed"]
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in told.entities.select(columns).to_pylist():
        rows.setdefault(row["entity"], []).append(row)
    return list(rows.items())
