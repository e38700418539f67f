"""A run explained: who starts and follows, what contagion adds, who makes the tail, and which factors it comes from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ..amounts import counted
from ..dates import period_label
from ..errors import bad_argument
from ..estimates import run_place
from ..result import check_result
from ..tail import contributions, entity_contributions
from .attribution import (
    WORST,
    badness,
    cascade_followers,
    cascade_starts,
    contagion_losses,
    factors_on,
    worst_paths,
)
from .plain_data import fields_as_json
from .storytelling import MEDIAN, WORST_PATH, Story, money, story
from .variance_shares import check_salib, sobol_indices

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..result import Result
    from .attribution import WorstPaths

LEVEL: Final = 0.99  # of the expected shortfall whose contributions are told
TOLD: Final = 3  # starters, followers and positions that are told in words; the tables have all
SURE: Final = 3.0  # standard errors beyond which a factor is told to be otherwise on the worst paths


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What a run of one scenario comes from; tables as of the functions that make them.

    Attributes
    ----------
    scenario : str
        Name of the run.
    starts, followers : pyarrow.Table
        As of `cascade_starts` and `cascade_followers`.
    contagion : pyarrow.Table or None
        As of `contagion_losses`; None where first_round or full was not run.
    contributions, entity_contributions : pyarrow.Table
        As of the functions of these names, at 99 %.
    world : pyarrow.Table
        As of `worst_world`, for the worst 5 % of the paths, or, where more tie there, for those that are strictly
        worse; `words` tell how many they are.
    shares : pyarrow.Table or None
        As of `sobol_indices`; None where they were not asked for.
    stories : tuple of Story
        Of the median and the worst path.
    words : tuple of str
        The same in sentences.
    """

    scenario: str
    starts: pa.Table
    followers: pa.Table
    contagion: pa.Table | None
    contributions: pa.Table
    entity_contributions: pa.Table
    world: pa.Table
    shares: pa.Table | None
    stories: tuple[Story, ...]
    words: tuple[str, ...]

    def __repr__(self) -> str:
        """Say in a line what is explained."""
        return f"<Explanation of {self.scenario!r}: {len(self.words)} sentences>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentences."""
        from ..notebook import answer_html

        return answer_html(f"What {self.scenario} comes from", self.words)

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON: what is no number is null."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields_as_json(fields | {"stories": [one.as_json() for one in self.stories]})


def explain(
    run: Result,
    scenario: str | None = None,
    *,
    positions: Any = None,
    factors: Any = None,
    factor_shares: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Explanation:
    """Explain what a run of one scenario comes from.

    Parameters
    ----------
    run : Result
    scenario : str, optional
        A run's or a scenario's name; None: the first.
    positions : anything that speaks Arrow, optional
        The book; None for the system's own.
    factors : anything that speaks Arrow, optional
        Factor paths of one's own, if the run had some.
    factor_shares : bool
        Whether to attribute the variance to the factors (`sobol_indices`): factors + 3 new runs of as many paths, with
        SALib. All measures are attributed.
    tell : function of a str
        Told before the new runs how many there are; nothing that the arguments are refused for comes after it.

    Returns
    -------
    Explanation

    Raises
    ------
    InputError
        There is no such scenario or no book, `factors` are not those of the run, or shares are asked for of a run that
        had factor paths of its own, or without SALib.
    """
    check_result(run)
    place = run_place(run, scenario)
    if factor_shares:
        _check_factor_shares(run)
    name, own = run.scenarios[place], run.runs[place].scenario
    starts = _only(cascade_starts(run), name)
    followers = _only(cascade_followers(run), name)
    paired = any(second == place for _, second in run.contagion_pairs())
    contagion = _only(contagion_losses(run, positions), own) if paired else None
    tail = _only(contributions(run, positions, LEVEL), name)
    by_entity = _only(entity_contributions(run, positions, LEVEL), name)
    bad = badness(run, place, measure=None, figure="npv", positions=positions, horizon=None)
    worst = worst_paths(bad, WORST)
    world = factors_on(run, place, worst, factors)
    stories = tuple(
        story(run, name, which=which, positions=positions, factors=factors) for which in (MEDIAN, WORST_PATH)
    )
    shares = None
    if factor_shares:
        tell(f"{len(run.system.factor_names) + 3} new runs of {run.paths:,} paths ...")
        shares = _factor_shares(run, place, positions)
    words = (
        *_starts_in_words(starts, followers),
        *_contagion_in_words(contagion, run.system.settings.currency),
        *_tail_in_words(tail, run.system.settings.currency),
        *_starters_in_words(by_entity),
        *_shares_in_words(shares),
        *_world_in_words(run, world, worst),
    )
    return Explanation(name, starts, followers, contagion, tail, by_entity, world, shares, stories, words)


def _check_factor_shares(run: Result) -> None:
    if run.factors_digest:
        raise bad_argument(
            "factor_shares",
            True,
            "needs factors that can be drawn again, and the run had paths of its own",
            "Leave it out.",
        )
    check_salib()


def _factor_shares(run: Result, place: int, positions: Any) -> pa.Table:
    asked = run.runs[place]
    return sobol_indices(
        run.system, measures=run.system.measure_names, positions=positions, scenarios=run.scenario_table,
        scenario=asked.scenario if run.scenario_table.num_rows else None, paths=run.paths, seed=run.seed,
        effects=asked.effects, backend=run.backend,
    )  # fmt: skip


def _only(table: pa.Table, scenario: str) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["scenario"], scenario))


