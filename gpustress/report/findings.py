"""What a page tells beyond its run, from more runs on the same draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..answers.storytelling import MEDIAN, WORST_PATH, story
from ..estimates import run_place
from ..failure_order import first_to_fail
from ..result import check_result
from ..sampling import check_share
from ..variance_reduction import check_plain
from .averting import averting
from .movers import movers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..answers.storytelling import Story
    from ..result import Result
    from .averting import Averting
    from .movers import Movers

TOLD: Final[dict[str, str | float]] = {
    "The median path": MEDIAN,
    "A bad path, at the 95 % quantile": 0.95,
    "The worst path": WORST_PATH,
}


@dataclass(frozen=True, eq=False)
class Findings:
    """Answers that take runs of their own; None or empty where there was nothing to ask.

    Attributes
    ----------
    scenario : str
        Name of the run that was asked.
    averting : Averting or None
        What revenue averts the failure of who is the first to fail.
    movers : Movers or None
        What moves the book's loss.
    stories : dict of str to Story
        By what they are called: the median path, the one at the 95 % quantile, the worst.
    """

    scenario: str
    averting: Averting | None
    movers: Movers | None
    stories: dict[str, Story]

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "scenario": self.scenario,
            "averting": None if self.averting is None else self.averting.as_json(),
            "movers": None if self.movers is None else self.movers.as_json(),
            "stories": [{"which": name, **one.as_json()} for name, one in self.stories.items()],
        }


def find(
    run: Result,
    scenario: str | None = None,
    *,
    avert_to: float | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Findings:
    """Ask what a page wants to know beyond its run, of one of the run's scenarios.

    Parameters
    ----------
    run : Result
    scenario : str, optional
        A run's or a scenario's name: what the page begins with; None: the first.
    avert_to : float, optional
        Share of the paths on which the first to fail may fail; see `averting`.
    tell : function of a str
        Told before each part what is being done, once the arguments are checked.

    Returns
    -------
    Findings

    Raises
    ------
    InputError
        There is no such scenario, the target is no share; or the run's paths are not independent.
    """
    check_result(run)
    if avert_to is not None:
        check_share("avert_to", avert_to)
    check_plain(run, "the report")  # before the searches, which take their time
    place = run_place(run, scenario)
    asked = run.scenarios[place]
    first = first_to_fail(run, place).mean(axis=0)
    if not first.any():
        return Findings(asked, None, None, {})
    entity = run.entities[int(first.argmax())]
    tell(f"Looking for the revenue that averts the failure of {entity} ...")
    averted = averting(run, place, entity, avert_to)
    tell("Moving each factor and each kind of payment by a tenth ...")
    moved = movers(run, place, entity)
    tell("Replaying the median, a bad and the worst path ...")
    return Findings(asked, averted, moved, _stories(run, place))


def _stories(run: Result, place: int) -> dict[str, Story]:
    """Those that come out as they did in the run, whatever backend replays them; each path once."""
    stories: dict[str, Story] = {}
    if run.factors_digest:
        return stories
    for name, which in TOLD.items():
        told = story(run, run.scenarios[place], which=which)
        failed = {event["entity"]: event["period"] for event in told.replay.events.to_pylist()}
        again = np.array([failed.get(entity, run.periods) for entity in run.entities])
        same = np.array_equal(again, run.failed_at[place, told.path])
        if same and told.path not in {one.path for one in stories.values()}:
            stories[name] = told
    return stories
