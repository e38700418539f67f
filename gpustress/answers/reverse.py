"""Reverse stress: the smallest change of a parameter at which a statistic meets a target."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..arguments import is_number, one_of, whole_number
from ..backends import AUTO
from ..errors import InputError, Problem, bad_argument, shown
from ..sampling import CONFIDENCE, check_share, normal_deviate
from ..scenarios import check_addresses
from ..schema import OPERATIONS
from .experiment import COLUMNS, Change, Experiment, RunOptions
from .plain_data import fields_as_json
from .root_search import Found, Search
from .statistic import read_statistic

if TYPE_CHECKING:
    import pyarrow as pa

    from ..system import System

POINTS: Final = 9  # evaluated first, over the bounds
MOST_POINTS: Final = 10_000
_ADDRESS: Final = 'Name what is changed, e.g. "flow.kind:revenue.scale", or map addresses to numbers.'


@dataclass(frozen=True, eq=False, repr=False)
class ReverseStress:
    """What it takes until a statistic meets a target.

    Attributes
    ----------
    parameter : str
        The address; of several, the direction.
    op : str
        What is done with the parameter: set, scale or add.
    moved : str
        What the points are, in words: the parameter, or with scale and add a multiple of it and what is added to it.
    statistic : str
        In words.
    target : float
    root : float or None
        The parameter's value (of a direction: the amount moved along it) nearest to the unstressed one at which the
        target is met; None where it is met nowhere within the bounds.
    change : float or None
        root less the unstressed value; None where one of them is unknown.
    standard_error : float or None
        Of the root, by half the interval's width; nan where the interval is open or a single path was run.
    low, high : float or None
        Confidence interval of the root: where the statistic's own interval begins and ceases to hold the target;
        infinite on a side on which it holds it up to the bound.
    value, value_error : float or None
        The statistic at the root. It misses the target by more than its error only where it jumps across it.
    unstressed : float or None
        The parameter's own value; None where it has none (several flows of different scale, no date of failure).
    unstressed_value, unstressed_error : float or None
        The statistic there; None where that lies out of the bounds.
    monotone : bool
        Whether no two neighbouring points show a sure rise and two others a sure fall (3 paired standard errors).
    brackets : tuple of (float, float)
        Every pair of neighbouring points between which the target is crossed.
    evaluations : pyarrow.Table
        point, value, standard_error, low, high: every value on the way, in the order of points.
    confidence : float
    paths, seed : int
    backend : str
    answer : str
        The same in words.
    """

    parameter: str
    op: str
    moved: str
    statistic: str
    target: float
    root: float | None
    change: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    value: float | None
    value_error: float | None
    unstressed: float | None
    unstressed_value: float | None
    unstressed_error: float | None
    monotone: bool
    brackets: tuple[tuple[float, float], ...]
    evaluations: pa.Table
    confidence: float
    paths: int
    seed: int
    backend: str
    answer: str

    def __repr__(self) -> str:
        """Say the answer in words."""
        return f"<ReverseStress: {self.answer}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, and how it was come by."""
        from ..notebook import answer_html

        return answer_html("Reverse stress", [self.answer], self.evaluations)

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON: what is infinite or no number is null."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields_as_json(fields)


