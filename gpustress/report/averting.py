"""What revenue would avert the failure of who is the first to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..answers.reverse import reverse_stress
from ..parameters import Flows
from ..sampling import binomial_error, mean_with_error
from ..simulation import simulate
from ..tables import strings
from .same_draws import only_scenario

if TYPE_CHECKING:
    from ..answers.reverse import ReverseStress
    from ..result import Result
    from ..system import System

MOST: Final = 20_000  # paths of a search
RISE: Final = 4.0  # of the revenue, beyond which nothing is sought: five times what is assumed
POINTS: Final = 9  # of the search, from no rise to the largest
TARGETS: Final = (0.1, 0.01, 0.001, 0.0001)  # shares of the paths
REVENUE: Final = "revenue"


@dataclass(frozen=True, eq=False)
class Averting:
    """What revenue brings the failures of an entity down to a target.

    Attributes
    ----------
    entity : str
    own : bool
        Whether it is the entity's own revenue that rises; else it has none, and that of the whole system does.
    flows : tuple of str
        Its revenue, or the whole system's, all of which rises: driven flows among them too.
    before : dict
        Share of the paths on which it fails, ``value`` and ``standard_error``.
    target : float
        Share of the paths on which it may fail.
    found : ReverseStress
        Its root is the share by which revenue rises.
    revenue : dict
        What the flows come to over all periods as assumed, if nobody failed: mean and error (None of a single path),
        currency.
    """

    entity: str
    own: bool
    flows: tuple[str, ...]
    before: dict[str, float]
    target: float
    found: ReverseStress
    revenue: dict[str, float | None]

    @property
    def multiple(self) -> dict[str, float | None]:
        """The revenue as a multiple of what is assumed, and its 95 % interval; None for what there is not."""
        found = self.found
        return {
            "value": None if found.root is None else 1.0 + found.root,
            "standard_error": _known(found.standard_error),
            "low": None if found.low is None or not np.isfinite(found.low) else 1.0 + found.low,
            "high": None if found.high is None or not np.isfinite(found.high) else 1.0 + found.high,
        }

    @property
    def reached(self) -> dict[str, float | None]:
        """Share of the paths on which it fails at the multiple found, and its error."""
        return {"value": self.found.value, "standard_error": _known(self.found.value_error)}

    @property
    def at_most(self) -> dict[str, float | None]:
        """The largest revenue that was tried, as a multiple, and the share of the paths on which it fails there."""
        last = self.found.evaluations.to_pylist()[-1]
        return {"multiple": 1.0 + last["point"], "value": last["value"],
                "standard_error": _known(last["standard_error"])}  # fmt: skip

    @property
    def needed(self) -> dict[str, float | None]:
        """What the flows come to at the multiple found.

        Multiple and revenue come from the same paths, so the error is the largest that a product of the two can have,
        as if they were wholly correlated.
        """
        multiple, error = self.multiple["value"], self.multiple["standard_error"]
        revenue, its_error = self.revenue["value"], self.revenue["standard_error"]
        if multiple is None or revenue is None:
            return {"value": None, "standard_error": None}
        if error is None or its_error is None:
            return {"value": multiple * revenue, "standard_error": None}
        return {"value": multiple * revenue, "standard_error": abs(revenue) * error + multiple * its_error}

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "entity": self.entity,
            "flows": list(self.flows),
            "before": self.before,
            "target": self.target,
            "multiple": self.multiple,
            "reached": self.reached,
            "at_most": self.at_most,
            "revenue": self.revenue,
            "needed": self.needed,
            "reverse": self.found.as_json(),
        }


@dataclass(frozen=True)
class Revenue:
    """Whose revenue rises, and how each flow of it rises exactly once.

    Attributes
    ----------
    own : bool
        Whether the entity receives it; else it is that of the whole system.
    flows : tuple of str
        All of it.
    scaled : tuple of str
        Those that have to be scaled: what one of the others drives, at any remove, rises with that one.
    """

    own: bool
    flows: tuple[str, ...]
    scaled: tuple[str, ...]


def averting(run: Result, place: int, entity: str, avert_to: float | None = None) -> Averting | None:
    """Find the revenue at which an entity fails on no more than a share of the paths, on the draws of a run.

    Parameters
    ----------
    run : Result
    place : int
        Of the run in ``run.runs``.
    entity : str
    avert_to : float, optional
        Share of the paths; by default the largest of 10 %, 1 %, 0.1 % and 0.01 % that at least halves the failures.

    Returns
    -------
    Averting or None
        None where there is nothing to ask: it fails less often than the target, nothing in the system is revenue,
        the factor paths were the user's own and are not kept, or the paths do not come out as in the run.
    """
    paths = min(run.paths, MOST)
    revenue = revenue_of(run.system, entity)
    fails = float(np.mean(run.failed_at[place, :paths, run.entities.index(entity)] < run.periods))
    target = avert_to
    if target is None:
        target = next((share for share in TARGETS if share <= fails / 2.0), None)
    if target is None or target >= fails or not revenue.flows or run.factors_digest:
        return None
    table, scenario = only_scenario(run, place)
    found = reverse_stress(
        run.system,
        {f"flow.{flow}.scale": 1.0 for flow in revenue.scaled},
        op="scale",
        bounds=(0.0, RISE),
        points=POINTS,
        target=target,
        statistic="failure_probability",
        entity=entity,
        scenarios=table,
        scenario=scenario,
        paths=paths,
        seed=run.seed,
        effects=run.runs[place].effects,
    )
    if found.unstressed_value != fails:  # another backend's last digit: better no answer than another run's
        return None
    names = [f"flow:{flow}" for flow in revenue.flows]
    assumed = simulate(run.system, table, paths=paths, seed=run.seed, effects="none", record=names)
    total, error = mean_with_error(sum(assumed.series[name][0].sum(axis=1) for name in names))
    before = {"value": fails, "standard_error": float(binomial_error(fails, paths))}
    assumed_revenue = {"value": total, "standard_error": _known(error)}
    return Averting(entity, revenue.own, revenue.flows, before, target, found, assumed_revenue)


def revenue_of(system: System, entity: str) -> Revenue:
    """The flows of kind revenue that an entity receives, or, where there are none, all of that kind."""
    flows = Flows(system.tables)
    receivers = strings(system.flows, "receiver")
    every = [flow for flow in range(flows.own) if flows.kinds[flow] == REVENUE]
    mine = [flow for flow in every if receivers[flow] == entity]
    rising = dict.fromkeys(mine or every)
    scaled = [flow for flow in rising if not any(driver in rising for driver in flows.drivers_of(flow))]
    names = flows.names
    return Revenue(bool(mine), tuple(names[flow] for flow in rising), tuple(names[flow] for flow in scaled))


def _known(error: float | None) -> float | None:
    """A standard error; None where there is none, as of a single path."""
    return error if error is not None and np.isfinite(error) else None