def _percent(value: float, error: float | None = None) -> str:
    return f"{100 * value:.1f} %" if error is None else f"{100 * value:.1f} ± {100 * error:.1f} %"


def _starts_in_words(starts: pa.Table, followers: pa.Table) -> list[str]:
    found = sorted(
        (row for row in starts.to_pylist() if row["probability"]), key=lambda row: -row["probability"]
    )
    if not found:
        return ["Nobody fails on any path."]
    words = []
    for row in found[:TOLD]:
        text = (
            f"{row['entity']} is the first to fail on {_percent(row['probability'], row['standard_error'])} of the "
            f"paths ({_percent(row['share'])} of those with a failure); {row['mean_followers']:.2f}"
        )
        error = row["followers_error"]
        text += (f" ± {error:.2f}" if error is not None else "") + " others follow on average"
        after = [
            one for one in followers.to_pylist() if one["starter"] == row["entity"] and one["probability"]
        ]
        after.sort(key=lambda one: -one["probability"])
        parts = []
        for one in after[:TOLD]:
            part = f"{one['entity']} on {_percent(one['probability'], one['standard_error'])}"
            if one["otherwise"] is not None:
                part += f" (on the other paths {_percent(one['otherwise'])})"
            if one["contagion"]:
                part += f", {_percent(one['contagion'])} by contagion alone"
            parts.append(part)
        words.append(text + (": " + "; ".join(parts) if parts else "") + ".")
    return words


def _contagion_in_words(contagion: pa.Table | None, currency: str) -> list[str]:
    if contagion is None:
        return ["What contagion adds is known where first_round and full were both run."]
    words = []
    for row in contagion.to_pylist():
        of_loss = row["figure"] == "mean_loss"
        whole = money(row["full"], currency) if of_loss else f"{row['full']:.3g}"
        what = f"the book's mean loss of {whole}" if of_loss else f"the {whole} failures that are expected"
        if row["share"] is not None:
            error = row["share_error"]
            words.append(f"Contagion makes {_percent(row['share'], error)} of {what}.")
    return words


def _tail_in_words(tail: pa.Table, currency: str) -> list[str]:
    found = sorted(
        (row for row in tail.to_pylist() if row["contribution"]), key=lambda row: -row["contribution"]
    )
    parts = []
    for row in found[:TOLD]:
        error = "" if row["standard_error"] is None else f" ± {money(row['standard_error'], currency)}"
        share = "" if row["share"] is None else f" ({_percent(row['share'])})"
        parts.append(f"{row['position']} {money(row['contribution'], currency)}{error}{share}")
    return [f"Expected shortfall at 99 % comes from {'; '.join(parts)}."] if parts else []


def _starters_in_words(by_entity: pa.Table) -> list[str]:
    found = sorted((row for row in by_entity.to_pylist() if row["started"]), key=lambda row: -row["started"])
    parts = [
        f"{row['entity']} {_percent(row['started_share'])}" for row in found[:TOLD] if row["started_share"]
    ]
    return [f"By who fails first on those paths: {'; '.join(parts)} of it."] if parts else []


def _shares_in_words(shares: pa.Table | None) -> list[str]:
    """Of the losses, of how many fail, and of each measure: what varies with the factors that matter most."""
    if shares is None:
        return []
    words = []
    for output in dict.fromkeys(shares["output"].to_pylist()):
        rows = [row for row in shares.to_pylist() if row["output"] == output and row["total"] is not None]
        rows.sort(key=lambda row: -row["total"])
        parts = [f"{row['factor']} {_percent(row['first'], row['first_error'])} by itself and "
                 f"{_percent(row['total'], row['total_error'])} with all others" for row in rows[:TOLD]]  # fmt: skip
        named = {"loss": "the book's losses", "failures": "the number of failures"}
        if parts and not output.startswith("failure:"):
            what = named.get(output, f"the net present value of {output.removeprefix('npv:')}")
            words.append(f"The variance of {what} is due to {'; '.join(parts)}.")
    return words


def _world_in_words(run: Result, world: pa.Table, worst: WorstPaths) -> list[str]:
    """Of each factor the period in which the worst paths are surest to differ."""
    if not worst.share:
        return ["No path is worse than another, so there are no worst paths to compare with all."]
    best: dict[str, dict[str, Any]] = {}
    for row in world.to_pylist():
        if row["standard_error"] and abs(row["difference"]) > SURE * row["standard_error"]:
            before = best.get(row["factor"])
            if before is None or abs(row["deviations"]) > abs(before["deviations"]):
                best[row["factor"]] = row
    which = _worst_in_words(worst)
    if not best:
        return [f"On {which} no factor is surely otherwise than on all."]
    parts = [
        f"{name} {row['worst_mean']:.3g} ± {row['standard_error']:.1g} instead of {row['mean']:.3g} in "
        f"{period_label(run.system.settings, row['period'])}"
        for name, row in sorted(best.items(), key=lambda item: -abs(item[1]["deviations"]))
    ]
    return [f"On {which}, where they differ most: {'; '.join(parts)}."]


def _worst_in_words(worst: WorstPaths) -> str:
    """Which paths are the worst, and how many where ties make them more or fewer than were asked for."""
    if not worst.tied:
        return f"the worst {_percent(worst.share)} of the paths"
    inside = int(worst.weight.sum())
    ties = "which all tie" if inside == worst.tied else f"the {counted(worst.tied, 'path')} next to them tie"
    return f"the worst {inside:,} of {counted(len(worst.weight), 'path')} ({100 * worst.share:.3g} %; {ties})"