def reverse_stress(
    system: System,
    parameter: str | Mapping[str, float],
    *,
    bounds: tuple[float, float],
    target: float,
    measure: str | None = None,
    figure: str = "npv",
    positions: Any = None,
    entity: str | Sequence[str] | None = None,
    statistic: str = "mean",
    level: float = 0.99,
    horizon: float | None = None,
    op: str | None = None,
    start: int | None = None,
    end: int | None = None,
    scenarios: Any = None,
    scenario: str | None = None,
    points: int = POINTS,
    confidence: float = CONFIDENCE,
    paths: int | None = None,
    seed: int = 0,
    effects: str = "full",
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
    factors: Any = None,
) -> ReverseStress:
    """Find the smallest change of a parameter at which a statistic meets a target.

    Parameters
    ----------
    system : System
    parameter : str or mapping of str to float
        An address, e.g. ``"flow.kind:revenue.scale"``; or several, moved together along a direction: each by the
        amount times its number.
    bounds : (float, float)
        Least and greatest value; of a direction, of the amount.
    target : float
        What the statistic should be: currency, a period, or a probability.
    measure, figure : str, optional
        A measure and its ``total``, ``npv``, ``trough`` or ``payback``. None: the losses of a book.
    positions : anything that speaks Arrow, optional
        The book; None for the system's own.
    entity : str or sequence of str, optional
        Whose failure, for ``failure_probability``: one name, several of which one is enough, or ``"any"``.
    statistic : {"mean", "quantile", "failure_probability", "expected_shortfall"}
        The expected shortfall of a measure is the mean of its lowest, that of losses the mean of the highest.
    level : float
        Of a quantile or an expected shortfall.
    horizon : float, optional
        Years, of losses and failures.
    op : {"set", "scale", "add"}, optional
        What is done with the parameter; by default ``set``, along a direction ``add``. Along a direction with
        ``scale`` each is multiplied by 1 + amount times its number.
    start, end : int, optional
        First and last period of the change, for what takes them.
    scenarios : Scenarios or anything that speaks Arrow, optional
        Where `scenario` stands; None: the system's own.
    scenario : str, optional
        The scenario in which the parameter is changed, after its own rows; None: the only one of `scenarios`, or
        without these the system as it is.
    points : int
        How many values are evaluated first, evenly over the bounds; a root between two of them at which the
        statistic turns back is not seen.
    confidence : float
        Of the interval.
    paths, seed, effects, backend, threads, devices, memory, factors
        As of `simulate`, with one kind of effects.

    Returns
    -------
    ReverseStress

    Raises
    ------
    InputError
        An argument is not as it has to be, or the parameter can't take a value of the bounds.

    Notes
    -----
    All values are evaluated on the same draws, so the statistic is a deterministic function of the parameter, and its
    root is that of a sample. The bracket nearest to the unstressed value on either side is narrowed by
    `scipy.optimize.brentq` (Brent 1973) until a fiftieth of the root's standard error; where the statistic jumps, the
    root is the end of the bracket at which the target is met. The interval inverts the statistic's own (Fieller
    1954): it holds the points at which a test of the target would not reject, read off linearly between the points
    that were evaluated.
    """
    of = read_statistic(system, statistic=statistic, measure=measure, figure=figure, positions=positions,
                        entity=entity, level=level, horizon=horizon)  # fmt: skip
    direction, op = _direction(parameter, op)
    integral = isinstance(parameter, str) and parameter.endswith(".fail_at")
    low, high = _bounds(bounds, integral)
    _check_numbers(target, points, confidence)
    _check_periods(system.settings.periods, start=start, end=end)
    options = RunOptions(paths, seed, effects, backend, threads, devices, memory, factors)
    experiment = Experiment(system, scenarios, scenario, of, options, confidence)

    def moved(point: float) -> list[Change]:
        if isinstance(parameter, str):
            return [Change(parameter, op, point, start, end)]
        offset = 1.0 if op == "scale" else 0.0
        return [Change(name, op, offset + point * weight, start, end) for name, weight in direction.items()]

    experiment.check([moved(low), moved(high)], {column: column for column in COLUMNS} | {"value": "bounds"})
    if isinstance(parameter, str) and op == "set":
        unstressed = experiment.current(moved(low)[0])
    else:
        unstressed = 1.0 if isinstance(parameter, str) and op == "scale" else 0.0
    search = Search(lambda xs: experiment.estimates([moved(x) for x in xs]), target, (low, high), integral)
    # Nobody fails after the last period: of dates, without one, the latest is the smallest change.
    nowhere = high if integral else low
    found = search.run(points, nowhere if unstressed is None else unstressed)
    name = (
        parameter if isinstance(parameter, str) else ", ".join(f"{w:+g} x {a}" for a, w in direction.items())
    )
    moves = _moved(name, op, isinstance(parameter, str))
    return _answered(search, found, name, op, moves, of.label, unstressed, experiment, seed, confidence)


def _direction(parameter: str | Mapping[str, float], op: str | None) -> tuple[dict[str, float], str]:
    """The weight of each address, and the operation."""
    single = isinstance(parameter, str)
    chosen = ("set" if single else "add") if op is None else op
    if not one_of(chosen, OPERATIONS):
        raise bad_argument("op", op, "is not an operation", "Write one of " + ", ".join(OPERATIONS) + ".")
    if not single and (not isinstance(parameter, Mapping) or not parameter):
        raise bad_argument(
            "parameter", parameter, "is no address, and maps no addresses to numbers", _ADDRESS
        )
    check_addresses("parameter", [parameter] if single else parameter, _ADDRESS)
    if isinstance(parameter, str):
        return {parameter: 1.0}, chosen
    if chosen == "set":
        remedy = "Write add or scale; the amount is 0 where nothing is changed."
        raise bad_argument("op", op, "does not go with several parameters", remedy)
    wrong = [Problem("parameter", None, None, shown(weight), f"`{name}` is moved by no finite number", _ADDRESS)
             for name, weight in parameter.items() if not is_number(weight)]  # fmt: skip
    if wrong:
        raise InputError(wrong)
    if not any(parameter.values()):
        remedy = "Give one of them another number than 0."
        raise bad_argument("parameter", dict(parameter), "is a direction that moves nothing", remedy)
    return {name: float(weight) for name, weight in parameter.items()}, chosen


def _moved(name: str, op: str, single: bool) -> str:
    """What the points are; `name` is an address or a direction."""
    if not single:
        return f"amount along {name}" + (", as shares of what they are" if op == "scale" else "")
    return {"set": name, "scale": f"multiple of {name}", "add": f"amount added to {name}"}[op]


def _bounds(bounds: tuple[float, float], integral: bool) -> tuple[float, float]:
    pair = list(bounds) if isinstance(bounds, (tuple, list, np.ndarray)) else []
    if len(pair) != 2 or not all(map(is_number, pair)) or not float(pair[0]) < float(pair[1]):
        raise bad_argument(
            "bounds", bounds, "has to be two finite numbers in order", "Write e.g. (0.5, 5.0)."
        )
    low, high = float(pair[0]), float(pair[1])
    if not integral:
        return low, high
    if math.ceil(low) > math.floor(high):
        raise bad_argument("bounds", bounds, "hold no period", "Write whole numbers, e.g. (0, 4).")
    return float(math.ceil(low)), float(math.floor(high))


def _check_periods(periods: int, **given: int | None) -> None:
    for argument, period in given.items():
        number = whole_number(period)
        if period is not None and (number is None or not 0 <= number < periods):
            remedy = f"Give a whole number from 0 to {periods - 1}, or None."
            raise bad_argument(argument, period, "is no period", remedy)


def _check_numbers(target: float, points: int, confidence: float) -> None:
    if not is_number(target):
        raise bad_argument("target", target, "has to be a finite number", "Write e.g. 0.0.")
    number = whole_number(points)
    if number is None or not 2 <= number <= MOST_POINTS:
        raise bad_argument(
            "points", points, "is no number of points", f"Write a whole number from 2 to {MOST_POINTS}."
        )
    check_share("confidence", confidence)


def _answered(
    search: Search,
    found: Found,
    name: str,
    op: str,
    moved: str,
    label: str,
    unstressed: float | None,
    experiment: Experiment,
    seed: int,
    confidence: float,
) -> ReverseStress:
    root, low, high = found.root, found.low, found.high
    error = None
    if root is not None and low is not None and high is not None:
        one_path = math.isnan(search.known[root].standard_error)
        wide = one_path or not math.isfinite(high - low)
        error = math.nan if wide else (high - low) / (2.0 * normal_deviate(confidence))
    there = None if root is None else search.known[root]
    own = None if unstressed is None else search.known.get(unstressed)
    return ReverseStress(
        parameter=name,
        op=op,
        moved=moved,
        statistic=label,
        target=float(search.target),
        root=root,
        change=None if root is None or unstressed is None else root - unstressed,
        standard_error=error,
        low=low,
        high=high,
        value=None if there is None else there.value,
        value_error=None if there is None else there.standard_error,
        unstressed=unstressed,
        unstressed_value=None if own is None else own.value,
        unstressed_error=None if own is None else own.standard_error,
        monotone=search.monotone,
        brackets=tuple(search.brackets),
        evaluations=search.table(),
        confidence=confidence,
        paths=experiment.paths,
        seed=seed,
        backend=experiment.backend,
        answer=_in_words(search, found, moved, label, unstressed, confidence),
    )


def interval_in_words(low: float, high: float, confidence: float, digits: int = 6) -> str:
    """A root's interval, which may be open."""
    if math.isinf(low) and math.isinf(high):
        return "so few paths bound it on neither side"
    share = f"{100 * confidence:g} % interval"
    if math.isinf(low):
        return f"{share} up to {high:.{digits}g}, open below"
    return f"{share} {low:.{digits}g} " + ("up, open above" if math.isinf(high) else f"to {high:.{digits}g}")


def _in_words(
    search: Search, found: Found, moved: str, label: str, unstressed: float | None, confidence: float
) -> str:
    known, target = search.known, search.target
    least, greatest = search.bounds
    if found.root is None:
        below = known[least].value < target
        values = [estimate.value for estimate in known.values()]
        nearest = min(known, key=lambda x: abs(known[x].value - target))
        text = (
            f"The {label} does not meet {target:.6g} for {moved} from {least:g} to {greatest:g}: it is "
            f"{known[least].value:.6g} at {least:g} and {known[greatest].value:.6g} at {greatest:g}, "
            f"{'below' if below else 'above'} the target at every point evaluated; nearest, "
            f"{known[nearest].value:.6g}, at {nearest:.6g}."
        )
        if not search.monotone:
            text += f" It is not monotone: it goes from {min(values):.6g} to {max(values):.6g} and back."
        return text
    assert found.low is not None
    assert found.high is not None
    there, interval = known[found.root], interval_in_words(found.low, found.high, confidence)
    text = f"The {label} meets {target:.6g} at {moved} = {found.root:.6g} ({interval})"
    if unstressed is not None:
        text += f", a change of {found.root - unstressed:+.6g} from {unstressed:.6g}"
        text += f", where it is {known[unstressed].value:.6g}" if unstressed in known else ""
    text += "."
    if not there.low <= target <= there.high:
        text += f" It jumps across the target there, to {there.value:.6g}."
    if len(search.brackets) > 1:
        places = "; ".join(f"{a:.6g} to {b:.6g}" for a, b in search.brackets)
        text += f" The target is crossed {len(search.brackets)} times ({places}); this is the nearest."
    if not search.monotone:
        text += " It both rises and falls over the points evaluated, so there may be more."
    return text
